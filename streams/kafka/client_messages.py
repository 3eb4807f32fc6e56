"""Explains why a client cannot reach its broker, and whether waiting may help.

A call without an answer fails with "Local: Broker transport failure" or "Timed out", whatever the reason. The reason is
in the errors that the client reports through ``error_cb``. Measured with librdkafka 2.16 on Apache Kafka 4.3: a wrong
password is ``_AUTHENTICATION``, a wrong CA ``_SSL``, a host that is not found ``_RESOLVE``; a refused connection and a
TLS client on a plaintext listener are ``_TRANSPORT``; a plaintext client on a TLS listener is ``_ALL_BROKERS_DOWN``
and nothing else.
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
        KafkaError._AUTHENTICATION,  # noqa: SLF001 - the client spells its own error codes with an underscore
        KafkaError._SSL,  # noqa: SLF001
        KafkaError.SASL_AUTHENTICATION_FAILED,
        KafkaError.UNSUPPORTED_SASL_MECHANISM,
    }
)
"""Only an operator can resolve these: in the client's properties, or in the broker's credentials."""

_MOST_SPECIFIC_FIRST: Final = (
    *CREDENTIALS,
    KafkaError._RESOLVE,  # noqa: SLF001
    KafkaError._TRANSPORT,  # noqa: SLF001
)
_DURATION: Final = re.compile(r" \(after \d+ms in state \w+(, \d+ identical error\(s\) suppressed)?\)$")
_REMEDY: Final = "check security.protocol, sasl.* and ssl.* in [kafka] properties"

_FIRST_TRY_S: Final = 0.5
_NO_ANSWER: Final = frozenset(
    {
        KafkaError._TRANSPORT,  # noqa: SLF001
        KafkaError._TIMED_OUT,  # noqa: SLF001
        KafkaError._ALL_BROKERS_DOWN,  # noqa: SLF001
        KafkaError._RESOLVE,  # noqa: SLF001
        # a broker that has just started
        KafkaError.REQUEST_TIMED_OUT,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.NOT_COORDINATOR,
    }
)


class ClientErrors:
    """Collects the errors of one client. Poll the client before ``failure``: it delivers its errors when polled."""

    def __init__(self, bootstrap_servers: str) -> None:
        self._at = bootstrap_servers
        self._most_specific: KafkaError | None = None

    @property
    def quiet_config(self) -> dict[str, Any]:
        """Properties of a client that is opened for one request: the caller gets the error, and the log does not."""
        return {"error_cb": self.on_error, "log_level": 2}

    def on_error(self, error: KafkaError) -> None:
        """The client's ``error_cb``."""
        if self._most_specific is None or _rank(error) <= _rank(self._most_specific):
            self._most_specific = error

    @property
    def text(self) -> str:
        """The most specific error so far, as the client words it; empty if there was none."""
        return "" if self._most_specific is None else error_text(self._most_specific)

    @property
    def is_permanent(self) -> bool:
        """Whether waiting is useless because only an operator can resolve the error."""
        return self._most_specific is not None and self._most_specific.code() in CREDENTIALS

    def retry(self, client: Any, ask: Callable[[float], T], timeout_s: float) -> T:
        """Calls ``ask`` with growing timeouts until it answers or the time is up. Raises its last KafkaException.

        The client delivers its errors between the calls, so refused credentials end the wait early.
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
        """Returns the error for a failed call: BrokerDown if trying again may help, else SourceFailed."""
        problem = error.args[0] if error.args else None
        code = problem.code() if isinstance(problem, KafkaError) else None
        most = self._most_specific
        if code in CREDENTIALS or (code in _NO_ANSWER and most is not None and most.code() in CREDENTIALS):
            return SourceFailed(f"cannot connect to the broker at {self._at}: {self._reason(error)}. Remedy: {_REMEDY}")
        if code in _NO_ANSWER:
            return BrokerDown(f"no broker answers at {self._at}: {self._reason(error)}{self._hint()}")
        return SourceFailed(f"{asked_for or f'the broker at {self._at}'} cannot be read: {_text(error)}")

    def _reason(self, error: KafkaException) -> str:
        return self.text or _text(error)

    def _hint(self) -> str:
        plain = self._most_specific is not None and _rank(self._most_specific) == len(_MOST_SPECIFIC_FIRST)
        return "; a TLS listener closes plaintext connections without an error" if plain else ""


def error_text(error: KafkaError) -> str:
    """The text of an error without its duration, so that the same error always reads the same."""
    return _DURATION.sub("", error.str())


def _rank(error: KafkaError) -> int:
    code = error.code()
    return _MOST_SPECIFIC_FIRST.index(code) if code in _MOST_SPECIFIC_FIRST else len(_MOST_SPECIFIC_FIRST)


def _text(error: KafkaException) -> str:
    problem: Any = error.args[0] if error.args else error
    return error_text(problem) if isinstance(problem, KafkaError) else str(problem)
