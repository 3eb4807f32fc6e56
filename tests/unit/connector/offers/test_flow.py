"""What the offer flow wants, writes and stores: priorities, calls, keys, partitions, and the lane's state record."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import schemas
from connector.contracts.codec import SchemaIds
from connector.contracts.codes import Code
from connector.contracts.problem import Problem, ProblemError
from connector.controls.in_force import NoControls
from connector.marketplace.offers import Field, FieldError, Refused
from connector.offers import state_mapping
from connector.offers.codec import OfferCodecs
from connector.offers.event_order import EventOrder, order_of
from connector.offers.events import Announced, Basis, FieldStatus, Miss, Origin, Sent
from connector.offers.flow import OfferFlow
from connector.offers.identity import READ_BACK
from connector.offers.ledger import Asked, Fact, FieldOutcome, KnownUnit, LedgerEntry, OfferLane, Watermark
from connector.offers.policy import OfferPolicy
from streams.flow import BACKGROUND, Arrived, BadRecord, Draining, Now, Record, Restored, Told, Woken
from tests.harness.offer_harness import (
    AT,
    CZ,
    DE,
    EAN,
    REFERENCE,
    SECOND,
    START_US,
    TOPICS,
    OfferHarness,
    PlainCodecs,
    flow_of,
    here,
    unit,
)

IDS = SchemaIds(values={"offer_result": 1, "offer_not_found": 2, "offer_state": 3, "marketplace_called": 4})
AVRO = OfferCodecs(
    IDS, lambda known: schemas.text("offer_changed", schemas.newest("offer_changed")) if known == 9 else None
)


# ---- reading --------------------------------------------------------------------------------------------------------


def test_the_lane_is_the_records_key_whatever_the_event_contains() -> None:
    flow = flow_of(codecs=AVRO)

    for key in (EAN.encode(), b"0" + EAN.encode(), b"sku-1"):
        read = flow.read(Record(at=here(), offset=1, key=key, value=None, time_us=START_US), Now(mono_s=0, wall_us=0))
        assert isinstance(read, Arrived)
        assert read.lane == key.decode()


@pytest.mark.parametrize(("key", "value"), [(None, None), (b"\xff", None), (b"4006381333931", b"not avro")])
def test_an_unreadable_record_is_a_dead_letter_and_not_rejected(key: bytes | None, value: bytes | None) -> None:
    flow = flow_of(codecs=AVRO)

    read = flow.read(Record(at=here(), offset=1, key=key, value=value, time_us=START_US), Now(mono_s=0, wall_us=0))

    assert isinstance(read, BadRecord)
    assert read.code in Code.__members__


def test_an_offer_lane_is_never_standing() -> None:
    assert list(flow_of().standing(0)) == []


def test_an_unreadable_state_raises_an_error() -> None:
    with pytest.raises(ValueError, match="connector state forget"):
        flow_of(codecs=AVRO).load(EAN, b"\x00\x00\x00\x00\x03rubbish")


@pytest.mark.parametrize("limit", [0, 151])
def test_a_call_limit_above_the_marketplaces_is_refused(limit: int) -> None:
    with pytest.raises(ValueError, match="update_limit"):
        OfferFlow(
            policy=OfferPolicy(), routing=flow_of()._terms.routing, reference=REFERENCE, codecs=PlainCodecs(),
            topics=TOPICS, cluster_id="c", stamp=flow_of()._stamp, update_limit=limit,
            commands=NoControls(),
        )  # fmt: skip


def test_updates_share_calls_and_look_ups_do_not() -> None:
    assert (flow_of().kind_limit("update:de"), flow_of().kind_limit("lookup:de")) == (150, 1)


@pytest.mark.parametrize("cause", [Woken(), Restored(), Draining(), Told(lane=EAN, message="x")])
def test_a_cause_that_changes_nothing_returns_the_same_wants(cause: Any) -> None:
    shop = OfferHarness(flow_of()).known(unit(7))
    shop.event(stock=5)
    wants, lane = shop.wants, shop.lane

    turn = shop.flow.turn(shop.lane, cause, Now(mono_s=0.0, wall_us=shop.now_us + SECOND))

    assert turn.wants == wants
    assert turn.lane is lane


# ---- wants ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "rank"),
    [
        ({"stock": 0}, 0),
        ({"stock": 2}, 1),
        ({"price": "11.00"}, 3),
        ({"stock": 9}, 4),
        ({"handling_time_days": 5}, 5),
        ({"stock": 9, "price": "11.00"}, 3),
        ({"stock": 0, "price": "11.00", "handling_time_days": 5}, 0),
    ],
)
def test_wants_have_priorities_by_urgency(said: Mapping[str, Any], rank: int) -> None:
    shop = OfferHarness(flow_of()).known(unit(7, stock=3, price=1000, days=2))

    shop.event(**said)

    assert [want.priority for want in shop.wants] == [rank]


@pytest.mark.parametrize(
    ("said", "rank"), [({"stock": 0}, 0), ({"stock": 9}, 1), ({"price": "1.00"}, 3), ({"handling_time_days": 1}, 5)]
)
def test_a_look_up_has_the_priority_of_what_waits_for_it(said: Mapping[str, Any], rank: int) -> None:
    shop = OfferHarness(flow_of())

    shop.event(**said)

    assert [(want.kind, want.priority) for want in shop.wants] == [("lookup:de", rank)]


def test_a_recheck_is_background_work_and_a_replay_comes_after_live_events() -> None:
    shop = OfferHarness(flow_of(policy=OfferPolicy(recheck_s=100)))
    shop.event(stock=9)
    shop.found()
    shop.pass_s(60)
    shop.found()
    shop.pass_s(100)
    assert [want.priority for want in shop.wants] == [BACKGROUND + 2]

    replaying = OfferHarness(flow_of()).known(unit(7))
    replaying.offset = 2
    replaying.event(price="11.00", at=5)
    replaying.give_up("update:de")
    replaying.event(price="11.00", at=5, offset=2, event_id="e2")
    assert [want.priority for want in replaying.wants] == [8]
    replaying.event(stock=0, offset=1, event_id="e1", at=6)
    assert [want.priority for want in replaying.wants] == [0]


def test_fields_of_one_unit_share_one_update_and_name_their_events() -> None:
    shop = OfferHarness(flow_of()).known(unit(7, offer_id="a"))
    shop.event(stock=5)
    shop.event(price="11.00")

    (want,) = shop.wants

    assert want.body.values == {Field.STOCK: 5, Field.PRICE: 1100}
    assert (want.body.event_ids, want.body.event_count) == (("e1", "e2"), 2)
    assert (want.slot, want.account, want.kind) == ("main/de/NEW/a", "main", "update:de")
    assert want.exclusive == ("unit:7", "offer:main:a")


def test_a_write_without_stock_holds_the_unit_alone() -> None:
    shop = OfferHarness(flow_of()).known(unit(7, offer_id="a"))

    shop.event(price="11.00")

    assert shop.wants[0].exclusive == ("unit:7",)


def test_a_write_carries_no_field_that_the_event_lacks() -> None:
    shop = OfferHarness(flow_of()).known(unit(7))

    shop.event(handling_time_days=4)

    assert shop.wants[0].body.values == {Field.HANDLING_TIME: 4}


# ---- outputs --------------------------------------------------------------------------------------------------------


def test_results_are_keyed_by_ean_and_not_found_rows_stay_with_the_lanes_partition() -> None:
    shop = OfferHarness(flow_of())
    shop.event(stock=9, partition=5)
    shop.found()
    shop.pass_s(60)
    shop.found()

    result, row = shop.outputs

    assert (result.topic, result.key, result.partition) == (TOPICS.offer_results, EAN.encode(), None)
    assert (row.topic, row.key, row.partition) == (TOPICS.offers_not_found, f"shop-de|NEW||{EAN}".encode(), 5)
    assert shop.last.input_partition == 5


def test_a_result_and_a_not_found_row_have_ids_and_subjects_of_their_own_in_their_headers() -> None:
    shop = OfferHarness(flow_of())

    shop.event(stock=5)
    shop.found()
    shop.pass_s(60)
    shop.found()

    [row] = [row for row in shop.not_found.values() if row is not None]
    headers = {output.topic: dict(output.headers) for output in shop.outputs}
    of_result, of_row = headers[TOPICS.offer_results], headers[TOPICS.offers_not_found]
    assert of_result["ce_id"] == f"{shop.last.result_id}/{shop.last.decided_at_us}".encode()
    assert of_row["ce_id"] == f"{row.result_id}/{row.last_seen_at_us}".encode()
    assert of_result["ce_subject"] == of_row["ce_subject"] == EAN.encode()


def test_a_result_carries_the_trace_of_its_event() -> None:
    shop = OfferHarness(flow_of()).known(unit(7))

    shop.event(stock=5, traceparent="00-abc-def-01")
    shop.accept()

    assert ("traceparent", b"00-abc-def-01") in shop.outputs[-1].headers


def test_a_result_shows_requested_known_and_sent_values() -> None:
    shop = OfferHarness(flow_of()).known(unit(7, price=1000))

    shop.event(price="12.50")
    shop.accept()

    (field,) = shop.last.fields
    assert (field.requested, field.before, field.sent, field.currency) == (
        Decimal("12.50"),
        Decimal("10.00"),
        Decimal("12.50"),
        "EUR",
    )
    sent = shop.last.sent
    assert sent is not None
    assert (sent.account, sent.storefront, sent.attempts, sent.call_ids) == ("main", "de", 1, ("c2",))
    assert shop.last.unit_id == 7


def test_nothing_is_sent_means_no_sent_record() -> None:
    shop = OfferHarness(flow_of()).known(unit(7, price=1000))

    shop.event(price="10.00")

    assert shop.last.status == "UNCHANGED"
    assert shop.last.sent is None
    assert shop.last.problem is None


# ---- the state record -----------------------------------------------------------------------------------------------


def test_a_lane_without_undone_work_and_without_a_fact_is_a_tombstone() -> None:
    flow = flow_of()

    assert flow.store(flow.load(EAN, None)).value is None
    assert flow.load(EAN, None) == OfferLane(ean=EAN)


def test_sent_and_refused_values_are_kept_while_the_lane_sleeps() -> None:
    shop = OfferHarness(flow_of(codecs=_Mixed()), reload=True).known(unit(7))
    shop.event(stock=0, price="11.00")
    error = FieldError(field=Field.PRICE, name="listing_price", message="too low")
    shop.refuse(Refused(code="V", http_status=400, type="/t", message="no", errors=(error,)))

    shop.accept()

    assert shop.last.problem is not None
    assert shop.last.problem.errors == (ProblemError(field="listing_price", message="too low"),)
    assert shop.last.sent is not None
    assert shop.last.sent.call_ids == ("c2", "c3")
    assert {f.field: f.sent for f in shop.last.fields} == {"stock": 0, "price": Decimal("11.00")}


def test_a_known_unit_is_small() -> None:
    shop = OfferHarness(flow_of(codecs=_Mixed())).known(unit(123456789, offer_id="SKU-123456"))
    shop.event(stock=5, price="11.00", handling_time_days=3, event_id="0b7a4a1e-5a3d-5d0e-9f7e-0a1b2c3d4e5f")
    shop.accept()

    stored = shop.flow.store(shop.lane).value

    assert stored is not None
    assert len(stored) + len(EAN) <= 300


class _Mixed(PlainCodecs):
    """Codecs with Avro for state records and plain objects for all other messages."""

    def encode_state(self, value: Any, /) -> bytes:
        return AVRO.encode_state(value)

    def glance_state(self, value: bytes) -> BadRecord | None:
        return None

    def decode_state(self, value: bytes) -> Any:
        return AVRO.decode_state(value)


_moment = st.integers(START_US, START_US + 10**12)
_order = st.builds(
    lambda time_us, sequence, offset: order_of(time_us, sequence, offset, f"erp-{offset % 3}", EventOrder.EVENT_TIME),
    _moment,
    st.none() | st.integers(-(2**63), 2**63 - 1),
    st.integers(0, 10**9),
)
_word = st.text("abcdefäß-0", min_size=1, max_size=8)
_value = st.integers(0, 99_999)


@st.composite
def _facts(draw: st.DrawFn) -> dict[Field, Fact]:
    facts = {}
    for field in draw(st.sets(st.sampled_from(list(Field)))):
        order = draw(st.none() | _order)
        facts[field] = Fact(
            value=draw(_value if order is None else st.none() | _value),
            basis=draw(st.sampled_from([Basis.ACCEPTED, Basis.OBSERVED])),
            order=order,
            event_id=draw(st.none() | _word) if order is not None else None,
            accepted_at_us=draw(_moment),
            certain=draw(st.booleans()),
        )
    return facts


_units = st.builds(
    KnownUnit,
    account=st.just("main"),
    storefront=st.sampled_from(["de", "at", "cz"]),
    condition=st.sampled_from(["NEW", "USED_GOOD"]),
    unit_id=st.integers(1, 2**62),
    offer_id=st.none() | _word,
    status=st.none() | _word,
    fulfilled_by_marketplace=st.booleans(),
    proved_at_us=st.just(0) | _moment,
    facts=_facts(),
)
_misses = st.builds(
    Miss,
    account=st.just("main"),
    storefront=st.sampled_from(["de", "at"]),
    condition=st.sampled_from(["", "NEW"]),
    code=st.sampled_from([READ_BACK, Code.OFFER_NOT_FOUND.value]),
    since_us=_moment,
    next_check_at_us=_moment,
)
_sent = st.builds(
    Sent, account=_word, storefront=_word, offer_id=st.none() | _word, call_ids=st.lists(_word).map(tuple),
    attempts=st.integers(1, 9), sent_at_us=_moment, answered_at_us=st.none() | _moment,
    unit_status=st.none() | _word, storefronts_moved=st.lists(_word).map(tuple),
)  # fmt: skip
_problem = st.builds(
    Problem, message=_word, advice=_word, http_status=st.none() | st.integers(100, 599), type=st.none() | _word,
    marketplace_message=st.none() | _word,
    errors=st.lists(st.builds(ProblemError, field=_word, message=_word)).map(tuple),
)  # fmt: skip


@st.composite
def _entries(draw: st.DrawFn) -> LedgerEntry:
    target = draw(st.sampled_from([DE, AT, CZ]))
    asked = []
    for field in draw(st.sets(st.sampled_from(list(Field)), min_size=1)):
        value = draw(_value)
        if field is Field.PRICE:
            price = Decimal(value).scaleb(-2)
            asked.append(Asked(field=field, value=value, requested=price, currency=target.currency))
        else:
            asked.append(Asked(field=field, value=value, requested=Decimal(value)))
    some = draw(st.lists(st.sampled_from(asked), unique_by=lambda a: a.field))
    order = draw(_order)
    return LedgerEntry(
        result_id=draw(_word), event_id=draw(st.none() | _word), target_id=target.id, condition="NEW",
        offer_id=draw(st.none() | _word), unit_id=draw(st.none() | st.integers(1, 99)), partition=3,
        offset=order.offset, occurred_at_us=draw(st.just(order.time_us) | _moment), order=order,
        received_at_us=draw(_moment),
        since_us=draw(_moment), asked=tuple(asked),
        ended=tuple(
            FieldOutcome(
                field=a.field, status=draw(st.sampled_from([FieldStatus.APPLIED, FieldStatus.SUPERSEDED])),
                code=draw(st.none() | _word), superseded_by=draw(st.none() | _word),
                before=draw(st.none() | _value), sent=draw(st.none() | _value),
            )
            for a in some
        ),
        announced=draw(st.sampled_from([Announced.NONE, Announced.NOT_FOUND])),
        origin=draw(st.sampled_from([Origin.LIVE, Origin.REPLAY])), times_seen=draw(st.integers(1, 9)),
        attributes=draw(st.dictionaries(_word, _word, max_size=2)), traceparent=draw(st.none() | _word),
        problem=draw(st.none() | _problem), sent=draw(st.none() | _sent),
        one_by_one=draw(st.booleans()), proved_again=draw(st.booleans()),
    )  # fmt: skip


_marks = st.builds(
    Watermark,
    selectors=st.tuples(_word, _word, st.none() | _word, st.none() | st.integers(1, 99)),
    location=st.none() | _word,
    field=st.sampled_from(Field),
    order=_order,
)
_lanes = st.builds(
    OfferLane,
    ean=st.just(EAN),
    managed=st.booleans(),
    unmanaged_at_us=st.none() | _moment,
    unmanaged_offset=st.none() | st.integers(0, 10**9),
    units=st.lists(_units, min_size=1, max_size=3).map(tuple),
    misses=st.lists(_misses, max_size=2).map(tuple),
    marks=st.lists(_marks, max_size=2).map(tuple),
    entries=st.lists(_entries(), max_size=3).map(tuple),
    partition=st.just(3),
    last_offset=st.integers(0, 10**9),
    updated_at_us=_moment,
)


def _sources(lane: OfferLane) -> Iterator[str]:
    """Yields the sources in all remembered orders: comparing lanes ignores them."""
    yield from (fact.order.source for unit in lane.units for fact in unit.facts.values() if fact.order is not None)
    yield from (row.order.source for row in lane.locations)
    yield from (mark.order.source for mark in lane.marks)
    yield from (entry.order.source for entry in lane.entries)


@settings(max_examples=60, deadline=None)
@given(_lanes)
def test_a_lane_survives_storing_and_loading(lane: OfferLane) -> None:
    flow = flow_of(DE, AT, CZ, codecs=AVRO)

    stored = flow.store(lane)

    again = flow.load(EAN, stored.value)
    assert again == lane
    assert list(_sources(again)) == list(_sources(lane))
    assert stored.undone == state_mapping.is_undone(lane)


def test_a_lane_with_facts_only_is_not_undone() -> None:
    shop = OfferHarness(flow_of()).known(unit(7))
    assert not shop.flow.store(shop.lane).undone

    shop.event(stock=5)

    assert shop.flow.store(shop.lane).undone
