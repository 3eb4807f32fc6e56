"""Every response conforms to the marketplace's OpenAPI document, for any request."""

from collections.abc import Iterator
from typing import Any

import httpx
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simulator.exchange import HttpRequest, HttpResponse
from simulator.journal import Journal
from simulator.reference import CURRENCIES
from simulator.scenario import Scenario
from simulator.simulator import Simulator
from tests.harness.effort import examples
from tests.unit.simulator.caller import SigningCaller
from tests.unit.simulator.conftest import SMALL, caller_of
from tests.unit.simulator.openapi import NotAsDocumented, inspect

BUSY = {
    "at_start": 30,
    "confirm_delay_s": 0.0,
    "cancelled": 0.2,
    "changed": 0.7,
    "change_within_s": 0.05,
    "delivery_s": 0.01,
    "autopaid": 0.3,
    "returned": 0.5,
}
"""A scenario with order units in every status that they reach by themselves."""


@pytest.fixture(scope="module")
def shared() -> Iterator[Simulator]:
    with Simulator(
        Scenario.model_validate(SMALL | {"limits": {"requests_per_second": 10**6}, "orders": BUSY}), inspector=inspect
    ) as simulator:
        yield simulator


@pytest.fixture(scope="module")
def anyone(shared: Simulator) -> Iterator[SigningCaller]:
    with caller_of(shared) as caller:
        yield caller


LIST = HttpRequest(method="GET", target="/v2/units?storefront=de", headers={})


@pytest.mark.parametrize(
    "answer",
    [
        HttpResponse(status=200, body=b'{"data": [{}]}'),
        HttpResponse(status=200, body=b'{"data": [], "extra": 1}'),
        HttpResponse(status=207, body=b'{"data": []}'),
        HttpResponse(status=400, body=b'{"message": "no type", "errors": []}'),
        HttpResponse(status=400, body=b'{"type": "/problems/made-up", "message": "", "errors": []}'),
        HttpResponse(status=418, body=b"{}"),
    ],
    ids=["a unit without fields", "an extra field", "another status", "no type", "unknown type", "no envelope"],
)
def test_the_checker_refuses_what_the_document_does_not_allow(answer: HttpResponse) -> None:
    with pytest.raises(NotAsDocumented):
        inspect(LIST, answer)


def test_a_wrong_answer_is_raised_when_the_simulator_closes() -> None:
    def never_content(request: HttpRequest, answer: HttpResponse) -> None:
        raise NotAsDocumented(request.path)

    simulator = Simulator(inspector=never_content).start()
    with caller_of(simulator) as caller:
        assert caller.call("GET", "/status/ping").status_code == 200

    with pytest.raises(ExceptionGroup) as raised:
        simulator.close()

    assert [str(error) for error in raised.value.exceptions] == ["/v2/status/ping"]


# ---- generated requests ---------------------------------------------------------------------------------------------

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-1, 3),
    st.sampled_from([2**31 - 1, 2**31, 2**63, 100, 101, 99_999, 100_000, 100_000_001]),
    st.floats(allow_nan=False),
    st.sampled_from(["AVAILABLE", "ONHOLD", "INCOMPLETE", "standard_rate", "unspecified", "NEW", ""]),
    st.text(max_size=5),
)
FIELDS = st.sampled_from(
    [
        "amount",
        "handling_time",
        "listing_price",
        "minimum_price",
        "note",
        "status",
        "id_shipping_group",
        "id_warehouse",
        "vat_indicator",
        "eco_participation",
        "battery_participation",
        "manufacturer_guarantee_years",
        "ean",
        "id_product",
        "id_offer",
        "condition",
        "other",
    ]
)
CHANGES = st.dictionaries(FIELDS, SCALARS, max_size=5)
UNIT_IDS = st.one_of(st.integers(1_000_000, 1_000_040), st.integers(-1, 2), st.just(2**63))
ITEMS = st.one_of(
    st.fixed_dictionaries({"id_unit": UNIT_IDS, "unit_data": CHANGES}),
    st.dictionaries(st.sampled_from(["id_unit", "unit_data", "x"]), SCALARS),
    SCALARS,
)
BULKS = st.one_of(
    st.lists(ITEMS, max_size=6),
    st.lists(
        st.fixed_dictionaries({"id_unit": UNIT_IDS, "unit_data": CHANGES}),
        max_size=6,
        unique_by=lambda item: item["id_unit"],
    ),
    SCALARS,
)
STOREFRONTS = st.sampled_from([*CURRENCIES, "DE", ""])
PARAMETERS = st.dictionaries(
    st.sampled_from(
        ["storefront", "limit", "offset", "ean", "id_offer", "id_product", "embedded", "fulfillment_type", "x"]
    ),
    st.one_of(
        STOREFRONTS,
        st.integers(-1, 101).map(str),
        st.sampled_from(["products", "products,eco_participation", "fulfilled_by_kaufland", "9520000000004", "%", "+"]),
        st.text(alphabet="abc0&=é ", max_size=4),
    ),
    max_size=5,
)
GENERATED = settings(
    max_examples=examples(150),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def sent(caller: SigningCaller, method: str, path: str, body: Any = None) -> int:
    """Sends a request and returns the status; the response was validated before it was sent."""
    try:
        content = None if body is None else orjson.dumps(body)
    except TypeError:  # an integer beyond 64 bits
        content = str(body).replace("'", '"').encode()
    return caller.call(method, path, content=content).status_code


def unharmed(simulator: Simulator, status: int) -> bool:
    return status in (200, 204, 207, 400, 404) and not simulator.complaints


@GENERATED
@given(parameters=PARAMETERS, unit_id=UNIT_IDS)
def test_every_read_is_answered_as_documented(
    shared: Simulator, anyone: SigningCaller, parameters: dict[str, str], unit_id: int
) -> None:
    query = str(httpx.QueryParams(parameters))

    assert unharmed(shared, sent(anyone, "GET", f"/units?{query}"))
    assert unharmed(shared, sent(anyone, "GET", f"/units/{unit_id}?{query}"))
    assert unharmed(shared, sent(anyone, "GET", f"/units?storefront=de&{query}"))


@GENERATED
@given(body=BULKS, storefront=STOREFRONTS)
def test_every_bulk_is_answered_as_documented(
    shared: Simulator, anyone: SigningCaller, body: Any, storefront: str
) -> None:
    assert unharmed(shared, sent(anyone, "POST", f"/units/bulk?storefront={storefront}", body))


@GENERATED
@given(change=st.one_of(CHANGES, SCALARS), unit_id=UNIT_IDS, storefront=STOREFRONTS)
def test_every_patch_is_answered_as_documented(
    shared: Simulator, anyone: SigningCaller, change: Any, unit_id: int, storefront: str
) -> None:
    assert unharmed(shared, sent(anyone, "PATCH", f"/units/{unit_id}?storefront={storefront}", change))


@GENERATED
@given(
    body=st.one_of(st.fixed_dictionaries({"unit_ids": st.lists(UNIT_IDS, max_size=22)}), CHANGES, SCALARS),
    new=st.dictionaries(FIELDS, SCALARS, max_size=6),
    storefront=STOREFRONTS,
)
def test_every_question_for_statuses_and_every_creation_is_answered_as_documented(
    shared: Simulator, anyone: SigningCaller, body: Any, new: Any, storefront: str
) -> None:
    fit = {"ean": "9520000000004", "id_offer": "x", "listing_price": 1, "handling_time": 0}

    assert unharmed(shared, sent(anyone, "POST", f"/units/status?storefront={storefront}", body))
    assert unharmed(shared, sent(anyone, "POST", f"/units?storefront={storefront}", new))
    assert unharmed(shared, sent(anyone, "POST", f"/units?storefront={storefront}", fit | new))


def test_the_journal_of_all_that_can_be_read_back(shared: Simulator, anyone: SigningCaller) -> None:
    anyone.call("GET", "/status/ping")
    journal = shared.journal

    again = Journal.read(journal.lines())

    assert (again.calls, again.writes) == (journal.calls, journal.writes)


MOMENTS = st.one_of(
    st.datetimes().map(lambda moment: f"{moment.isoformat(timespec='seconds')}Z"),
    st.sampled_from(["2026-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "yesterday"]),
)
ORDER_PARAMETERS = st.fixed_dictionaries(
    {},
    optional={
        "storefront": STOREFRONTS,
        "limit": st.integers(-1, 101).map(str),
        "offset": st.integers(-1, 50).map(str),
        "status": st.sampled_from(["open", "sent,cancelled", "received", "package_sent", "return_arrived", "lost", ""]),
        "sort": st.sampled_from(["ts_created:desc", "ts_updated:desc", "ts_updated:asc"]),
        "ts_created_from_iso": MOMENTS,
        "ts_updated_from_iso": MOMENTS,
        "ts_units_updated_from_iso": MOMENTS,
        "embedded": st.sampled_from(
            [
                "return_unit,tickets,delivery,shipping_group",
                "order_invoices,delivery",
                "buyer,return_units",
                "order_unit",
            ]
        ),
        "event_name": st.sampled_from(["order_new", "nothing"]),
    },
)
ORDER_LISTS = ("/order-units", "/orders", "/returns", "/return-units", "/subscriptions", "/carriers")
ONE_OF_A_KIND = st.builds("{}/{}".format, st.sampled_from(ORDER_LISTS), st.integers(0, 40))


@settings(GENERATED, max_examples=examples(60))
@given(parameters=ORDER_PARAMETERS, row=st.integers(0, 40), anything=ONE_OF_A_KIND)
def test_every_read_of_orders_is_answered_as_documented(
    shared: Simulator, anyone: SigningCaller, parameters: dict[str, str], row: int, anything: str
) -> None:
    query = str(httpx.QueryParams(parameters))
    order, one = shared.orders()[row % 30], row % 40
    unit_id = order["order_units"][0]["id_order_unit"]

    for path in (*ORDER_LISTS, f"/order-units/{unit_id}", f"/orders/{order['id_order']}", anything):
        assert unharmed(shared, sent(anyone, "GET", f"{path}?{query}"))
    for path in (f"/returns/{675_000_000 + one}", f"/return-units/{685_000_000 + one}"):
        assert unharmed(shared, sent(anyone, "GET", f"{path}?{query}"))


ORDER_FIELDS = st.sampled_from(
    ["tracking_numbers", "carrier_code", "id_order_unit", "shipment_information", "tracking_number", "is_active"]
)
ORDER_VALUES = st.one_of(SCALARS, st.sampled_from(["DHL", "Other", "1,2", ","]), st.lists(st.text(max_size=2)))
ORDER_BODIES = st.one_of(
    st.dictionaries(ORDER_FIELDS, ORDER_VALUES, max_size=3),
    st.fixed_dictionaries({"tracking_numbers": st.sampled_from(["1", "1,2"]), "carrier_code": st.just("DHL")}),
    SCALARS,
)


@GENERATED
@given(body=ORDER_BODIES, row=st.integers(0, 29))
def test_every_parcel_is_answered_as_documented(shared: Simulator, anyone: SigningCaller, body: Any, row: int) -> None:
    unit_id = shared.orders()[row]["order_units"][0]["id_order_unit"]
    further = {"id_order_unit": unit_id, "shipment_information": body}

    answers = [
        sent(anyone, "PATCH", f"/order-units/{unit_id}/send", body),
        sent(anyone, "POST", "/shipments", further),
        sent(anyone, "POST", "/shipments", body),
        sent(anyone, "POST", "/subscriptions?storefront=de", body),
        sent(anyone, "PATCH", "/subscriptions/11001", body),
    ]

    assert set(answers) <= {204, 400, 403, 404}
    assert not shared.complaints


@pytest.mark.parametrize("orders", [{"unusual": 1.0}, {"malformed": [{"order": 0, "defect": "no_id"}]}])
def test_only_deliberate_faults_deviate_from_the_document(orders: dict[str, Any]) -> None:
    simulator = Simulator(
        Scenario.model_validate({"orders": {"at_start": 1, "undocumented": True} | orders}), inspector=inspect
    ).start()
    with caller_of(simulator) as caller:
        assert caller.call("GET", "/order-units").status_code == 200

    with pytest.raises(ExceptionGroup):
        simulator.close()
