"""The calls of a command: the pace, the order, repetitions, and accounts that stay closed. In virtual time."""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import ceil, inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.dispatch.command_calls import CallOutcome, CommandCall, CommandCalls
from streams.dispatch.rate_limiter import MARGIN
from streams.flow import Answer, Call, GaveUp, Lost, NotSent, Now, Reply, Retry, Settled
from streams.policy import Pace, Policy
from tests.harness.effort import examples

START_S = 1_000.0
PATIENCE_S = 60.0
DONE = Settled(answer="done")
BAD_KEYS = Answer(
    call=Call(id="", account="", kind="", items=(), send_by_s=0, give_up_at_s=0),
    replies=(Retry(reason="401", counts=False, refused=True),),
    close_account_s=5.0,
    closed_because="the keys are refused",
)


def answer(call: Call, reply: Reply, *, slow_down: bool = False, failed: bool = False) -> Answer:
    sent_s = None if isinstance(reply, NotSent) else 0.0
    return Answer(
        call=call, replies=(reply,), sent_s=sent_s, sent_us=7, answered_us=8, slow_down=slow_down, failed=failed
    )


@dataclass(kw_only=True)
class CommandLoop:
    """The loop of a command in virtual time; ``answers`` answers each call after ``latency_s``."""

    answers: Callable[[Call], Answer]
    paces: dict[str, Pace] = field(default_factory=lambda: {"main": Pace(per_second=10)})
    shares: dict[str, float] = field(default_factory=lambda: {"main": 1.0})
    policy: Policy = field(default_factory=Policy)
    latency_s: float = 0.2
    now_s: float = START_S
    left_at_s: list[float] = field(default_factory=list)
    left: list[Call] = field(default_factory=list)
    most_in_flight: int = 0

    def __post_init__(self) -> None:
        self.calls = CommandCalls(self.paces, self.shares, self.policy, prefix="test", patience_s=PATIENCE_S)

    @property
    def now(self) -> Now:
        return Now(mono_s=self.now_s, wall_us=int(self.now_s * 1e6))

    def run(self, wanted: Sequence[CommandCall]) -> list[CallOutcome]:
        for one in wanted:
            self.calls.add(one)
        outcomes: list[CallOutcome] = []
        arriving: list[tuple[float, Call]] = []
        while self.calls.left:
            outcomes += self.calls.overdue(self.now_s)
            for call in self.calls.calls(self.now):
                self.left_at_s.append(self.now_s)
                self.left.append(call)
                arriving.append((self.now_s + self.latency_s, call))
            self.most_in_flight = max(self.most_in_flight, len(arriving))
            if not self.calls.left:
                break
            next_s = min(self.calls.next_s(self.now_s), min((at_s for at_s, _ in arriving), default=inf))
            assert next_s < inf, "nothing happens any more, although calls are left"
            self.now_s = max(self.now_s, next_s)
            for at_s, call in [row for row in arriving if row[0] <= self.now_s]:
                arriving.remove((at_s, call))
                outcomes += self.calls.answered(self.answers(call), self.now)
        return outcomes


def wanted(count: int, account: str = "main") -> list[CommandCall]:
    return [CommandCall(account=account, kind="lookup:de", body=number) for number in range(count)]


def bodies(outcomes: Sequence[CallOutcome]) -> list[int]:
    return [outcome.call.body for outcome in outcomes]


def test_calls_leave_in_order_at_the_pace_of_their_share() -> None:
    loop = CommandLoop(answers=lambda call: answer(call, DONE), shares={"main": 0.2})

    outcomes = loop.run(wanted(20))

    assert bodies(outcomes) == list(range(20))
    assert all(outcome.reply == DONE and outcome.sent_us == 7 and outcome.answered_us == 8 for outcome in outcomes)
    assert loop.left_at_s[-1] - loop.left_at_s[0] == pytest.approx(19 / 2, abs=1)
    assert loop.calls.made == 20


def test_two_accounts_have_a_pace_each() -> None:
    paces = {"main": Pace(per_second=10), "other": Pace(per_second=1)}
    loop = CommandLoop(answers=lambda call: answer(call, DONE), paces=paces, shares={"main": 1.0, "other": 1.0})

    outcomes = loop.run([*wanted(5, "other"), *wanted(30)])

    assert [outcome.call.account for outcome in outcomes].index("main") < 5
    assert len(outcomes) == 35


def test_no_more_calls_are_in_flight_than_workers_make() -> None:
    policy = Policy(max_calls=5, urgent_calls=1)
    loop = CommandLoop(answers=lambda call: answer(call, DONE), policy=policy, latency_s=3.0)

    assert len(loop.run(wanted(30))) == 30
    assert loop.most_in_flight == 5


@pytest.mark.parametrize(
    "reply", [Lost(reason="no answer"), Retry(reason="503"), NotSent(), Retry(reason="next page", after_s=0.0)]
)
def test_a_call_without_a_usable_answer_is_sent_again(reply: Reply) -> None:
    attempts: dict[int, int] = {}

    def second_time(call: Call) -> Answer:
        body = call.items[0].body
        attempts[body] = attempts.get(body, 0) + 1
        return answer(call, reply if attempts[body] == 1 else DONE)

    loop = CommandLoop(answers=second_time)

    assert sorted(bodies(loop.run(wanted(3)))) == [0, 1, 2]
    assert attempts == {0: 2, 1: 2, 2: 2}
    assert [call.items[0].attempt for call in loop.left if call.items[0].body == 0] == [1, 2]
    assert len({call.id for call in loop.left}) == 6


@pytest.mark.parametrize("reply", [Lost(reason="broken off"), Retry(reason="broken off")])
def test_a_call_that_fails_again_and_again_is_given_up_with_the_reason(reply: Reply) -> None:
    loop = CommandLoop(answers=lambda call: answer(call, reply if call.items[0].body == 1 else DONE))

    outcomes = loop.run(wanted(3))

    assert {outcome.call.body: outcome.reply for outcome in outcomes} == {
        0: DONE,
        1: GaveUp(reason="broken off"),
        2: DONE,
    }
    assert sum(call.items[0].body == 1 for call in loop.left) == Policy().retry_budget


def test_the_next_page_of_a_list_never_uses_up_the_budget() -> None:
    pages = 3 * Policy().retry_budget
    more = Retry(reason="another page", after_s=0.0, counts=False)
    loop = CommandLoop(answers=lambda call: answer(call, more if call.items[0].attempt < pages else DONE))

    assert [outcome.reply for outcome in loop.run(wanted(1))] == [DONE]


def refused(call: Call) -> Answer:
    return Answer(
        call=call,
        replies=BAD_KEYS.replies,
        sent_s=0.0,
        close_account_s=BAD_KEYS.close_account_s,
        closed_because=BAD_KEYS.closed_because,
    )


def test_an_account_that_stays_closed_gives_up_its_calls_and_no_other_accounts() -> None:
    paces = {"main": Pace(per_second=10), "other": Pace(per_second=1)}
    loop = CommandLoop(
        answers=lambda call: refused(call) if call.account == "main" else answer(call, DONE),
        paces=paces,
        shares={"main": 1.0, "other": 1.0},
    )

    outcomes = loop.run([*wanted(100), *wanted(90, "other")])

    given_up = [outcome for outcome in outcomes if outcome.call.account == "main"]
    assert len(given_up) == 100
    assert all(isinstance(o.reply, GaveUp) and "the keys are refused" in o.reply.reason for o in given_up)
    assert all(outcome.reply == DONE for outcome in outcomes if outcome.call.account == "other")
    probes = sum(call.account == "main" for call in loop.left)
    assert probes <= 3 + ceil(PATIENCE_S / 5), "a closed account was called more often than by probes"


def test_an_account_that_opens_again_is_used_again() -> None:
    loop = CommandLoop(answers=lambda call: refused(call) if loop.now_s < START_S + 20 else answer(call, DONE))

    outcomes = loop.run(wanted(10))

    assert all(outcome.reply == DONE for outcome in outcomes)
    assert "the keys are refused" not in str(loop.calls.closed(loop.now_s))


def test_what_waits_for_a_closed_account_says_why() -> None:
    loop = CommandLoop(answers=refused)
    for call in wanted(2):
        loop.calls.add(call)
    (first, *_) = loop.calls.calls(loop.now)

    list(loop.calls.answered(refused(first), loop.now))

    assert loop.calls.closed(loop.now_s).keys() == {"main"}
    assert "the keys are refused" in loop.calls.closed(loop.now_s)["main"]


replies = st.sampled_from(
    [
        *[(DONE, False, False)] * 6,
        (Lost(reason="lost"), False, True),
        (Retry(reason="503", counts=False), False, True),
        (Retry(reason="429", counts=False), True, False),
        (Retry(reason="busy"), False, False),
        (NotSent(), False, False),
    ]
)


@given(
    st.lists(replies, min_size=1, max_size=40),
    st.integers(min_value=1, max_value=60),
    st.floats(min_value=0.5, max_value=50),
    st.floats(min_value=0.01, max_value=5),
)
@settings(max_examples=examples(200), deadline=None)
def test_whatever_is_answered_each_call_ends_once_and_the_rate_holds(
    said: list[tuple[Reply, bool, bool]], count: int, per_second: float, latency_s: float
) -> None:
    order = iter(range(10**9))

    def some(call: Call) -> Answer:
        reply, slow_down, failed = said[next(order) % len(said)] if call.items[0].attempt < 30 else (DONE, False, False)
        return answer(call, reply, slow_down=slow_down, failed=failed)

    loop = CommandLoop(answers=some, paces={"main": Pace(per_second=per_second)}, latency_s=latency_s)

    outcomes = loop.run(wanted(count))

    assert sorted(bodies(outcomes)) == list(range(count))
    assert loop.calls.left == 0
    moments = loop.left_at_s
    fullest = max(at - bisect_left(moments, moment - 1 + 1e-6) + 1 for at, moment in enumerate(moments))
    assert fullest <= per_second + MARGIN
