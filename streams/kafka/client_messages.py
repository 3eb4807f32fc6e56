"""What a client says of its own trouble: which sentence tells a person most, and whether waiting may mend it.

A call that gets no answer fails with "Local: Broker transport failure" or "Timed out", whatever the reason: the reason
is in what the client reported meanwhile (``error_cb``). Measured with librdkafka 2.16 on Apache Kafka 4.3: a wrong
password is ``_AUTHENTICATION``, a wrong CA ``_SSL``, a host that is not found ``_RESOLVE``, a refused connection and a
TLS client on a plaintext listener ``_TRANSPORT``, a plaintext client on a TLS listener ``_ALL_BROKERS_DOWN`` alone.
"""

import re
from collections.abc import Callable
from typing import Any, Final, TypeVar

from confluent_kafka import KafkaError, KafkaException

from streams.clock import uptime_s
from streams.errors import BrokerDown, SourceFailed

T = TypeVar("T")

CREDENTIALS: Final = frozenset(
    {
        KafkaError._AUTHENTICATION,  # noqa: SLF001 - the client's names for its own errors start so
        KafkaError._SSL,  # noqa: SLF001
        KafkaError.SASL_AUTHENTICATION_FAILED,
        KafkaError.UNSUPPORTED_SASL_MECHANISM,
    }
)
"""Only a person can mend these: the client's properties, or what the broker knows of us."""

_MOST_SPECIFIC_FIRST: Final = (
    *CREDENTIALS,
    KafkaError._RESOLVE,  # noqa: SLF001
    KafkaError._TRANSPORT,  # noqa: SLF001
)
_DURATION: Final = re.compile(r" \(after \d+ms in state \w+(, \d+ identical error\(s\) suppressed)?\)$")
_REMEDY: Final = "[kafka] properties: security.protocol, sasl.* and ssl.*"


_FIRST_TRY_S: Final = 0.5
_NO_ANSWER: Final = frozenset(
    {
        KafkaError._TRANSPORT,  # noqa: SLF001
        KafkaError._TIMED_OUT,  # noqa: SLF001
        KafkaError._ALL_BROKERS_DOWN,  # noqa: SLF001
        KafkaError._RESOLVE,  # noqa: SLF001
        # a broker that has just come up
        KafkaError.REQUEST_TIMED_OUT,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.NOT_COORDINATOR,
    }
)


class ClientErrors:
    """Hears one client, which must poll before it is asked for a failure: it reports in its own time."""

    def __init__(self, bootstrap_servers: str) -> None:
        self._at = bootstrap_servers
        self._most_specific: KafkaError | None = None

    @property
    def quiet_config(self) -> dict[str, Any]:
        """For a client that is opened for one question: whoever asks is told by the error, once."""
        return {"error_cb": self.on_error, "log_level": 2}

    def on_error(self, error: KafkaError) -> None:
        """The client's ``error_cb``."""
        if self._most_specific is None or _rank(error) <= _rank(self._most_specific):
            self._most_specific = error

    @property
    def text(self) -> str:
        """The most telling of what was heard, as the client puts it; empty = nothing was."""
        return "" if self._most_specific is None else error_text(self._most_specific)

    @property
    def is_permanent(self) -> bool:
        """Waiting for an answer mends nothing: a person must."""
        return self._most_specific is not None and self._most_specific.code() in CREDENTIALS

    def retry(self, client: Any, ask: Callable[[float], T], timeout_s: float) -> T:
        """What ``ask`` answers within the time, of which it is given growing pieces. Raises its last KafkaException.

        Between the pieces the client says what it met, so that refused credentials are not waited for to the end.
        """
        until_s, try_s = uptime_s() + timeout_s, _FIRST_TRY_S
        while True:
            try:
                return ask(min(try_s, max(0.0, until_s - uptime_s())))
            except KafkaException as error:
                client.poll(0)
                if self.is_permanent or error.args[0].code() not in _NO_ANSWER or uptime_s() >= until_s:
                    raise
            try_s *= 2

    def failure(self, error: KafkaException, asked_for: str = "") -> SourceFailed:
        """For a call that failed: BrokerDown where asking again may help, else SourceFailed."""
        problem = error.args[0] if error.args else None
        code = problem.code() if isinstance(problem, KafkaError) else None
        most = self._most_specific
        if code in CREDENTIALS or (code in _NO_ANSWER and most is not None and most.code() in CREDENTIALS):
            return SourceFailed(f"the broker at {self._at} cannot be used: {self._reason(error)}. Remedy: {_REMEDY}")
        if code in _NO_ANSWER:
            return BrokerDown(f"no broker answers at {self._at}: {self._reason(error)}{self._hint()}")
        return SourceFailed(f"{asked_for or f'the broker at {self._at}'} cannot be read: {_text(error)}")

    def _reason(self, error: KafkaException) -> str:
        return self.text or _text(error)

    def _hint(self) -> str:
        plain = self._most_specific is not None and _rank(self._most_specific) == len(_MOST_SPECIFIC_FIRST)
        return "; a listener that expects TLS closes a plaintext connection without a word" if plain else ""


def error_text(error: KafkaError) -> str:
    """Without how long it took, so that the same trouble reads the same."""
    return _DURATION.sub("", error.str())


def _rank(error: KafkaError) -> int:
    code = error.code()
    return _MOST_SPECIFIC_FIRST.index(code) if code in _MOST_SPECIFIC_FIRST else len(_MOST_SPECIFIC_FIRST)


def _text(error: KafkaException) -> str:
    problem: Any = error.args[0] if error.args else error
    return error_text(problem) if isinstance(problem, KafkaError) else str(problem)
