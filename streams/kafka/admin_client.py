"""Clients for asynchronous requests that are replaced when they no longer get answers."""

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from typing import Any, Final, Generic, TypeAlias, TypeVar

from confluent_kafka import OFFSET_INVALID, KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined] # documented there

from streams.clock import uptime_s
from streams.kafka.live_clients import TrackedAdminClient

REPLACE_AFTER_S: Final = 10.0
EARLIEST: Final = OffsetSpec.earliest()  # type: ignore[no-untyped-call]
LATEST: Final = OffsetSpec.latest()  # type: ignore[no-untyped-call]


C = TypeVar("C")


class RenewingClient(Generic[C]):
    """Holds the current client. Used by one thread.

    A client caches leaders and brokers, and does not always update its cache. Measured with librdkafka 2.16.0:
    after a broker had been frozen, every ``list_offsets`` failed with FENCED_LEADER_EPOCH for good; after a broker had
    described a cluster without brokers, every request timed out for good. A new client starts with an empty cache.
    """

    def __init__(self, clock: Callable[[], float], build: Callable[[], C]) -> None:
        self._clock = clock
        self._build = build
        self._failing_since_s: float | None = None
        self.client = build()
        """Keep a reference until its requests are answered: destroying the client ends them."""

    def report(self, problems: Iterable[BaseException | None]) -> None:
        """Takes the errors of requests; None = answered. After ten seconds of failures only, replaces the client."""
        all_problems = list(problems)
        if any(_is_fenced(problem) for problem in all_problems):
            self._renew()
        elif not all(isinstance(problem, KafkaException) for problem in all_problems):
            self._failing_since_s = None  # any answer shows that the client works
        elif self._failing_since_s is None:
            self._failing_since_s = self._clock()
        elif self._clock() - self._failing_since_s >= REPLACE_AFTER_S:
            self._renew()

    def _renew(self) -> None:
        self._failing_since_s = None
        self.client = self._build()


RenewingAdminClient: TypeAlias = RenewingClient[AdminClient]


def renewing_admin(configuration: Mapping[str, Any], clock: Callable[[], float] = uptime_s) -> RenewingAdminClient:
    """Returns a holder with a new admin client."""
    return RenewingClient(clock, lambda: TrackedAdminClient(dict(configuration)))


def error_of(request: Future[Any]) -> BaseException | None:
    """Returns the error of a completed request, or None. An invalid offset counts as a timeout.

    ``list_offsets`` returns it, without an error, for partitions whose leader did not answer in time (confluent-kafka
    and librdkafka 2.16.0).
    """
    if request.exception() is None and getattr(request.result(), "offset", 0) == OFFSET_INVALID:
        return KafkaException(KafkaError(KafkaError._TIMED_OUT, "its leader does not answer"))  # noqa: SLF001 - the client's spelling
    return request.exception()


def _is_fenced(problem: BaseException | None) -> bool:
    return isinstance(problem, KafkaException) and problem.args[0].code() == KafkaError.FENCED_LEADER_EPOCH
