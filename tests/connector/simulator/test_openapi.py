"""Every answer is one that the marketplace's OpenAPI document describes, whatever is asked."""

from collections.abc import Iterator
from typing import Any

import httpx
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connector.simulator.exchange import Answer, Request
from connector.simulator.journal import Journal
from connector.simulator.reference import CURRENCIES
from connector.simulator.scenario import Scenario
from connector.simulator.simulator import Simulator
from tests.connector.simulator.caller import SigningCaller
from tests.connector.simulator.conftest import SMALL, caller_of
from tests.connector.simulator.openapi import NotAsDocumented, inspect


@pytest.fixture(scope="module")
def shared() -> Iterator[Simulator]:
    with Simulator(
        Scenario.model_validate(SMALL | {"limits": {"requests_per_second": 10**6}}), inspector=inspect
    ) as simulator:
        yield simulator


@pytest.fixture(scope="module")
def anyone(shared: Simulator) -> Iterator[SigningCaller]:
    with caller_of(shared) as caller:
        yield caller


LIST = Request(method="GET", target="/v2/units?storefront=de", headers={})


@pytest.mark.parametrize(
    "answer",
    [
        Answer(status=200, body=b'{"data": [{}]}'),
        Answer(status=200, body=b'{"data": [], "extra": 1}'),
        Answer(status=207, body=b'{"data": []}'),
        Answer(status=400, body=b'{"message": "no type", "errors": []}'),
        Answer(status=400, body=b'{"type": "/problems/made-up", "message": "", "errors": []}'),
        Answer(status=418, body=b"{}"),
    ],
    ids=["a unit without fields", "an extra field", "another status", "no type", "unknown type", "no envelope"],
)
def test_the_judge_refuses_what_the_document_does_not_allow(answer: Answer) -> None:
    with pytest.raises(NotAsDocumented):
        inspect(LIST, answer)


def test_a_wrong_answer_is_raised_when_the_simulator_closes() -> None:
    def never_content(request: Request, answer: Answer) -> None:
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
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def sent(caller: SigningCaller, method: str, path: str, body: Any = None) -> int:
    """Send it; the judge has been asked by the time the answer is here."""
    try:
        content = None if body is None else orjson.dumps(body)
    except TypeError:  # beyond 64 bits
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
