"""Reports checkpoints that fail repeatedly, and decides how long to wait before the next attempt.

The same failure is logged once, then once a minute. If the broker denies an operation, the message names it: an error
of a transaction says only that it failed, or that a topic is denied but not which one (librdkafka 2.16 names it in its
log alone), so the broker is asked what this principal may do. A denied operation is retried less and less often,
because only an operator can grant it.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from math import inf
from typing import Final

from confluent_kafka import KafkaError

from streams.errors import StreamError
from streams.kafka.admin import ClusterAdmin
from streams.kafka.authorization import GROUP, TOPIC, RequiredAccess, not_permitted
from streams.kafka.settings import SinkSettings
from streams.topics import TopicDescription

Describe = Callable[[Collection[str]], dict[str, TopicDescription]]
"""Describes those of the named topics that exist, with what this principal may do. Raises StreamError."""

AGAIN_S: Final = 0.05
DENIED_FIRST_S: Final = 0.5
DENIED_MOST_S: Final = 10.0
LOG_EVERY_S: Final = 60.0
_DESCRIBE_EVERY_S: Final = 10.0

_DENIED: Final = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    }
)
_FOLLOWING: Final = frozenset(
    {
        KafkaError._STATE,  # noqa: SLF001 - the client spells its own error codes with an underscore
        KafkaError._INCONSISTENT,  # noqa: SLF001 - deliveries failed; their reports give the reason
        KafkaError._PURGE_QUEUE,  # noqa: SLF001
        KafkaError._PURGE_INFLIGHT,  # noqa: SLF001
    }
)
"""The transaction failed earlier, for a reason that this error does not give."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureReport:
    """What to log about a failure, and when to try again."""

    reason: str
    level: str
    after_s: float


class CheckpointFailures:
    """The failures of one sink. Used by its thread."""

    def __init__(self, settings: SinkSettings, clock: Callable[[], float], describe: Describe | None = None) -> None:
        self._group = settings.group
        self._clock = clock
        self._describe = describe if describe is not None else _describe_with(settings)
        self._logged_s: dict[str, float] = {}
        self._denials = 0
        self._described_s = -inf
        self._known: tuple[RequiredAccess, ...] = ()

    def failed(
        self, problem: KafkaError, outputs: Collection[str], inputs: Collection[str], level: str
    ) -> FailureReport:
        """Records a failure. ``outputs``: topics that the checkpoint writes; ``inputs``: those it commits."""
        denied = self._denied(problem, outputs, inputs)
        reason = denied or f"{problem.name()}: {problem.str()}"
        self._denials = self._denials + 1 if denied else 0
        wait_s = min(DENIED_MOST_S, DENIED_FIRST_S * 2.0 ** min(self._denials - 1, 10)) if denied else AGAIN_S
        return FailureReport(reason=reason, level=self._level(denied or problem.name(), level), after_s=wait_s)

    def succeeded(self) -> None:
        """Records that a checkpoint is durable: the next failure is logged as a new one."""
        self._logged_s.clear()
        self._denials, self._described_s, self._known = 0, -inf, ()

    def _level(self, what: str, level: str) -> str:
        now_s = self._clock()
        if now_s - self._logged_s.get(what, -inf) < LOG_EVERY_S:
            return "debug"
        self._logged_s[what] = now_s
        return level

    def _denied(self, problem: KafkaError, outputs: Collection[str], inputs: Collection[str]) -> str | None:
        code = problem.code()
        if code == KafkaError.GROUP_AUTHORIZATION_FAILED:
            return _sentence(problem, (RequiredAccess("Read", GROUP, self._group),))
        if code not in _DENIED | _FOLLOWING:
            return None
        lacking = self._lacking(outputs, inputs)
        if lacking or code in _DENIED:
            return _sentence(problem, lacking)
        return None

    def _lacking(self, outputs: Collection[str], inputs: Collection[str]) -> tuple[RequiredAccess, ...]:
        """Asks again every ten seconds: once an ACL is added, another one may be found missing."""
        now_s = self._clock()
        if now_s - self._described_s < _DESCRIBE_EVERY_S:
            return self._known
        self._described_s = now_s
        wanted = [
            *(("Write", name) for name in sorted(set(outputs))),
            *(("Read", name) for name in sorted(set(inputs))),
        ]
        try:
            there = self._describe({name for _, name in wanted})
        except StreamError:
            return self._known
        self._known = tuple(
            RequiredAccess(operation, TOPIC, name)
            for operation, name in wanted
            if _is_denied(there.get(name), operation)
        )
        return self._known


def _is_denied(topic: TopicDescription | None, operation: str) -> bool:
    return topic is not None and topic.allowed is not None and operation not in topic.allowed


def _sentence(problem: KafkaError, needs: Collection[RequiredAccess]) -> str:
    if problem.code() in _FOLLOWING:
        problem = KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED)
    return str(not_permitted(problem, *needs))


def _describe_with(settings: SinkSettings) -> Describe:
    """Opens an admin client only when it is called, which is rare."""

    def describe(names: Collection[str]) -> dict[str, TopicDescription]:
        return ClusterAdmin(settings.connection.admin(), settings.call_timeout_s).describe(list(names))

    return describe
