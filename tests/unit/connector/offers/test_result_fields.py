"""What a result says of its event and of each field: whose it is, how the value before was known, and what moved."""

from dataclasses import replace
from decimal import Decimal

import pytest

from connector.contracts.codes import Code
from connector.marketplace.offers import Field, FieldError, Refused
from connector.offers.events import Basis, FieldResult, FieldStatus, Origin, Replayed, Status
from connector.offers.policy import Locations, OfferPolicy, StockRule, StockRules
from streams.flow import Arrived, Told
from tests.harness.offer_harness import AT, DE, OfferHarness, flow_of, unit


def shop_of(stock: int = 3) -> OfferHarness:
    return OfferHarness(flow_of()).known(unit(7, offer_id="SKU", stock=stock))


def linked_shop() -> OfferHarness:
    """Returns a shop with two units that share their stock."""
    shop = OfferHarness(flow_of(DE, AT)).known(unit(7, offer_id="SKU"))
    shop.event(stock=5)
    shop.found(unit(8, "at", offer_id="SKU"), storefront="at")
    shop.accept(offer_id="SKU")
    assert [one.unit_id for one in shop.lane.units] == [7, 8]
    return shop


def field_of(shop: OfferHarness, name: Field) -> FieldResult:
    return next(field for field in shop.last.fields if field.field == name)


# ---- of the event ---------------------------------------------------------------------------------------------------


def test_a_result_says_where_and_from_whom() -> None:
    shop = shop_of()

    shop.event(price="11.00", source="erp", sequence=4, attributes={"brand": "Ada"})
    shop.accept()

    said = shop.last
    assert (said.account, said.storefront, said.offer_id, said.unit_id) == ("main", "de", "SKU", 7)
    assert (said.source, said.sequence, said.attributes, said.replay_id) == ("erp", 4, {"brand": "Ada"}, None)


def test_without_a_unit_the_offer_id_is_that_of_the_event_and_without_a_target_the_place_is_unknown() -> None:
    shop = OfferHarness(flow_of())

    shop.event(price="11.00", offer_id="SKU-9", target_id="elsewhere")

    said = shop.last
    assert (said.status, said.account, said.storefront, said.offer_id) == (Status.REJECTED, None, None, "SKU-9")
    assert said.sequence is None


def test_only_what_a_replay_reads_names_the_replay() -> None:
    shop = shop_of()
    event = shop.make(price="11.00")
    shop.hear(Arrived(lane=shop.ean, event=event))
    shop.accept()

    shop.hear(Told(lane=shop.ean, message=Replayed(event=event, replay_id="replay-1")))

    assert [(one.origin, one.replay_id) for one in shop.results] == [(Origin.LIVE, None), (Origin.REPLAY, "replay-1")]


def test_a_tombstone_has_no_source() -> None:
    shop = shop_of()

    shop.tombstone()

    assert (shop.last.source, shop.last.sequence, shop.last.attributes) == (None, None, {})


# ---- of a field -----------------------------------------------------------------------------------------------------


def test_a_value_before_says_how_and_when_it_was_known() -> None:
    shop = shop_of()
    looked_us = shop.now_us
    shop.pass_s(60)

    shop.event(price="11.00")
    shop.accept()
    accepted_us = shop.now_us
    observed = field_of(shop, Field.PRICE)
    shop.pass_s(60)
    shop.event(price="12.00")
    shop.accept()
    accepted = field_of(shop, Field.PRICE)

    assert (observed.before, observed.before_basis, observed.before_at_us) == (
        Decimal("10.00"), Basis.OBSERVED, looked_us,
    )  # fmt: skip
    assert (accepted.before, accepted.before_basis, accepted.before_at_us) == (
        Decimal("11.00"), Basis.ACCEPTED, accepted_us,
    )  # fmt: skip


def test_where_nothing_was_known_there_is_no_basis() -> None:
    shop = OfferHarness(flow_of())
    shop.event(price="11.00")
    shop.found(replace(unit(7), values={}))

    shop.accept()

    field = field_of(shop, Field.PRICE)
    assert (field.before, field.before_basis, field.before_at_us) == (None, None, None)


def test_accepted_is_what_the_answer_shows() -> None:
    shop = shop_of()

    shop.event(price="11.00", stock=9)
    shop.accept(shows={Field.PRICE: 1050})

    price, stock = field_of(shop, Field.PRICE), field_of(shop, Field.STOCK)
    assert (price.status, price.sent, price.accepted) == (FieldStatus.REJECTED, Decimal("11.00"), Decimal("10.50"))
    assert (stock.status, stock.sent, stock.accepted) == (FieldStatus.APPLIED, Decimal(9), Decimal(9))


def test_what_was_refused_was_not_accepted() -> None:
    shop = shop_of()

    shop.event(price="11.00")
    shop.refuse(Refused(code=Code.MARKETPLACE_REFUSED, message="no", http_status=400, type=None))

    field = field_of(shop, Field.PRICE)
    assert (field.status, field.sent, field.accepted) == (FieldStatus.REJECTED, Decimal("11.00"), None)


def test_a_linked_stock_names_the_units_that_it_moved_and_a_price_none() -> None:
    shop = linked_shop()

    shop.event(price="11.00", stock=9)
    shop.accept()

    stock, price = field_of(shop, Field.STOCK), field_of(shop, Field.PRICE)
    assert (stock.units_moved, stock.storefronts_moved) == ((8,), ("at",))
    assert (price.units_moved, price.storefronts_moved) == ((), ())


@pytest.mark.parametrize(
    ("policy", "stock", "sent", "rules"),
    [
        (OfferPolicy(), 9, 9, ()),
        (OfferPolicy(), -1, 0, ("negative_stock",)),
        (OfferPolicy(max_stock=5), 9, 5, ("max_stock",)),
        (OfferPolicy(stock_rules={"shop-de": StockRules(rule=StockRule(keep=2))}), 9, 7, ("stock_rule",)),
        (
            OfferPolicy(max_stock=5, stock_rules={"shop-de": StockRules(rule=StockRule(keep=2))}),
            9, 3, ("max_stock", "stock_rule"),
        ),
    ],
)  # fmt: skip
def test_a_stock_names_the_rules_that_changed_it(
    policy: OfferPolicy, stock: int, sent: int, rules: tuple[str, ...]
) -> None:
    shop = OfferHarness(flow_of(policy=policy))

    shop.event(stock=stock)
    shop.found(unit(7, stock=99))
    shop.accept()

    field = field_of(shop, Field.STOCK)
    assert (field.sent, field.rules) == (Decimal(sent), rules)


def test_the_sum_of_locations_is_named_as_a_rule() -> None:
    shop = OfferHarness(flow_of(policy=OfferPolicy(locations=Locations.SUM))).known(unit(7, stock=99))

    shop.event(stock=4, location="A")
    shop.accept()
    shop.event(stock=2, location="B")
    shop.accept()

    assert (field_of(shop, Field.STOCK).sent, field_of(shop, Field.STOCK).rules) == (Decimal(6), ("locations",))


def test_a_field_that_ended_before_a_restart_keeps_what_is_known_of_it() -> None:
    shop = linked_shop()
    shop.event(price="11.00", stock=9)
    refused = Refused(
        code=Code.MARKETPLACE_REFUSED, message="no", http_status=400, type=None,
        errors=(FieldError(name="amount", field=Field.STOCK, message="no"),),
    )  # fmt: skip
    shop.refuse(refused)
    entry = shop.lane.entries[0]

    shop.restart()

    assert entry.ended
    assert shop.lane.entries[0].ended == entry.ended


# ---- who wins ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("restarts", [False, True])
def test_the_winner_is_the_newest_event_of_the_chain_when_the_row_is_written(restarts: bool) -> None:
    shop = shop_of()
    first = shop.event(price="11.00", stock=9)
    second = shop.event(price="12.00")
    third = shop.event(price="13.00")
    if restarts:
        shop.restart()

    shop.accept()

    (of_first,), (of_second,) = shop.of(first), shop.of(second)
    price = next(field for field in of_first.fields if field.field == Field.PRICE)
    assert (price.superseded_by, price.winner) == (second, third)
    assert [(one.superseded_by, one.winner) for one in of_second.fields] == [(third, third)]
    assert [(one.field, one.winner) for one in of_first.fields if one.field != Field.PRICE] == [("stock", None)]


def test_a_field_keeps_its_winner_when_another_field_of_it_is_lost() -> None:
    shop = shop_of()
    first = shop.event(price="11.00", stock=9, handling_time_days=5)
    second = shop.event(price="12.00", stock=8)
    third = shop.event(stock=7)

    shop.accept()

    (said,) = shop.of(first)
    won = {field.field: field.winner for field in said.fields}
    assert won == {"price": second, "stock": third, "handling_time": None}


def test_a_late_event_lost_to_what_was_accepted() -> None:
    shop = shop_of()
    newer = shop.event(price="12.00", at=100.0)
    shop.accept()

    shop.event(price="11.00", at=50.0)

    assert field_of(shop, Field.PRICE).winner == newer


# ---- the status of the whole ----------------------------------------------------------------------------------------


def test_an_event_of_which_a_field_was_superseded_is_partial_and_has_no_problem() -> None:
    shop = shop_of()
    first = shop.event(price="11.00", stock=9)
    shop.event(price="12.00")

    shop.accept()

    (said,) = shop.of(first)
    assert {field.field: field.status for field in said.fields} == {"price": "SUPERSEDED", "stock": "APPLIED"}
    assert (said.status, said.code, said.problem) == (Status.PARTIAL, None, None)


def test_what_was_already_so_does_not_make_an_applied_event_partial() -> None:
    shop = shop_of(stock=3)

    shop.event(price="11.00", stock=3)
    shop.accept()

    assert (shop.last.status, field_of(shop, Field.STOCK).status) == (Status.APPLIED, FieldStatus.UNCHANGED)


def test_what_was_already_so_beside_what_was_superseded_is_partial() -> None:
    shop = OfferHarness(flow_of())
    first = shop.event(price="10.00", stock=9)
    shop.event(stock=4)

    shop.found(unit(7, price=1000))

    (said,) = shop.of(first)
    assert said.status is Status.PARTIAL


def test_a_stock_that_was_changed_says_so_although_the_price_was_superseded() -> None:
    shop = shop_of()
    first = shop.event(price="11.00", stock=-1)
    shop.event(price="12.00")

    shop.accept()

    (said,) = shop.of(first)
    assert (said.status, said.code) == (Status.PARTIAL, Code.CLAMPED)
    assert said.problem is not None
