"""Answers about orders, parcels and returns: facts that are exact, rows that spoil no other, and nobody's name."""

import copy
import json
from decimal import Decimal
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from connector.kaufland import facts_orders as facts
from connector.kaufland.models_orders import OrderAnswer, OrderUnitAnswer, OrderUnitRow, ReturnRow
from connector.kaufland.reference import ReferenceData
from connector.marketplace_orders import (
    CarriersFound,
    Contact,
    OrderFound,
    OrderPage,
    OrderUnit,
    PageRow,
    ReadOrder,
    ReadOrderPage,
    ReadOrderUnit,
    ReadReturnPage,
    Return,
    ReturnPage,
    UnitFound,
    UnitStatus,
    Unreadable,
)
from tests.connector.kaufland.sold import (
    ADDRESS,
    CANARY,
    CARRIERS,
    CHANGED_US,
    order,
    order_unit,
    page,
    return_row,
)

REFERENCE = ReferenceData().current
CREATED_US = 1_767_225_600_000_000
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
    fulfillment_type="fulfilled_by_merchant",
)


def raw(value: Any) -> bytes:
    return json.dumps(value).encode()


def read_unit(body: bytes | None) -> UnitFound | Unreadable | None:
    return facts.order_unit(body, ReadOrderUnit(order_unit_id=11), REFERENCE)


def read_order(body: bytes | None, *, contacts: bool = False) -> OrderFound | None:
    return facts.order(body, ReadOrder(order_id="MB7UWLD"), REFERENCE, contacts=contacts)


def read_page(body: bytes | None, offset: int = 0) -> OrderPage | None:
    return facts.order_page(body, ReadOrderPage(changed_from_us=0, offset=offset))


def read_returns(body: bytes | None, offset: int = 0) -> ReturnPage | None:
    return facts.return_page(body, ReadReturnPage(changed_from_us=0, offset=offset))


def unit_of(**changed: Any) -> OrderUnit:
    found = read_unit(raw({"data": order_unit(**changed)}))
    assert isinstance(found, UnitFound)
    return found.unit


def fault_of(**changed: Any) -> str:
    found = read_unit(raw({"data": order_unit(**changed)}))
    assert isinstance(found, Unreadable)
    return found.fault


# ---- an order unit --------------------------------------------------------------------------------------------------


def test_an_order_unit_is_read_with_all_that_tells_nothing_of_its_buyer() -> None:
    assert unit_of() == UNIT


@pytest.mark.parametrize("status", [status for status in UnitStatus if status is not UnitStatus.UNKNOWN])
def test_every_status_is_mapped_beside_its_raw_word(status: UnitStatus) -> None:
    unit = unit_of(status=status.value.lower())

    assert (unit.status, unit.status_raw) == (status, status.value.lower())


def test_a_status_is_known_in_capitals_too() -> None:
    unit = unit_of(status="SENT")

    assert (unit.status, unit.status_raw) == (UnitStatus.SENT, "SENT")


def test_a_status_that_is_not_known_passes_with_its_raw_word() -> None:
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
    body = raw({"data": order_unit(vat="VAT")}).replace(b'"VAT"', said.encode())

    found = read_unit(body)

    assert isinstance(found, UnitFound)
    assert found.unit.vat == vat


@pytest.mark.parametrize("said", ["19.00001", "-1", "1001", "1e999999999", "1e-999999999", '"19"', "true"])
def test_vat_that_no_topic_can_hold_is_not_rounded(said: str) -> None:
    found = read_unit(raw({"data": order_unit(vat="VAT")}).replace(b'"VAT"', said.encode()))

    assert isinstance(found, Unreadable)
    assert found.fault.startswith("vat: ")


@given(vat=st.decimals(0, 100, places=4))
def test_vat_survives_the_way_through_json(vat: Decimal) -> None:
    found = read_unit(raw({"data": order_unit(vat="VAT")}).replace(b'"VAT"', f"{vat:f}".encode()))

    assert isinstance(found, UnitFound)
    assert Decimal(found.unit.vat or "") == vat


def test_what_may_be_missing_may_be_missing() -> None:
    optional = {
        "revenue_net": None,
        "vat": None,
        "product": None,
        "id_offer": None,
        "unit_condition": None,
        "delivery_time_expires_iso": None,
    }
    bare = {name: value for name, value in order_unit().items() if name not in (*optional, "discounts", "note")}

    unit = unit_of(**optional)
    without = read_unit(raw({"data": bare}))

    assert isinstance(without, UnitFound)
    assert without.unit == unit
    assert (unit.revenue_net, unit.vat, unit.ean, unit.offer_id, unit.condition) == (None,) * 5
    assert unit_of(product={"eans": []}).ean is None


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({"id_order_unit": "11"}, "id_order_unit: int_type"),
        ({"id_order_unit": 0}, "id_order_unit: greater_than_equal"),
        ({"price": 19.99}, "price: int_type"),
        ({"price": "19,99"}, "price: int_type"),
        ({"price": True}, "price: int_type"),
        ({"price": 2**63}, "price: less_than"),
        ({"ts_updated_iso": "yesterday"}, "ts_updated_iso: moment"),
        ({"ts_updated_iso": 1767225605}, "ts_updated_iso: moment"),
        ({"status": None}, "status: string_type"),
        ({"status": ""}, "status: string_too_short"),
        ({"storefront": "germany"}, "storefront: string_pattern_mismatch"),
        ({"currency": "euro"}, "currency: string_pattern_mismatch"),
        ({"id_order": "A B"}, "id_order: string_pattern_mismatch"),
        ({"id_offer": "\ud800"}, "id_offer: string_unicode"),
        ({"product": {"eans": [5]}}, "product.eans.0: string_type"),
    ],
)
def test_an_order_unit_that_breaks_the_apis_word_says_where_and_how(changed: dict[str, Any], fault: str) -> None:
    assert fault_of(**changed) == fault


def test_at_most_five_faults_are_named() -> None:
    found = read_unit(raw({"data": {}}))

    assert isinstance(found, Unreadable)
    assert found.fault.count(": missing") == 5
    assert found.fault.endswith("; and 5 more")


def test_an_answer_about_another_order_unit_is_not_believed() -> None:
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
        ({"ts_created_iso": None}, "ts_created_iso: moment"),
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
    assert found.unreadable == Unreadable(
        where="orders/MB7UWLD", sha256=digest_of(data), fault=fault, order_id="MB7UWLD"
    )


def test_an_answer_about_another_order_is_not_believed() -> None:
    other = order(order_unit(11, in_order=True, id_order="OTHER"), id_order="OTHER")

    assert read_order(raw({"data": other})) is None


def test_a_contact_is_read_only_for_who_asked_for_it() -> None:
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
def test_a_contact_that_is_none_spoils_no_order(personal: dict[str, Any]) -> None:
    found = read_order(raw({"data": order(**personal)}), contacts=True)

    assert found is not None
    assert len(found.units) == 1
    assert found.contact is None


# ---- lists ----------------------------------------------------------------------------------------------------------


def digest_of(row: Any) -> str:
    """As anyone would compute it from the answer's text."""
    canonical = json.dumps(json.loads(json.dumps(row)), sort_keys=True, separators=(",", ":"))
    return sha256(canonical.encode()).hexdigest()


def test_a_page_tells_which_orders_have_changed() -> None:
    found = read_page(raw(page(order_unit(12, status="odd"), order_unit(11))))

    assert found == OrderPage(
        rows=(
            PageRow(order_id="MB7UWLD", order_unit_id=12, status_raw="odd", changed_us=CHANGED_US),
            PageRow(order_id="MB7UWLD", order_unit_id=11, status_raw="need_to_be_sent", changed_us=CHANGED_US),
        ),
        unreadable=(),
        is_last=True,
    )


def test_a_row_of_a_page_is_read_though_its_money_makes_no_sense() -> None:
    found = read_page(raw(page(order_unit(12, price="19,99"))))

    assert found is not None
    assert len(found.rows) == 1, "the order is read by itself, and judged then"


def test_a_row_that_cannot_be_read_is_set_apart_and_spoils_no_other() -> None:
    bad = order_unit(12, ts_updated_iso="yesterday", vat=5.5)

    found = read_page(raw(page(order_unit(11), bad, "odd", order_unit(13, id_order=5), offset=100)), offset=100)

    assert found is not None
    assert [row.order_unit_id for row in found.rows] == [11]
    assert found.unreadable[:2] == (
        Unreadable(
            where="order-units?offset=100, row 2",
            sha256=digest_of(bad),
            fault="ts_updated_iso: moment",
            order_id="MB7UWLD",
        ),
        Unreadable(where="order-units?offset=100, row 3", sha256=digest_of("odd"), fault="row: model_type"),
    )
    assert (found.unreadable[2].fault, found.unreadable[2].order_id) == ("id_order: string_type", None)


def test_an_order_id_is_named_only_where_it_is_one() -> None:
    found = read_page(raw(page(order_unit(id_order=f"{CANARY}A"), order_unit(id_order=["MB7UWLD"]))))

    assert found is not None
    assert [row.order_id for row in found.unreadable] == [None, None]


def test_returns_are_read_and_bad_ones_set_apart() -> None:
    bad = return_row(8, storefront=None)

    found = read_returns(raw(page(return_row(ts_updated_iso=None, status="odd"), bad)))

    assert found == ReturnPage(
        returns=(
            Return(
                return_id=7,
                storefront="de",
                status_raw="odd",
                created_us=CREATED_US,
                changed_us=None,
                tracking_provider="DHL",
            ),
        ),
        unreadable=(
            Unreadable(where="returns?offset=0, row 2", sha256=digest_of(bad), fault="storefront: string_type"),
        ),
        is_last=True,
    )


FULL = [order_unit(number) for number in range(1, 101)]


@pytest.mark.parametrize(
    ("answer", "is_last"),
    [
        (page(), True),
        (page(*FULL, total=100), True),
        (page(*FULL, total=101), False),
        (page(*FULL[:37], total=38), True),  # counted a moment later than listed
        (page(total=50), True),
        (page(*FULL[:30], total=200), None),  # the page is shorter than asked for: rows would be passed over
        (page(total=101), None),
        (page(*FULL, *FULL[:1]), None),
        (page(*FULL, offset=100, total=300), None),  # another page than asked for
        ({"data": FULL}, False),
        ({"data": FULL[:99]}, True),
        ({"data": [*FULL, *FULL]}, None),
        ({"data": FULL, "pagination": {"offset": 0, "limit": 100, "total": "many"}}, None),
        ({"data": {}}, None),
        ({}, None),
        ([], None),
    ],
)
def test_a_page_says_whether_the_list_goes_on_or_is_not_believed(answer: Any, is_last: bool | None) -> None:
    found = read_page(raw(answer))

    assert (found.is_last if found is not None else None) is is_last


def test_carriers_are_known_by_their_exact_codes() -> None:
    listed = [*CARRIERS["data"]["carriers"], {"name": "DHL"}, {"name": 5}, None]

    assert facts.carriers(raw(CARRIERS)) == CarriersFound(codes=("DHL", "Other Hauler"))
    assert facts.carriers(raw({"data": {"carriers": listed}})) == CarriersFound(codes=("DHL", "Other Hauler"))
    assert facts.carriers(raw({"data": {"carriers": []}})) is None


# ---- anything at all ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [None, b"", b"{", b"null", b"\xff", b"[" * 100_000, b"9" * 5_000])
def test_what_is_no_json_is_no_answer(body: bytes | None) -> None:
    assert (read_unit(body), read_order(body), read_page(body), read_returns(body)) == (None,) * 4


anything = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.just(CANARY),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.just(CANARY) | st.text(max_size=5), inner),
    max_leaves=6,
)
Place = tuple[str | int, ...]


def planted(whole: Any, place: Place, value: Any) -> Any:
    """The whole with this value in this place."""
    spoilt = copy.deepcopy(whole)
    inner = spoilt
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = value
    return spoilt


ORDER = {"data": order(order_unit())}
ROWS = page(order_unit(), return_row())
PLACES: list[tuple[Any, Place]] = [
    *((ORDER, ("data", name)) for name in order()),
    *((ORDER, ("data", "order_units", 0, name)) for name in order_unit()),
    (ORDER, ("data", "order_units", 0, "product", "eans", 0)),
    (ORDER, ("data", "order_units", 0)),
    (ORDER, ("data",)),
    *((ROWS, ("data", 0, name)) for name in order_unit()),
    *((ROWS, ("data", 1, name)) for name in return_row()),
    (ROWS, ("data", 0)),
    (ROWS, ("data",)),
    (ROWS, ("pagination",)),
]


def set_apart(found: Any) -> list[Unreadable]:
    match found:
        case Unreadable():
            return [found]
        case OrderFound(unreadable=Unreadable() as whole):
            return [whole]
        case OrderPage() | ReturnPage():
            return list(found.unreadable)
        case _:
            return []


@given(planting=st.sampled_from(PLACES), value=anything, contacts=st.booleans())
def test_whatever_stands_in_an_answer_is_read_or_set_apart_without_its_words(
    planting: tuple[Any, Place], value: Any, contacts: bool
) -> None:
    body = raw(planted(*planting, value))

    answers = (read_unit(body), read_order(body, contacts=contacts), read_page(body), read_returns(body))

    for unreadable in (row for found in answers for row in set_apart(found)):
        assert CANARY not in repr(unreadable)
        assert len(unreadable.sha256) == 64


@pytest.mark.parametrize(
    ("model", "data"),
    [
        (OrderUnitAnswer, order_unit(storefront=CANARY)),
        (OrderAnswer, order(order_unit(storefront=CANARY))),
        (OrderAnswer, order(ts_created_iso=CANARY)),
        (OrderUnitRow, order_unit(id_order=CANARY)),
        (ReturnRow, return_row(storefront=CANARY)),
    ],
)
def test_an_exception_quotes_no_value(model: type[BaseModel], data: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as wrong:
        model.model_validate(data)

    assert CANARY not in str(wrong.value)


def test_no_fact_names_the_buyer() -> None:
    answers = (
        read_unit(raw({"data": order_unit()})),
        read_order(raw({"data": order()}), contacts=True),
        read_page(raw(page(order_unit()))),
        read_returns(raw(page(return_row()))),
    )

    assert None not in answers
    assert CANARY not in repr(answers), "a contact is handed on, and shows nothing of itself"
