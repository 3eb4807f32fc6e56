"""A lane's value: its key, and the record that the state topic stores. Pure."""

from dataclasses import dataclass

from connector.orders.events import SchedulerState
from connector.orders.lane_keys import LaneKey, parse_key


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderLane:
    """The lane of an account, an order, a return or a sweep; ``state`` holds the part that belongs to ``key``."""

    key: LaneKey
    state: SchedulerState


def blank(key: str) -> OrderLane:
    """Returns a lane that was never stored."""
    parsed = parse_key(key)
    return OrderLane(key=parsed, state=SchedulerState(account=parsed.account, updated_at_us=0))


def is_blank(state: SchedulerState) -> bool:
    """Whether the state equals that of a lane that was never stored."""
    return state.poll is None and state.order is None and state.returned is None and state.sweep is None


def is_undone(state: SchedulerState) -> bool:
    """Whether a new owner must continue the lane: a change is not written yet, or a list is being read."""
    if state.sweep is not None:
        return state.sweep.running is not None
    if state.order is not None:
        return state.order.undone_since_us is not None
    if state.returned is not None:
        return state.returned.listed is not None
    if state.poll is not None:
        return state.poll.orders.listing is not None or state.poll.returns.listing is not None
    return False


def open_since_us(state: SchedulerState) -> int | None:
    """Returns when the order's oldest unit that is still to be sent was created; None if there is none."""
    return state.order.open_since_us if state.order is not None else None
