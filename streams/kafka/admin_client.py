"""Questions to the cluster that nobody waits for, from a client that is replaced when it gets no answers."""

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from typing import Any, Final

from confluent_kafka import OFFSET_INVALID, KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from streams.clock import uptime_s

PATIENCE_S: Final = 10.0


class RenewingAdminClient:
    """Holds the client to ask. Used by one thread.

    An administrator's client remembers leaders and brokers, and does not always learn better. Measured with librdkafka
    2.16.0: after a broker had been frozen, every ``list_offsets`` was refused with FENCED_LEADER_EPOCH, for good; after
    a broker had described a cluster without brokers, every request timed out, for good. A new client remembers nothing.
    """

    def __init__(
        self,
        configuration: Mapping[str, Any],
        clock: Callable[[], float] = uptime_s,
        build: Callable[[dict[str, Any]], AdminClient] = AdminClient,
    ) -> None:
        self._configuration = dict(configuration)
        self._clock = clock
        self._build = build
        self._failing_since_s: float | None = None
        self.client = build(self._configuration)
        """Keep it until it has answered: its end is the end of what it was asked."""

    def report(self, problems: Iterable[BaseException | None]) -> None:
        """How each question ended; None = it was answered. Nothing but failures for a while costs the client."""
        all_problems = list(problems)
        if any(_is_fenced(problem) for problem in all_problems):
            self._renew()
        elif not all(isinstance(problem, KafkaException) for problem in all_problems):
            self._failing_since_s = None  # what is answered at all shows that the client is well
        elif self._failing_since_s is None:
            self._failing_since_s = self._clock()
        elif self._clock() - self._failing_since_s >= PATIENCE_S:
            self._renew()

    def _renew(self) -> None:
        self._failing_since_s = None
        self.client = self._build(self._configuration)


def error_of(question: Future[Any]) -> BaseException | None:
    """How an answered question ended. An offset that the client does not know is no answer.

    ``list_offsets`` gives it, without an error, for partitions whose leader did not answer in time (confluent-kafka and
    librdkafka 2.16.0).
    """
    if question.exception() is None and getattr(question.result(), "offset", 0) == OFFSET_INVALID:
        return KafkaException(KafkaError(KafkaError._TIMED_OUT, "its leader does not answer"))  # noqa: SLF001 - the client's name
    return question.exception()


def _is_fenced(problem: BaseException | None) -> bool:
    return isinstance(problem, KafkaException) and problem.args[0].code() == KafkaError.FENCED_LEADER_EPOCH
