"""Which calls a fault applies to, and its effect on single units."""

from typing import Any

import pytest

from simulator.exchange import Moment
from simulator.faults.injector import FaultInjector, IncomingCall
from simulator.faults.mishaps import Alter, InjectedFault, Match, Outage, Refuse, Reset, Respond
from simulator.problems import ProblemDetails


def call(at_s: float = 0.0, **changes: Any) -> IncomingCall:
    values: dict[str, Any] = {
        "method": "POST",
        "path": "/units/bulk",
        "seller": "demo",
        "unit_ids": (1, 2),
        "moment": Moment(mono_us=round(at_s * 1e6), wall_us=0),
    }
    return IncomingCall(**values | changes)


def set_up(*faults: InjectedFault, at_s: float = 0.0) -> FaultInjector:
    armed = FaultInjector()
    for fault in faults:
        armed.set(fault, round(at_s * 1e6))
    return armed


def struck(match: Match, calls: list[IncomingCall]) -> list[bool]:
    faults = set_up(InjectedFault(name="storm", mishap=Respond(status=429), match=match))
    return [faults.strike(one).mishap is not None for one in calls]


@pytest.mark.parametrize(
    ("match", "hit", "missed"),
    [
        (Match(method="POST"), {}, {"method": "GET"}),
        (Match(path="/units/bulk"), {}, {"path": "/units"}),
        (Match(path="/units/*"), {"path": "/units/5"}, {"path": "/units"}),
        (Match(seller="demo"), {}, {"seller": "other"}),
        (Match(unit_ids=frozenset({2, 9})), {}, {"unit_ids": (1, 3)}),
    ],
)
def test_a_fault_hits_the_calls_it_names_and_no_others(
    match: Match, hit: dict[str, Any], missed: dict[str, Any]
) -> None:
    assert struck(match, [call(**hit), call(**missed)]) == [True, False]


def test_times_count_from_the_moment_it_was_set() -> None:
    faults = set_up(InjectedFault(name="storm", mishap=Reset(), match=Match(from_s=1, until_s=2)), at_s=100)

    struck_at = [at_s for at_s in (99.0, 100.5, 101.0, 101.9, 102.0) if faults.strike(call(at_s)).mishap]

    assert struck_at == [101.0, 101.9]


def test_skips_then_takes_every_nth_and_ends_after_so_many() -> None:
    assert struck(Match(skip=2, every=3, times=2), [call()] * 12) == [number in (2, 5) for number in range(12)]


def test_calls_that_do_not_match_are_not_counted() -> None:
    assert struck(Match(method="POST", skip=1), [call(), call(method="GET"), call()]) == [False, False, True]


def test_a_share_is_hit_at_random_and_the_same_way_each_time() -> None:
    first = struck(Match(share=0.3), [call()] * 1000)

    assert first == struck(Match(share=0.3), [call()] * 1000)
    assert 250 < sum(first) < 350


def test_another_seed_hits_others() -> None:
    def with_seed(seed: int) -> list[bool]:
        faults = set_up(InjectedFault(name="storm", mishap=Reset(), match=Match(share=0.5), seed=seed))
        return [faults.strike(call()).mishap is not None for _ in range(50)]

    assert with_seed(1) != with_seed(2)


def test_the_first_fault_that_matches_wins_and_the_others_do_not_count_the_call() -> None:
    faults = set_up(
        InjectedFault(name="first", mishap=Reset(), match=Match(times=1)),
        InjectedFault(name="second", mishap=Respond(status=500), match=Match(times=1)),
    )

    assert [faults.strike(call()).names for _ in range(3)] == [("first",), ("second",), ()]


def test_a_fault_of_the_same_name_takes_the_place_of_the_old_one() -> None:
    faults = set_up(InjectedFault(name="storm", mishap=Reset()))

    faults.set(InjectedFault(name="storm", mishap=Respond(status=503)), 0)

    assert faults.names == ("storm",)
    assert faults.strike(call()).mishap == Respond(status=503)


def test_faults_are_removed_by_name_or_all_at_once() -> None:
    faults = set_up(InjectedFault(name="one", mishap=Reset()), InjectedFault(name="two", mishap=Reset()))

    faults.clear("one")
    assert faults.names == ("two",)

    faults.clear()
    assert not faults.names


def test_only_an_outage_of_everything_keeps_new_connections_out() -> None:
    assert set_up(InjectedFault(name="out", mishap=Outage(), match=Match(until_s=1))).is_out(0)
    assert not set_up(InjectedFault(name="out", mishap=Outage(), match=Match(until_s=1))).is_out(1_000_000)
    assert not set_up(InjectedFault(name="out", mishap=Outage(), match=Match(seller="demo"))).is_out(0)
    assert not set_up(InjectedFault(name="out", mishap=Reset())).is_out(0)


def test_refuses_the_units_it_names_and_only_when_they_carry_the_field() -> None:
    call_faults = set_up(
        InjectedFault(name="no", mishap=Refuse(field="amount", message="no"), match=Match(unit_ids=frozenset({1})))
    ).strike(call())

    assert isinstance(call_faults.refusal(1, {"amount": 5}), ProblemDetails)
    assert call_faults.refusal(1, {"listing_price": 5}) is None
    assert call_faults.refusal(2, {"amount": 5}) is None


def test_a_refusal_may_hide_the_field_or_have_the_form_of_an_internal_error() -> None:
    hidden = Refuse(field="amount", name_field=False).problem()
    internal = Refuse(status=500, key="internal", message="broken").problem()

    assert hidden.errors == ()
    assert internal.item(1) == {"id_unit": 1, "status_code": 500, "key": "internal", "message": "broken"}


def test_alters_what_is_stored_and_leaves_the_sent_change_as_it_is() -> None:
    call_faults = set_up(InjectedFault(name="clamp", mishap=Alter(field="amount", value=1))).strike(call())
    sent = {"amount": 5, "listing_price": 7}

    assert call_faults.altered(1, sent) == {"amount": 1, "listing_price": 7}
    assert call_faults.altered(1, {"listing_price": 7}) == {"listing_price": 7}
    assert sent == {"amount": 5, "listing_price": 7}
