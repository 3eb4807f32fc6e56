"""Encodes the call log's row of an HTTP attempt; a switch adds the exact bodies for a limited time. Pure.

Only calls about offers, parcels and carriers are logged with bodies, never a call whose response holds personal data.
"""

from collections.abc import Callable
from dataclasses import dataclass

from connector.contracts.call_log_row import MarketplaceCalled
from streams.flow import Headers, Output

MAX_BODIES_S = 3600.0
"""The longest time, in seconds, for which the switch can be turned on."""


class BodySwitch:
    """Whether bodies go into the call log. Initially off; turned on for a limited time. Thread-safe."""

    def __init__(self) -> None:
        self._until_s = 0.0

    def turn_on(self, for_s: float, now_s: float) -> float:
        """Turns the switch on for ``for_s`` seconds, at most MAX_BODIES_S; zero or less turns it off.

        ``now_s`` is on the monotonic clock. Returns the number of seconds granted.
        """
        granted_s = min(max(for_s, 0.0), MAX_BODIES_S)
        self._until_s = now_s + granted_s
        return granted_s

    def is_on(self, now_s: float) -> bool:
        """Whether bodies are logged. ``now_s`` is on the monotonic clock."""
        return now_s < self._until_s


@dataclass(frozen=True, slots=True, kw_only=True)
class CallLog:
    """The call log's topic, and how its rows are encoded; records are keyed by account."""

    topic: str
    encode: Callable[[MarketplaceCalled], bytes]
    instance_id: str
    headers: Callable[[MarketplaceCalled], Headers] | None = None  # of the record, including those of CloudEvents

    def output(self, row: MarketplaceCalled) -> Output:
        """Returns the record for a row."""
        headers = self.headers(row) if self.headers is not None else ()
        return Output(topic=self.topic, key=row.account.encode(), value=self.encode(row), headers=headers)
