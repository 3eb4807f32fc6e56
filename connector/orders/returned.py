"""The lane of one return: the list's row is all there is to say of it, and is written when it differs. Pure."""

from connector.marketplace_orders import Return
from connector.orders.derive import digest, returned
from connector.orders.events import ReturnLaneState, ReturnObserved
from connector.orders.policy import Terms, us
from connector.orders.steps import Step
from streams.flow import Cause, Told
from streams.frozen import replace


def turn(account: str, state: ReturnLaneState | None, cause: Cause, terms: Terms, now_us: int) -> Step[ReturnLaneState]:
    said: tuple[ReturnObserved, ...] = ()
    match cause:
        case Told(message=Return() as row):
            state, said = _listed(account, state, row, terms, now_us)
        case _:
            pass
    if state is None or state.keep_until_us <= now_us:
        return Step(state=None, said=said)
    return Step(state=state, said=said, wake_at_us=state.keep_until_us)


def _listed(
    account: str, state: ReturnLaneState | None, row: Return, terms: Terms, now_us: int
) -> tuple[ReturnLaneState, tuple[ReturnObserved, ...]]:
    memory_us = us(terms.policy.memory_s)
    fact = returned(account, row, now_us)
    sha256 = digest(fact)
    if state is None or state.content_sha256 != sha256:
        kept = ReturnLaneState(return_id=row.return_id, content_sha256=sha256, keep_until_us=now_us + memory_us)
        return kept, (fact,)
    if state.keep_until_us - now_us < memory_us // 2:
        state = replace(state, keep_until_us=now_us + memory_us)
    return state, ()
