"""Which of several EANs writes to a unit: the first to claim it, in whatever process, until it releases the claim."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from connector.contracts.codes import Code
from connector.marketplace.offers import Condition, Field
from connector.offers.call_bodies import CLAIM, RELEASE, OfferClaim, Owner
from connector.offers.claims import Claims
from connector.offers.event_order import EventOrder
from connector.offers.events import Status
from connector.offers.policy import OfferPolicy
from connector.offers.unwritten_claims import UnwrittenClaims
from streams.flow import NotSent, Retry, Settled, Want
from tests.harness.offer_harness import AT, DE, EAN, OTHER_EAN, SECOND, START_US, OfferHarness, flow_of, unit
from tests.unit.connector.offers.claimed import ClaimsLog, StoppedClock, TopicView, asked, call_of, claims_of

BOTH = (EAN, OTHER_EAN)


def shop_of(ean: str, *targets: Any, policy: OfferPolicy | None = None) -> OfferHarness:
    """Returns the harness of an EAN's lane, in a process of its own."""
    return OfferHarness(flow_of(*targets, policy=policy), ean=ean)


def answer(shop: OfferHarness, claims: Claims, kind: str = CLAIM) -> None:
    """Answers all wants of the kind with one call, as the engine would send them."""
    wants = [want for want in shop.wants if want.kind == kind]
    assert wants, f"{kind} is not wanted, but {shop.kinds}"
    for want, reply in zip(wants, asked(claims, *wants).replies, strict=True):
        assert isinstance(reply, Settled)
        shop.reply(want, reply)


def led_to(shop: OfferHarness, claims: Claims, eans: Sequence[str] = BOTH, **said: Any) -> str:
    """Sends an event, answers its look-up with the unit, and then its claim."""
    identifier = shop.event(**said)
    shop.found(unit(7, eans=tuple(eans)))
    answer(shop, claims)
    return identifier


def test_of_two_eans_of_a_unit_the_second_is_an_alias_in_every_process() -> None:
    log = ClaimsLog()
    first = shop_of(EAN)
    led_to(first, claims_of(log), stock=9, at=50)
    first.accept()

    second = shop_of(OTHER_EAN)
    led_to(second, claims_of(log), stock=1, at=10)

    assert (second.last.status, second.last.code) == (Status.REJECTED, Code.ALIAS_EAN)
    assert second.last.problem is not None
    assert f"already managed through EAN {EAN}" in second.last.problem.message
    assert not second.wants


def test_nothing_is_written_before_the_unit_is_claimed() -> None:
    shop = shop_of(EAN)
    shop.event(stock=9, price="11.00")

    shop.found(unit(7, eans=BOTH))

    assert shop.kinds == [CLAIM]
    assert shop.want(CLAIM).body == OfferClaim(account="main", unit_id=7, names=("unit/7",), ean=EAN)


def test_an_owner_is_not_asked_again_not_even_after_a_restart() -> None:
    shop = shop_of(EAN)
    led_to(shop, claims_of(ClaimsLog()), stock=9)
    shop.accept()

    shop.event(stock=4)

    assert shop.kinds == ["update:de"]


def test_a_unit_whose_product_names_one_ean_is_not_claimed() -> None:
    shop = shop_of(EAN)
    shop.event(stock=9)

    shop.found(unit(7, eans=(EAN,)))

    assert shop.kinds == ["update:de"]


def test_values_written_by_the_previous_owner_supersede_older_events_where_no_value_is_shown() -> None:
    log = ClaimsLog()
    first, second = shop_of(EAN), shop_of(OTHER_EAN)
    led_to(first, claims_of(log), stock=0, at=50)
    first.accept()
    first.tombstone(at=70)
    answer(first, claims_of(log), RELEASE)

    second.pass_s(80)
    second.event(stock=5, at=10)
    second.found(replace(unit(7, eans=BOTH), values={}))
    answer(second, claims_of(log))

    assert (second.last.status, second.wants) == (Status.SUPERSEDED, ())


@pytest.mark.parametrize("order", EventOrder)
def test_values_written_by_the_previous_owner_supersede_older_events_by_time_whatever_the_order(
    order: EventOrder,
) -> None:
    log, policy = ClaimsLog(), OfferPolicy(order=order)
    first, second = shop_of(EAN, policy=policy), shop_of(OTHER_EAN, policy=policy)
    led_to(first, claims_of(log), stock=0, at=50, sequence=50)
    first.accept()
    first.tombstone(at=70)
    answer(first, claims_of(log), RELEASE)
    second.pass_s(80)

    led_to(second, claims_of(log), stock=5, at=10, sequence=10)
    assert (second.last.status, second.wants) == (Status.SUPERSEDED, ())
    second.event(stock=4, at=60, sequence=11)
    second.accept()

    assert second.last.status is Status.APPLIED


def test_by_log_events_without_a_valid_time_follow_the_previous_owners_values() -> None:
    log, policy = ClaimsLog(), OfferPolicy(order=EventOrder.LOG)
    first, second = shop_of(EAN, policy=policy), shop_of(OTHER_EAN, policy=policy)
    led_to(first, claims_of(log), stock=0, at=50)
    first.accept()
    first.tombstone(at=70)
    answer(first, claims_of(log), RELEASE)
    second.pass_s(80)

    led_to(second, claims_of(log), stock=5, occurred_at_us=0)
    second.accept()

    assert second.last.status is Status.APPLIED


def test_a_dry_run_decides_between_eans_and_writes_no_claim() -> None:
    """As a live run would: its own claims are kept in memory, after those that the live group has written."""
    log, policy = ClaimsLog(), OfferPolicy(dry_run=True)
    claims = Claims(UnwrittenClaims(TopicView(log)), StoppedClock())
    first, second = shop_of(EAN, policy=policy), shop_of(OTHER_EAN, policy=policy)

    led_to(first, claims, stock=9)
    led_to(second, claims, stock=5)

    assert (first.last.status, second.last.status) == (Status.DRY_RUN, Status.REJECTED)
    assert second.last.code is Code.ALIAS_EAN
    assert log.records == []


def test_a_claim_of_the_live_group_comes_before_all_of_a_dry_run() -> None:
    log, policy = ClaimsLog(), OfferPolicy(dry_run=True)
    trial = Claims(UnwrittenClaims(TopicView(log)), StoppedClock())
    led_to(shop_of(EAN, policy=policy), trial, stock=9)

    led_to(shop_of(OTHER_EAN), claims_of(log), stock=5)
    third = shop_of(EAN, policy=policy)
    led_to(third, trial, stock=7)

    assert third.last.code is Code.ALIAS_EAN


def test_a_dry_run_keeps_its_claims_when_the_topic_is_created_again() -> None:
    log = ClaimsLog()
    TopicView(log).write([(b"live", b"value"), (b"live", b"value")], 1.0)
    topic = UnwrittenClaims(TopicView(log))
    topic.write([(b"own", b"value")], 1.0)
    assert [key for _, key, _ in topic.read(1.0)[1]] == [b"live", b"live", b"own"]
    assert topic.read(1.0) == (False, [])
    log.records, log.end = [], 0

    anew, records = topic.read(1.0)

    assert anew
    assert [key for _, key, _ in records] == [b"own"]


def test_an_alias_is_remembered_for_a_minute_and_then_checked_again() -> None:
    log = ClaimsLog()
    led_to(shop_of(EAN), claims_of(log), stock=9)
    alias = shop_of(OTHER_EAN)
    led_to(alias, claims_of(log), stock=1)

    alias.event(stock=2)
    assert (alias.last.code, alias.wants) == (Code.ALIAS_EAN, ())
    alias.pass_s(61)
    alias.event(stock=3)

    assert alias.kinds == ["lookup:de"], "the unit may have another offer id by now"
    alias.found(unit(7, eans=BOTH))
    assert alias.kinds == [CLAIM]


def test_units_that_share_a_stock_are_owned_as_one_before_it_is_known_that_they_do() -> None:
    log = ClaimsLog()
    other = shop_of(OTHER_EAN, AT)
    other.event(stock=5, target_id="shop-at")
    other.found(unit(8, "at", offer_id="a", eans=BOTH), storefront="at")
    answer(other, claims_of(log))
    shop = shop_of(EAN, DE, AT)
    shop.event(stock=9)
    shop.found(unit(7, offer_id="a", eans=BOTH))

    answer(shop, claims_of(log))

    assert (shop.last.status, shop.last.code) == (Status.REJECTED, Code.ALIAS_EAN)
    assert shop.wants == ()


# ---- releases -----------------------------------------------------------------------------------------------------


def test_a_withdrawn_ean_lets_the_next_one_own_the_unit() -> None:
    log = ClaimsLog()
    first, second = shop_of(EAN), shop_of(OTHER_EAN)
    led_to(first, claims_of(log), stock=9, at=50)
    first.accept()
    led_to(second, claims_of(log), stock=1, at=60)

    first.tombstone(at=70)
    answer(first, claims_of(log), RELEASE)
    second.pass_s(61)
    second.event(stock=2, at=80)
    second.found(unit(7, eans=BOTH))
    answer(second, claims_of(log))
    second.accept()

    assert (first.wants, first.kinds) == ((), [])
    assert second.statuses == ["REJECTED", "APPLIED"]


def test_what_was_accepted_under_the_first_owner_is_not_overtaken_by_an_older_event_of_the_next() -> None:
    log = ClaimsLog()
    first, second = shop_of(EAN), shop_of(OTHER_EAN)
    led_to(first, claims_of(log), stock=0, at=50)
    first.accept()
    first.tombstone(at=55)
    answer(first, claims_of(log), RELEASE)

    led_to(second, claims_of(log), stock=6, at=40)

    assert (second.last.status, second.last.code) == (Status.SUPERSEDED, Code.OUT_OF_ORDER)
    assert second.last.fields[0].superseded_by is None
    assert second.last.problem is not None
    assert "(of another EAN)" in second.last.problem.message
    second.event(stock=4, at=51)
    second.accept()
    assert second.last.status is Status.APPLIED


def test_a_claim_is_released_only_when_no_write_of_the_unit_is_under_way() -> None:
    shop = shop_of(EAN)
    led_to(shop, claims_of(ClaimsLog()), stock=9)
    under_way = shop.want("update:de")

    shop.tombstone(at=100)

    assert set(shop.want(RELEASE).exclusive) & set(under_way.exclusive)


def test_a_claim_that_is_answered_after_the_tombstone_is_released_at_once() -> None:
    shop = shop_of(EAN)
    shop.event(stock=9, at=50)
    shop.found(unit(7, eans=BOTH))
    claim = shop.want(CLAIM)
    shop.tombstone(at=100)

    shop.reply(claim, Settled(answer=Owner(ean=EAN)))

    assert shop.kinds == [RELEASE]


def test_an_ean_that_is_managed_again_claims_anew_after_its_release() -> None:
    log = ClaimsLog()
    shop = shop_of(EAN)
    led_to(shop, claims_of(log), stock=9, at=50)
    shop.accept()
    shop.tombstone(at=55)

    shop.event(stock=4, at=60)
    assert shop.kinds == [RELEASE]
    answer(shop, claims_of(log), RELEASE)
    answer(shop, claims_of(log))
    shop.accept()

    assert shop.last.status is Status.APPLIED


def test_values_written_before_a_release_are_remembered_after_the_next_claim() -> None:
    log = ClaimsLog()
    shop = shop_of(EAN)
    led_to(shop, claims_of(log), stock=9, at=50)
    shop.accept()
    shop.tombstone(at=55)
    answer(shop, claims_of(log), RELEASE)
    asked(claims_of(log), want(EAN, 7))

    [reply] = asked(claims_of(log), want(EAN, 7)).replies

    assert isinstance(reply, Settled)
    assert reply.answer == Owner(ean=EAN, accepted={"stock": START_US + 50 * SECOND})


def test_a_unit_that_is_no_longer_shown_for_the_ean_is_released_a_while_later() -> None:
    log = ClaimsLog()
    shop = shop_of(EAN)
    led_to(shop, claims_of(log), stock=9)
    shop.accept()
    shop.event(stock=4)
    shop.gone()
    shop.found()
    assert shop.kinds == []

    shop.pass_s(8)
    answer(shop, claims_of(log), RELEASE)

    assert not claims_stand(log)


def claims_stand(log: ClaimsLog) -> list[bytes]:
    return [key for _, key, value in log.records[-1:] if value is not None and b'"released": false' in value]


def test_a_release_that_is_pending_wakes_a_new_owner_of_the_lane() -> None:
    shop = shop_of(EAN)
    led_to(shop, claims_of(ClaimsLog()), stock=9)
    shop.accept()

    shop.tombstone(at=100)

    assert shop.flow.store(shop.lane).undone


# ---- an offer id that changes ---------------------------------------------------------------------------------------


def test_an_ean_that_sees_a_new_offer_id_first_does_not_write_beside_the_owner_of_the_unit() -> None:
    log = ClaimsLog()
    owner, other = shop_of(OTHER_EAN), shop_of(EAN)
    led_to(owner, claims_of(log), stock=5, at=10)
    owner.accept()

    other.event(stock=0, at=50)
    other.found(unit(7, offer_id="X", eans=BOTH))
    answer(other, claims_of(log))

    assert (other.last.status, other.last.code) == (Status.REJECTED, Code.ALIAS_EAN)
    owner.event(stock=4, at=40)
    assert owner.accept().body.values == {Field.STOCK: 4}


def test_an_owner_whose_offer_id_changes_releases_its_claim_and_claims_again() -> None:
    log = ClaimsLog()
    owner, other = shop_of(OTHER_EAN), shop_of(EAN)
    led_to(owner, claims_of(log), stock=5, at=10)
    owner.accept()
    other.event(stock=0, at=50)
    other.found(unit(7, offer_id="X", eans=BOTH))
    answer(other, claims_of(log))

    owner.event(stock=4, at=40)
    owner.gone()
    owner.found(unit(7, offer_id="X", eans=BOTH))
    assert owner.kinds == []
    owner.pass_s(8)
    answer(owner, claims_of(log), RELEASE)
    answer(owner, claims_of(log))

    assert owner.last.code == Code.ALIAS_EAN
    other.pass_s(61)
    other.event(stock=1, at=55)
    other.found(unit(7, offer_id="X", eans=BOTH))
    answer(other, claims_of(log))
    assert other.accept(offer_id="X").body.values == {Field.STOCK: 1}


def test_a_claim_on_an_offer_id_that_the_unit_no_longer_has_is_released() -> None:
    log = ClaimsLog()
    shop = shop_of(EAN)
    shop.event(stock=9, at=50)
    shop.found(unit(7, offer_id="X", eans=BOTH))
    answer(shop, claims_of(log))
    shop.accept(offer_id="X")
    shop.event(stock=8, at=60)
    shop.gone()
    shop.found(unit(7, offer_id="Y", eans=BOTH))

    shop.pass_s(8)
    answer(shop, claims_of(log), RELEASE)
    answer(shop, claims_of(log))
    shop.accept(offer_id="Y")

    other = shop_of(OTHER_EAN)
    other.event(stock=2, at=120)
    other.found(unit(9, offer_id="X", eans=BOTH))
    answer(other, claims_of(log))
    assert other.kinds == ["update:de"]


def test_an_answer_that_shows_another_offer_id_has_the_unit_looked_up_before_the_next_write() -> None:
    shop = shop_of(EAN)
    led_to(shop, claims_of(ClaimsLog()), stock=9)
    shop.accept(offer_id="X")

    shop.event(stock=4)

    assert shop.last.status is Status.APPLIED
    assert shop.kinds == ["lookup:de"]


def test_a_tombstone_releases_every_name_that_was_claimed() -> None:
    log = ClaimsLog()
    shop = shop_of(EAN)
    shop.event(stock=9, at=50)
    shop.found(unit(7, offer_id="X", eans=BOTH))
    answer(shop, claims_of(log))
    shop.accept(offer_id="X")

    shop.tombstone(at=100)
    answer(shop, claims_of(log), RELEASE)

    released = [key for _, key, value in log.records if b'"released": true' in (value or b"")]
    assert sorted(released) == [f"main/offer/X/{EAN}".encode(), f"main/unit/7/{EAN}".encode()]


def test_of_two_that_claim_at_once_the_one_that_does_not_hold_the_offer_id_claims_no_unit() -> None:
    log = ClaimsLog()
    for ean in BOTH:
        asked(claims_of(log), want(ean, 7, "offer/X"))

    replies = [asked(claims_of(log), want(ean, 7, "offer/X")).replies[0] for ean in BOTH]

    assert {owner(reply) for reply in replies} == {EAN}
    assert [key for _, key, _ in log.records].count(f"main/unit/7/{OTHER_EAN}".encode()) == 0


# ---- the caller -----------------------------------------------------------------------------------------------------


def want(ean: str, unit_id: int = 7, *names: str) -> Want:
    body = OfferClaim(account="main", unit_id=unit_id, names=(*names, f"unit/{unit_id}"), ean=ean)
    return Want(slot=f"claim/main/unit/{unit_id}", account="main", kind=CLAIM, priority=1, since_us=0, body=body)


def owner(reply: Any) -> str:
    assert isinstance(reply.answer, Owner)
    return reply.answer.ean


def test_one_call_answers_every_claim_in_it() -> None:
    log = ClaimsLog()
    asked(claims_of(log), want(OTHER_EAN, 7))

    replies = asked(claims_of(log), want(EAN, 7), want(EAN, 8)).replies

    assert [owner(reply) for reply in replies] == [OTHER_EAN, EAN]


def test_a_claim_that_is_made_again_keeps_its_place_through_compaction() -> None:
    log = ClaimsLog()
    asked(claims_of(log), want(EAN))
    asked(claims_of(log), want(OTHER_EAN))

    asked(claims_of(log), want(EAN))
    log.compact()

    assert owner(asked(claims_of(log), want(OTHER_EAN)).replies[0]) == EAN
    assert log.end == 2


def test_of_two_claims_between_which_nobody_read_the_first_owns_for_both() -> None:
    log = ClaimsLog()
    one, other = TopicView(log), TopicView(log)
    one.write([(b"main/unit/7/" + EAN.encode(), b'{"released": false}')], 1)
    other.write([(b"main/unit/7/" + OTHER_EAN.encode(), b'{"released": false}')], 1)

    assert {owner(asked(claims_of(log), want(ean)).replies[0]) for ean in BOTH} == {EAN}


def test_an_unreadable_record_counts_as_a_claim() -> None:
    log = ClaimsLog()
    TopicView(log).write([(b"main/unit/7/" + OTHER_EAN.encode(), b"nonsense")], 1)

    assert owner(asked(claims_of(log), want(EAN)).replies[0]) == OTHER_EAN


def test_a_claim_is_retried_without_an_attempt_while_the_broker_is_down() -> None:
    log = ClaimsLog(away=True)

    [reply] = asked(claims_of(log), want(EAN)).replies

    assert isinstance(reply, Retry)
    assert not reply.counts


def test_no_claim_leaves_after_the_lease() -> None:
    log = ClaimsLog()
    claims = Claims(TopicView(log), StoppedClock(mono_s=4.0))

    answer = claims.call(call_of(want(EAN), send_by_s=4.0))

    assert answer.replies == (NotSent(),)
    assert log.end == 0


def test_a_topic_that_begins_anew_is_read_from_its_start() -> None:
    log = ClaimsLog()
    claims = claims_of(log)
    asked(claims, want(EAN, 7), want(EAN, 8))
    log.records.clear()
    log.end = 0
    asked(claims_of(log), want(OTHER_EAN, 7))

    assert owner(asked(claims, want(EAN, 7)).replies[0]) == OTHER_EAN


@pytest.mark.parametrize("reload", [True, False])
def test_the_condition_of_the_unit_does_not_matter_to_its_owner(*, reload: bool) -> None:
    log = ClaimsLog()
    shop = shop_of(EAN)
    shop.reload = reload
    shop.event(price="12.00", condition="USED_GOOD")
    shop.found(unit(9, condition=Condition.USED_GOOD, eans=BOTH))
    answer(shop, claims_of(log))

    assert shop.accept().body.values == {Field.PRICE: 1200}
