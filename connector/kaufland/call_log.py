"""The row of an HTTP attempt for the topic of calls, and the time-boxed switch that adds exact bodies to it. Pure.

Bodies are those of calls about offers, parcels and carriers; never of a call whose answer says who bought.
"""

from collections.abc import Callable
from dataclasses import dataclass

from connector.contracts.call_log_row import MarketplaceCalled
from streams.flow import Headers, Output

MAX_BODIES_S = 3600.0
"""The switch turns itself off after this long, whatever was asked for."""


class BodySwitch:
    """Whether bodies go into the call log. Off, until someone turns it on for a while; any thread."""

    def __init__(self) -> None:
        self._until_s = 0.0

    def turn_on(self, for_s: float, now_s: float) -> float:
        """Returns for how long it is on, at most MAX_BODIES_S; zero or less turns it off. ``now_s`` is monotonic."""
        granted_s = min(max(for_s, 0.0), MAX_BODIES_S)
        self._until_s = now_s + granted_s
        return granted_s

    def is_on(self, now_s: float) -> bool:
        return now_s < self._until_s


@dataclass(frozen=True, slots=True, kw_only=True)
class CallLog:
    """Where the rows go, and how they are encoded; keyed by account."""

    topic: str
    encode: Callable[[MarketplaceCalled], bytes]
    instance_id: str
    headers: Callable[[MarketplaceCalled], Headers] | None = None  # of the record, CloudEvents' among them

    def output(self, row: MarketplaceCalled) -> Output:
        headers = self.headers(row) if self.headers is not None else ()
        return Output(topic=self.topic, key=row.account.encode(), value=self.encode(row), headers=headers)
