"""The flat rows of results: one for each field, beside the result, under its key and with its headers."""

import json
import pickle
from decimal import Decimal

from connector.contracts.topics import Feature, named
from connector.offers.events import FieldStatus, OfferFieldResult, Origin, Status
from streams.flow import Output
from tests.harness.offer_harness import AT, DE, EAN, TOPICS, OfferHarness, flow_of, unit

FLAT = named("shop", frozenset({Feature.OFFERS, Feature.FIELD_RESULTS}))


def shop_of() -> OfferHarness:
    return OfferHarness(flow_of(topics=FLAT)).known(unit(7, offer_id="SKU", stock=3))


def outputs_of(shop: OfferHarness, topic: str) -> list[Output]:
    return [output for output in shop.outputs if output.topic == topic]


def rows_of(shop: OfferHarness) -> list[OfferFieldResult]:
    """Returns the rows of the last result."""
    rows = [pickle.loads(output.value or b"") for output in outputs_of(shop, FLAT.offer_field_results)]
    return [row for row in rows if row.result_id == shop.last.result_id]


def test_a_result_has_a_flat_row_for_each_field_in_the_same_turn() -> None:
    shop = shop_of()
    shop.event(price="11.00", stock=3, sequence=4, attributes={"brand": "Ada"})

    shop.accept()

    said, rows = shop.last, rows_of(shop)
    assert [(row.field, row.field_status, row.requested) for row in rows] == [
        ("stock", FieldStatus.UNCHANGED, Decimal(3)),
        ("price", FieldStatus.APPLIED, Decimal("11.00")),
    ]
    for row in rows:
        assert (row.result_id, row.status, row.decided_at_us) == (said.result_id, Status.APPLIED, said.decided_at_us)
        assert (row.account, row.storefront, row.offer_id, row.unit_id) == ("main", "de", "SKU", 7)
        assert (row.origin, row.sequence, json.loads(row.attributes or "")) == (Origin.LIVE, 4, {"brand": "Ada"})
    assert said.sent is not None
    assert (rows[0].call_id, rows[0].attempts, rows[0].sent_at_us) == (said.sent.call_ids[-1], 1, said.sent.sent_at_us)


def test_a_row_has_the_key_of_the_result_and_headers_of_its_own() -> None:
    shop = shop_of()
    shop.event(price="11.00", traceparent="00-abc")
    shop.accept()

    result, row = (outputs_of(shop, topic)[-1] for topic in (FLAT.offer_results, FLAT.offer_field_results))

    assert row.key == result.key == EAN.encode()
    of_result, of_row = dict(result.headers), dict(row.headers)
    own = ("ce_id", "ce_type")
    assert {name: of_row[name] for name in of_row if name not in own} == {
        name: of_result[name] for name in of_result if name not in own
    }
    assert of_row["ce_type"] == b"kaufland.connector.OfferFieldResult.v1"
    assert of_row["ce_id"] == f"{shop.last.result_id}/price/{shop.last.decided_at_us}".encode()


def test_lists_are_texts_and_null_where_they_are_empty() -> None:
    shop = OfferHarness(flow_of(DE, AT, topics=FLAT)).known(unit(7, offer_id="SKU"))
    shop.event(stock=5)
    shop.found(unit(8, "at", offer_id="SKU"), storefront="at")
    shop.accept(offer_id="SKU")

    (row,) = rows_of(shop)

    assert (row.units_moved, row.storefronts_moved, row.rules, row.attributes) == ("8", "at", None, None)


def test_a_tombstone_has_no_row_and_by_default_nothing_has() -> None:
    shop, usual = shop_of(), OfferHarness(flow_of()).known(unit(7))
    shop.tombstone()
    usual.event(price="11.00")
    usual.accept()

    assert rows_of(shop) == []
    assert shop.results
    assert outputs_of(usual, TOPICS.offer_field_results) == []
