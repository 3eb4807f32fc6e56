"""Guard rails of windows: a source that sets too many offers to zero is stopped until a person decides."""

from typing import Any
from zlib import crc32

import pytest

from connector.controls.commands import CommandScope, ControlCommand, ControlKind, ControlState
from connector.offers.flow import OfferFlow
from connector.offers.gtin import check_digit
from connector.offers.policy import OfferPolicy, WindowLimit
from connector.offers.rails import Rail
from connector.offers.window_rails import NAMED_SOURCES, WindowRails
from streams.flow import Woken
from tests.harness.commands import CommandDesk
from tests.harness.offer_harness import DE, SECOND, START_US, OfferHarness, flow_of, unit

ZEROED = {Rail.ZEROED_SHARE: WindowLimit(share_pct=10, at_least=2, window_s=600)}
PRICES = {Rail.CHANGED_PRICE_SHARE: WindowLimit(share_pct=10, at_least=2, window_s=600)}


def ean(number: int) -> str:
    body = f"{400000000000 + number}"
    return f"{body}{check_digit(body)}"


class GuardedShop:
    """The lanes of one partition of a process."""

    def __init__(self, limits: dict[Rail, WindowLimit], count: int = 40) -> None:
        self.desk = CommandDesk(now_us=START_US)
        self.policy = OfferPolicy(window_limits=limits)
        self.now_us = START_US
        self.flow = self._flow()
        self.offers = [OfferHarness(self.flow, ean=ean(number)) for number in range(count)]
        for number, offer in enumerate(self.offers):
            offer.known(unit(number))

    def _flow(self) -> OfferFlow:
        return flow_of(DE, policy=self.policy, commands=self.desk)

    def heard(self, number: int, source: str = "feed", **event: Any) -> OfferHarness:
        offer = self.offers[number]
        offer.now_us = max(offer.now_us, self.now_us)
        offer.event(source=source, **event)
        return offer

    def zero(self, *numbers: int, source: str = "feed") -> list[int]:
        """Sets offers to zero and returns those that are sent; their updates are accepted."""
        sent = []
        for number in numbers:
            offer = self.heard(number, source, stock=0)
            if offer.wants:
                offer.accept()
                sent.append(number)
        return sent

    def restart(self) -> None:
        """Has a new process take over the partition."""
        stored = [offer.flow.store(offer.lane).value for offer in self.offers]
        self.flow = self._flow()
        self.flow.assigned(0, len(stored))
        for offer, value in zip(self.offers, stored, strict=True):
            assert value is not None
            assert self.flow.glance(offer.ean, value) is None
            offer.flow = self.flow
            offer.restart()

    def pause(self) -> None:
        self.desk.now_us = self.now_us
        self.desk.give("pause-1", kind=ControlKind.PAUSE)
        self.review()

    def end_pause(self) -> None:
        self.now_us += SECOND
        self.desk.now_us = self.now_us
        self.desk.release("pause-1")
        self.review()

    def decide(self, state: ControlState, **scope: Any) -> None:
        self.now_us += 10 * SECOND
        self.desk.now_us = self.now_us
        self.desk.put(
            ControlCommand(
                command_id=f"guard-{len(self.desk.commands)}",
                kind=ControlKind.GUARD,
                state=state,
                scope=CommandScope(**scope),
                issued_by="anna",
                issued_at_us=self.now_us,
            )
        )
        self.review()

    def review(self) -> None:
        """Has all lanes decided again."""
        self.now_us += SECOND
        for offer in self.offers:
            offer.now_us = max(offer.now_us, self.now_us)
            offer.hear(Woken())

    @property
    def wanted(self) -> list[int]:
        """The offers whose stock is wanted to be sent now."""
        return [number for number, offer in enumerate(self.offers) if offer.wants]


def test_a_source_may_set_a_share_of_the_offers_to_zero_and_not_more() -> None:
    shop = GuardedShop(ZEROED)

    assert shop.zero(*range(20)) == [0, 1, 2, 3]
    last = shop.offers[19].last
    assert (last.status, last.code, last.held_by) == ("HELD", "TOO_MANY_ZEROED", "zeroed_share")
    assert last.problem is not None
    assert last.problem.message == (
        "The guard rail zeroed_share holds this stock of zero: within 600 s, feed has set more than 4 of the 40 EANs "
        "of partition 0 to zero, and 10 % are allowed"
    )


def test_a_small_number_is_allowed_in_any_case() -> None:
    limits = {Rail.ZEROED_SHARE: WindowLimit(share_pct=0.1, at_least=3, window_s=600)}

    assert GuardedShop(limits).zero(*range(10)) == [0, 1, 2]


def test_other_sources_and_other_stocks_go_on() -> None:
    shop = GuardedShop(ZEROED)
    shop.zero(*range(20))

    assert shop.zero(30, source="till") == [30]
    assert shop.heard(31, stock=1).wants
    assert shop.heard(32, price="11.00").wants


def test_single_offers_are_never_delayed_because_the_window_moves_on() -> None:
    shop = GuardedShop(ZEROED)
    for number in range(20):
        shop.now_us += 200 * SECOND
        assert shop.zero(number) == [number]


def test_an_offer_is_counted_once_in_a_window() -> None:
    shop = GuardedShop(ZEROED)
    for _ in range(10):
        shop.now_us += SECOND
        assert shop.zero(0) == [0]
        shop.now_us += SECOND
        shop.heard(0, stock=3).accept()

    assert shop.zero(1, 2, 3) == [1, 2, 3]


def test_a_rail_that_was_tripped_stays_so_when_its_window_is_over() -> None:
    shop = GuardedShop(ZEROED)
    shop.zero(*range(20))
    shop.now_us += 3_600 * SECOND

    assert shop.zero(20, 21) == []


def test_a_release_sends_what_is_held_once_and_the_count_begins_anew() -> None:
    shop = GuardedShop(ZEROED)
    shop.zero(*range(20))
    shop.decide(ControlState.RELEASED)
    assert shop.wanted == list(range(4, 20))
    for number in shop.wanted:
        shop.offers[number].accept()

    assert shop.zero(*range(20, 30)) == [20, 21, 22, 23]


def test_a_drop_discards_what_is_held_and_the_count_begins_anew() -> None:
    shop = GuardedShop(ZEROED)
    shop.zero(*range(20))
    shop.decide(ControlState.DROPPED)

    assert shop.wanted == []
    assert (shop.offers[19].last.status, shop.offers[19].last.code) == ("SUPPRESSED", "GUARD_DROPPED")
    assert shop.zero(*range(20, 30)) == [20, 21, 22, 23]


def test_a_release_of_some_offers_leaves_the_rail_tripped() -> None:
    shop = GuardedShop(ZEROED)
    shop.zero(*range(20))
    shop.decide(ControlState.RELEASED, eans=(ean(10),))

    assert shop.wanted == [10]
    assert shop.zero(25) == []


def test_a_newer_stock_takes_the_place_of_a_held_zero() -> None:
    shop = GuardedShop(ZEROED)
    shop.zero(*range(20))

    assert shop.heard(15, stock=3).wants == ()
    assert shop.offers[15].last.status == "UNCHANGED"


def test_a_new_process_goes_on_holding() -> None:
    shop = GuardedShop(ZEROED)
    shop.zero(*range(20))
    shop.restart()

    assert shop.zero(20, 21) == []
    assert shop.zero(30, source="till") == [30]


def test_a_new_process_knows_that_a_person_has_decided() -> None:
    shop = GuardedShop(ZEROED)
    shop.zero(*range(20))
    shop.decide(ControlState.RELEASED)
    shop.restart()

    assert shop.zero(20) == [20]


def test_a_new_process_starts_an_unfinished_window_anew() -> None:
    shop = GuardedShop(ZEROED)
    assert shop.zero(0, 1, 2) == [0, 1, 2]
    shop.restart()

    assert shop.zero(*range(10, 20)) == [10, 11, 12, 13]


def test_a_new_process_goes_on_holding_after_a_pause() -> None:
    shop = GuardedShop(ZEROED)
    shop.zero(*range(20))
    shop.pause()
    shop.restart()
    shop.end_pause()

    assert shop.wanted == []
    assert shop.zero(20, 21) == []


def test_a_stock_of_zero_that_waits_for_its_answer_is_counted_once() -> None:
    shop = GuardedShop(ZEROED)
    for number in range(10):
        shop.now_us += 300 * SECOND
        shop.heard(number, stock=0)
    assert shop.wanted == list(range(10))
    shop.now_us += 3_600 * SECOND
    shop.review()

    assert shop.wanted == list(range(10))
    assert shop.zero(30) == [30]


def test_a_new_process_does_not_count_again_what_waits_for_its_answer() -> None:
    shop = GuardedShop(ZEROED)
    for number in range(10):
        shop.now_us += 300 * SECOND
        shop.heard(number, stock=0)
    shop.restart()
    shop.review()

    assert shop.wanted == list(range(10))


def test_a_zero_that_the_marketplace_has_is_not_counted_when_it_is_sent_again() -> None:
    shop = GuardedShop(ZEROED)
    for number in range(20):
        shop.now_us += 200 * SECOND
        assert shop.zero(number) == [number]
    shop.now_us += 86_400 * SECOND

    assert shop.zero(*range(20)) == list(range(20))
    assert shop.zero(30) == [30]


def test_a_drop_ends_what_a_stopped_source_sent_before_it_and_a_pause_kept_from_being_judged() -> None:
    shop = GuardedShop(ZEROED)
    shop.zero(*range(20))
    shop.now_us += SECOND
    shop.pause()
    for number in range(20, 30):
        shop.heard(number, stock=0)
    shop.heard(30, source="till", stock=0)
    shop.decide(ControlState.DROPPED)
    shop.end_pause()

    assert shop.wanted == [30]
    assert (shop.offers[25].last.status, shop.offers[25].last.code) == ("SUPPRESSED", "GUARD_DROPPED")


def test_a_release_does_not_concern_what_a_pause_kept_from_being_judged() -> None:
    shop = GuardedShop(ZEROED)
    shop.pause()
    for number in range(20):
        shop.heard(number, stock=0)
    shop.decide(ControlState.RELEASED)
    shop.end_pause()

    assert shop.wanted == [0, 1, 2, 3]


def test_changed_prices_are_counted_by_a_rail_of_their_own() -> None:
    shop = GuardedShop(PRICES)
    sent = [number for number in range(20) if shop.heard(number, price="11.00").wants]

    assert sent == [0, 1, 2, 3]
    assert (shop.offers[19].last.code, shop.offers[19].last.held_by) == (
        "TOO_MANY_PRICES_CHANGED",
        "changed_price_share",
    )
    assert shop.heard(30, stock=0).wants


def test_each_partition_has_its_part_of_the_number() -> None:
    rails = WindowRails({Rail.ZEROED_SHARE: WindowLimit(share_pct=0.001, at_least=40, window_s=60)}, partitions=8)
    nothing = CommandDesk(now_us=START_US).in_force

    allowed = [
        rails.tripped_by(Rail.ZEROED_SHARE, partition, "feed", ean(number), START_US, nothing) is None
        for partition in range(8)
        for number in range(10)
    ]

    assert sum(allowed) == 40


def test_the_first_offer_of_a_small_partition_never_waits() -> None:
    rails = WindowRails({Rail.ZEROED_SHARE: WindowLimit(share_pct=1, at_least=1, window_s=60)}, partitions=64)
    nothing = CommandDesk(now_us=START_US).in_force

    assert rails.tripped_by(Rail.ZEROED_SHARE, 0, "feed", ean(0), START_US, nothing) is None
    assert rails.tripped_by(Rail.ZEROED_SHARE, 0, "feed", ean(1), START_US, nothing) is not None


def test_a_producer_that_changes_its_name_is_counted_under_one_from_a_number_on() -> None:
    rails = WindowRails({Rail.ZEROED_SHARE: WindowLimit(share_pct=1, at_least=1, window_s=60)}, partitions=1)
    nothing = CommandDesk(now_us=START_US).in_force

    sent = sum(
        rails.tripped_by(Rail.ZEROED_SHARE, 0, f"feed-{number}", ean(number), START_US, nothing) is None
        for number in range(NAMED_SOURCES + 50)
    )

    assert sent == NAMED_SOURCES + 1


@pytest.mark.parametrize("wrong", [{"share_pct": 0}, {"share_pct": 101}, {"at_least": 0}, {"window_s": 0}])
def test_a_limit_that_means_nothing_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        WindowLimit(**{"share_pct": 10, "at_least": 1, "window_s": 60, **wrong})


def test_the_share_that_trips_every_partition_is_within_the_error_that_the_decision_states() -> None:
    """100,000 EANs on 8 partitions, 10 %: the whole catalogue trips each partition at 9 to 11 % of the EANs."""
    rails = WindowRails({Rail.ZEROED_SHARE: WindowLimit(share_pct=10, at_least=1, window_s=60)}, partitions=8)
    nothing, partitions = CommandDesk(now_us=START_US).in_force, 8
    spread = [crc32(str(number).encode()) % partitions for number in range(100_000)]
    for partition in range(partitions):
        rails.assigned(partition, spread.count(partition))

    sent = sum(
        rails.tripped_by(Rail.ZEROED_SHARE, spread[number], "feed", str(number), START_US, nothing) is None
        for number in range(100_000)
    )

    assert abs(sent - 10_000) <= partitions


def test_a_rail_that_is_turned_off_and_on_counts_anew() -> None:
    rails = WindowRails(ZEROED, 1)
    desk = CommandDesk(now_us=START_US)

    def trips(number: int) -> bool:
        return rails.tripped_by(Rail.ZEROED_SHARE, 0, "feed", ean(number), START_US, desk.in_force) is not None

    assert [trips(number) for number in range(3)] == [False, False, True]
    rails.use({})
    assert not trips(4)
    rails.use(ZEROED)
    assert [trips(number) for number in range(5, 8)] == [False, False, True]
