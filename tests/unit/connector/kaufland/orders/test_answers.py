"""Responses about orders and carriers: read exactly, row by row, and without personal data."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.kaufland.orders import answers
from connector.kaufland.reference import load_reference
from connector.marketplace.orders import (
    CarriersFound,
    Contact,
    Discount,
    OrderFound,
    OrderPage,
    OrderSummaryFound,
    OrderUnit,
    OrderUnitSummary,
    PageRow,
    ReadOrder,
    ReadOrderPage,
    ReadOrderSummary,
    ReadOrderUnit,
    UnitFound,
    UnitStatus,
    UnreadableRow,
)
from tests.unit.connector.kaufland.sold import (
    ADDRESS,
    CANARY,
    CARRIERS,
    CHANGED_US,
    CREATED_US,
    digest_of,
    order,
    order_unit,
    page,
    raw,
)

REFERENCE = load_reference()
UNIT = OrderUnit(
    order_unit_id=11,
    order_id="MB7UWLD",
    storefront="de",
    status=UnitStatus.NEED_TO_BE_SENT,
    status_raw="need_to_be_sent",
    created_us=CREATED_US,
    changed_us=CHANGED_US,
    price=1999,
    revenue_gross=1759,
    revenue_net=1478,
    shipping_rate=390,
    vat="19",
    currency="EUR",
    ean="4006381333931",
    offer_id="sku-1",
    condition="USED_VERY_GOOD",
    handling_due_us=1_767_913_199_000_000,
    delivery_time_min_days=3,
    delivery_time_max_days=6,
    is_marketplace_deemed_supplier=False,
    fulfillment_type="fulfilled_by_merchant",
)


def read_unit(body: bytes | None) -> UnitFound | UnreadableRow | None:
    return answers.order_unit(body, ReadOrderUnit(order_unit_id=11))


def read_summary(body: bytes | None) -> OrderSummaryFound | None:
    return answers.order_summary(body, ReadOrderSummary(order_id="MB7UWLD"))


def read_order(body: bytes | None, *, contacts: bool = False) -> OrderFound | None:
    return answers.order(body, ReadOrder(order_id="MB7UWLD"), REFERENCE, contacts=contacts)


def read_page(body: bytes | None, offset: int = 0) -> OrderPage | None:
    return answers.order_page(body, ReadOrderPage(changed_from_us=0, offset=offset))


def order_with(**changed: Any) -> OrderFound:
    """Reads an order with one order unit; ``changed``: fields of that unit."""
    found = read_order(raw({"data": order(order_unit(in_order=True, **changed))}))
    assert found is not None
    return found


def unit_of(**changed: Any) -> OrderUnit:
    """Returns the order unit that is read with these fields changed."""
    (unit,) = order_with(**changed).units
    return unit


def fault_of(**changed: Any) -> str:
    """Returns the fault of an order whose unit has these fields changed."""
    found = order_with(**changed)
    assert found.unreadable is not None
    return found.unreadable.fault


def with_vat(said: str) -> OrderFound:
    """Reads an order whose VAT rate has exactly this JSON text."""
    body = raw({"data": order(order_unit(in_order=True, vat="VAT"))}).replace(b'"VAT"', said.encode())
    found = read_order(body)
    assert found is not None
    return found


# ---- an order unit --------------------------------------------------------------------------------------------------


def test_an_order_unit_is_read_with_all_that_tells_nothing_of_its_buyer() -> None:
    assert unit_of() == UNIT


@pytest.mark.parametrize("status", [status for status in UnitStatus if status is not UnitStatus.UNKNOWN])
def test_every_status_is_mapped_and_kept_as_text(status: UnitStatus) -> None:
    unit = unit_of(status=status.value.lower())

    assert (unit.status, unit.status_raw) == (status, status.value.lower())


def test_a_status_is_known_in_capitals_too() -> None:
    unit = unit_of(status="SENT")

    assert (unit.status, unit.status_raw) == (UnitStatus.SENT, "SENT")


def test_an_unknown_status_is_kept_as_text() -> None:
    unit = unit_of(status="lost_in_transit")

    assert (unit.status, unit.status_raw) == (UnitStatus.UNKNOWN, "lost_in_transit")


@pytest.mark.parametrize(
    ("said", "condition"),
    [("new", "NEW"), ("used - good", "USED_GOOD"), ("NEW", "NEW"), (100, "NEW"), ("odd", "odd"), (None, None)],
)
def test_a_condition_is_mapped_where_it_is_known(said: str | int | None, condition: str | None) -> None:
    assert unit_of(unit_condition=said).condition == condition


@pytest.mark.parametrize(
    ("said", "vat"),
    [
        ("19", "19"),
        ("19.0", "19"),
        ("5.50", "5.5"),
        ("8.1", "8.1"),
        ("0.1", "0.1"),
        ("0", "0"),
        ("1e1", "10"),
        ("19.0001", "19.0001"),
        ("null", None),
    ],
)
def test_vat_is_exact_to_the_last_digit(said: str, vat: str | None) -> None:
    assert with_vat(said).units[0].vat == vat


@pytest.mark.parametrize("said", ["19.00001", "-1", "1001", "1e999999999", "1e-999999999", '"19"', "true"])
def test_a_vat_out_of_range_is_null_and_not_rounded(said: str) -> None:
    found = with_vat(said)

    assert found.units[0].vat is None
    assert found.notes[0].startswith("order unit 11: vat: ")


@given(vat=st.decimals(0, 100, places=4))
def test_vat_survives_the_way_through_json(vat: Decimal) -> None:
    assert Decimal(with_vat(f"{vat:f}").units[0].vat or "") == vat


def test_optional_fields_may_be_missing() -> None:
    optional = {
        "revenue_net": None,
        "vat": None,
        "product": None,
        "id_offer": None,
        "unit_condition": None,
        "delivery_time_expires_iso": None,
    }
    bare = {
        name: value for name, value in order_unit(in_order=True).items() if name not in (*optional, "discounts", "note")
    }

    unit = unit_of(**optional)
    without = read_order(raw({"data": order(bare)}))

    assert without is not None
    assert without.units == (unit,)
    assert (unit.revenue_net, unit.vat, unit.ean, unit.offer_id, unit.condition) == (None,) * 5
    assert unit_of(product={"eans": []}).ean is None


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({"id_order_unit": "11"}, "order_units.0.id_order_unit: int_type"),
        ({"id_order_unit": 0}, "order_units.0.id_order_unit: greater_than_equal"),
        ({"price": 19.99}, "order_units.0.price: int_type"),
        ({"price": "19,99"}, "order_units.0.price: int_type"),
        ({"price": True}, "order_units.0.price: int_type"),
        ({"price": 2**63}, "order_units.0.price: less_than"),
        ({"status": None}, "order_units.0.status: string_type"),
        ({"status": ""}, "order_units.0.status: string_too_short"),
        ({"currency": "euro"}, "order_units.0.currency: string_pattern_mismatch"),
        ({"id_order": "A B"}, "order_units.0.id_order: string_pattern_mismatch"),
    ],
)
def test_an_invalid_order_unit_is_reported_with_place_and_fault(changed: dict[str, Any], fault: str) -> None:
    assert fault_of(**changed) == fault


def test_at_most_five_faults_are_named() -> None:
    found = read_order(raw({"data": order({})}))

    assert found is not None
    assert found.unreadable is not None
    assert found.unreadable.fault.count(": missing") == 5
    assert found.unreadable.fault.endswith("; and 1 more")


SUMMARY = OrderUnitSummary(
    order_unit_id=11,
    status=UnitStatus.NEED_TO_BE_SENT,
    status_raw="need_to_be_sent",
    storefront="de",
    offer_id="sku-1",
    eans=("4006381333931", "04006381333931"),
)


def test_shipping_reads_of_an_order_unit_its_id_and_status_and_what_is_in_it() -> None:
    assert read_unit(raw({"data": order_unit()})) == UnitFound(unit=SUMMARY)
    assert read_summary(raw({"data": order()})) == OrderSummaryFound(order_id="MB7UWLD", units=(SUMMARY,))


STRICT_FOR_SHIPPING = ("id_order_unit", "id_order", "status")
STRICT = (*STRICT_FOR_SHIPPING, "price", "revenue_gross", "shipping_rate", "currency")
"""The fields for identity and money: a row in which one of them is invalid is unreadable."""

odd = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(allow_nan=False), st.text(max_size=8),
    st.sampled_from(["2026-01-01T00:00:00", "19", "19,0", {}, [], [None], {"eans": [5]}, [{"usage_type": 1}]]),
)  # fmt: skip


@given(
    name=st.sampled_from([*sorted(order_unit(in_order=True).keys() - set(STRICT)), "shipping_rate"]),
    value=odd,
    whole=st.sampled_from(["ts_created_iso", "fulfillment_type", "is_marketplace_deemed_supplier"]),
)
def test_any_invalid_side_field_affects_neither_the_order_nor_its_shipment(name: str, value: Any, whole: str) -> None:
    value = None if name == "shipping_rate" else value
    body = raw({"data": order(order_unit(12, in_order=True), order_unit(11, in_order=True, **{name: value}))})
    of_order = raw({"data": order(order_unit(11, in_order=True), **{whole: value})})

    found, summary = read_order(body), read_summary(body)
    also = read_order(of_order)

    assert found is not None
    assert found.unreadable is None
    assert [unit.order_unit_id for unit in found.units] == [11, 12]
    assert [(unit.price, unit.status, unit.currency) for unit in found.units] == [
        (1999, UnitStatus.NEED_TO_BE_SENT, "EUR")
    ] * 2
    assert {note.partition(": ")[0] for note in found.notes} <= {"order unit 11"}
    assert summary is not None
    assert summary.unreadable is None
    assert [(unit.order_unit_id, unit.status) for unit in summary.units] == [
        (11, UnitStatus.NEED_TO_BE_SENT), (12, UnitStatus.NEED_TO_BE_SENT),
    ]  # fmt: skip
    assert also is not None
    assert also.unreadable is None


@given(name=st.sampled_from(STRICT), value=odd)
def test_identity_and_amounts_are_read_exactly_or_not_at_all(name: str, value: Any) -> None:
    found = order_with(**{name: value})

    if found.unreadable is None:
        (unit,) = found.units
        read = {"id_order_unit": unit.order_unit_id, "id_order": unit.order_id, "status": unit.status_raw}
        money = {"price": unit.price, "revenue_gross": unit.revenue_gross, "shipping_rate": unit.shipping_rate}
        said = {**read, **money, "currency": unit.currency}[name]
        assert said == (0 if name == "shipping_rate" and value is None else value)
    else:
        assert found.units == ()


@given(name=st.sampled_from(sorted(order_unit(in_order=True).keys() - set(STRICT_FOR_SHIPPING))), value=odd)
def test_shipping_never_fails_for_what_it_does_not_need(name: str, value: Any) -> None:
    alone = read_unit(raw({"data": order_unit(**{name: value})}))
    found = read_summary(raw({"data": order(order_unit(in_order=True, **{name: value}))}))

    assert isinstance(alone, UnitFound)
    assert found is not None
    assert found.unreadable is None
    assert alone.unit.order_unit_id == found.units[0].order_unit_id == 11


def test_a_unit_with_an_unreadable_id_affects_no_other_unit_for_shipping() -> None:
    found = read_summary(raw({"data": order(order_unit(11, in_order=True), order_unit("x", in_order=True))}))  # type: ignore[arg-type]

    assert found is not None
    assert found.units == (SUMMARY,)
    assert found.unreadable is not None
    assert (found.unreadable.where, found.unreadable.fault) == (
        "orders/MB7UWLD, unit 2",
        "id_order_unit: int_type",
    )


@pytest.mark.parametrize(
    ("units", "read", "fault"),
    [
        ([order_unit(11), order_unit(12, id_order="OTHER")], 1, "id_order: another order's"),
        ([order_unit(11), order_unit(11)], 0, "order_units: order_unit_twice"),
    ],
)
def test_shipping_refuses_units_of_another_order_and_duplicates(units: list[Any], read: int, fault: str) -> None:
    found = read_summary(raw({"data": order(*units)}))

    assert found is not None
    assert len(found.units) == read
    assert found.unreadable is not None
    assert found.unreadable.fault == fault


def test_unreadable_dates_are_filled_from_readable_ones() -> None:
    local = "2026-01-01T00:00:00"

    unit = order_with(ts_created_iso=local, ts_updated_iso=local)
    whole = read_order(raw({"data": order(order_unit(in_order=True), ts_created_iso=local)}))
    none = read_order(raw({"data": order(order_unit(in_order=True, ts_created_iso=local), ts_created_iso=local)}))

    assert (unit.units[0].created_us, unit.units[0].changed_us) == (CREATED_US, CREATED_US)
    assert unit.notes == ("order unit 11: ts_created_iso: moment", "order unit 11: ts_updated_iso: moment")
    assert whole is not None
    assert (whole.created_us, whole.notes) == (CREATED_US, ("ts_created_iso: moment",))
    assert none is not None
    assert none.unreadable is not None
    assert none.unreadable.fault.startswith("ts_created_iso: neither")


def test_fees_and_discounts_are_read() -> None:
    unit = unit_of(
        discounts=[{"usage_type": "voucher", "discount_value": 500}], eco_fee=19, packaging_fee=2,
        is_marketplace_deemed_supplier=True,
    )  # fmt: skip

    assert unit.discounts == (Discount(usage_type="voucher", amount=500),)
    assert (unit.eco_fee, unit.packaging_fee, unit.is_marketplace_deemed_supplier) == (19, 2, True)
    assert (unit.delivery_time_min_days, unit.delivery_time_max_days) == (3, 6)


def test_fees_that_no_order_shows_are_read_from_the_list() -> None:
    found = read_page(raw(page(order_unit(12, eco_fee=19), order_unit(11, eco_fee="odd", packaging_fee=2))))

    assert found is not None
    assert found.unreadable == ()
    assert [(row.eco_fee, row.packaging_fee) for row in found.rows] == [(19, None), (None, 2)]


def test_an_answer_about_another_order_unit_is_refused() -> None:
    assert read_unit(raw({"data": order_unit(12)})) is None


# ---- an order -------------------------------------------------------------------------------------------------------


def test_an_order_is_read_as_a_whole_its_units_by_number() -> None:
    found = read_order(raw({"data": order(order_unit(12, in_order=True), order_unit(11, in_order=True))}))

    assert found is not None
    assert (found.order_id, found.storefront, found.created_us) == ("MB7UWLD", "de", CREATED_US)
    assert [unit.order_unit_id for unit in found.units] == [11, 12]
    assert found.units[0] == UNIT
    assert (found.fulfillment_type, found.contact, found.unreadable) == ("fulfilled_by_merchant", None, None)


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({"order_units": []}, "order_units: too_short"),
        ({"order_units": None}, "order_units: list_type"),
        ({"order_units": [order_unit(11), order_unit(12, price="x")]}, "order_units.1.price: int_type"),
        ({"order_units": [order_unit(11), order_unit(11)]}, "row: order_unit_twice"),
        ({"order_units": [order_unit(11), order_unit(12, id_order="OTHER")]}, "row: order_unit_of_another_order"),
    ],
)
def test_an_order_that_cannot_be_read_to_its_last_unit_shows_none(changed: dict[str, Any], fault: str) -> None:
    data = order(**changed)

    found = read_order(raw({"data": data}), contacts=True)

    assert found is not None
    assert (found.order_id, found.units, found.contact) == ("MB7UWLD", (), None)
    assert found.unreadable == UnreadableRow(
        where="orders/MB7UWLD", sha256=digest_of(data), fault=fault, order_id="MB7UWLD"
    )


def test_an_answer_about_another_order_is_refused() -> None:
    other = order(order_unit(11, in_order=True, id_order="OTHER"), id_order="OTHER")

    assert read_order(raw({"data": other})) is None


def test_contacts_are_read_only_if_requested() -> None:
    body = raw({"data": order()})

    asked, unasked = read_order(body, contacts=True), read_order(body)

    address = {name: value for name, value in ADDRESS.items() if value is not None}
    buyer = {"id_buyer": "21631426", "email": f"{CANARY}ada@example.org"}
    assert asked is not None
    assert asked.contact == Contact(buyer=buyer, billing=address, shipping=address)
    assert unasked is not None
    assert unasked.contact is None


@pytest.mark.parametrize(
    "personal",
    [
        {"buyer": None, "billing_address": None, "shipping_address": None},
        {"buyer": [], "billing_address": "x", "shipping_address": {"first_name": None, "last_name": {"a": "b"}}},
        {"buyer": {"email": "\ud800"}, "billing_address": {}, "shipping_address": {"is_company": True}},
    ],
)
def test_an_invalid_contact_does_not_affect_the_order(personal: dict[str, Any]) -> None:
    found = read_order(raw({"data": order(**personal)}), contacts=True)

    assert found is not None
    assert len(found.units) == 1
    assert found.contact is None


# ---- lists ----------------------------------------------------------------------------------------------------------


def test_a_page_lists_the_changed_orders() -> None:
    found = read_page(raw(page(order_unit(12, status="odd"), order_unit(11))))

    sold: dict[str, Any] = {"changed_us": CHANGED_US, "created_us": CREATED_US, "offer_id": "sku-1"}
    assert found == OrderPage(
        rows=(
            PageRow(order_id="MB7UWLD", order_unit_id=12, status_raw="odd", **sold),
            PageRow(order_id="MB7UWLD", order_unit_id=11, status_raw="need_to_be_sent", **sold),
        ),
        unreadable=(),
        is_last=True,
    )


@pytest.mark.parametrize("invalid", [{"price": "19,99"}, {"ts_created_iso": "yesterday", "id_offer": 5.5}])
def test_a_listed_row_is_read_although_other_fields_are_invalid(invalid: dict[str, Any]) -> None:
    found = read_page(raw(page(order_unit(12, **invalid))))

    assert found is not None
    assert len(found.rows) == 1, "the order is read by itself, and judged then"


def test_an_unreadable_row_is_quarantined_and_affects_no_other() -> None:
    bad = order_unit(12, ts_updated_iso="yesterday", vat=5.5)

    found = read_page(raw(page(order_unit(11), bad, "odd", order_unit(13, id_order=5), offset=100)), offset=100)

    assert found is not None
    assert [row.order_unit_id for row in found.rows] == [11]
    assert found.unreadable[:2] == (
        UnreadableRow(
            where="order-units?offset=100, row 2",
            sha256=digest_of(bad),
            fault="ts_updated_iso: moment",
            order_id="MB7UWLD",
        ),
        UnreadableRow(where="order-units?offset=100, row 3", sha256=digest_of("odd"), fault="row: model_type"),
    )
    assert (found.unreadable[2].fault, found.unreadable[2].order_id) == ("id_order: string_type", None)


def test_an_order_id_is_named_only_where_it_is_one() -> None:
    found = read_page(raw(page(order_unit(id_order=f"{CANARY}A"), order_unit(id_order=["MB7UWLD"]))))

    assert found is not None
    assert [row.order_id for row in found.unreadable] == [None, None]


def test_carriers_are_known_by_their_exact_codes() -> None:
    listed = [*CARRIERS["data"]["carriers"], {"name": "DHL"}, {"name": 5}, None]

    assert answers.carriers(raw(CARRIERS)) == CarriersFound(codes=("DHL", "Other Hauler"))
    assert answers.carriers(raw({"data": {"carriers": listed}})) == CarriersFound(codes=("DHL", "Other Hauler"))
    assert answers.carriers(raw({"data": {"carriers": []}})) is None
