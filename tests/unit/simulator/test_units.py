"""The endpoints about units over real sockets: listing, reading, changing, and what must not change."""

from typing import Any

import pytest

from simulator.exchange import Endpoint
from simulator.offers.catalogue import SimulatedUnit
from simulator.simulator import Simulator
from tests.unit.simulator.caller import SigningCaller
from tests.unit.simulator.conftest import Start, caller_of, linked_pair, units

MOVING = {"date_lastchange_iso"}


def listed(caller: SigningCaller, query: str) -> list[dict[str, Any]]:
    answer = caller.call("GET", f"/units?{query}")
    assert answer.status_code == 200, answer.text
    data: list[dict[str, Any]] = answer.json()["data"]
    return data


def problem(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"]


# ---- listing --------------------------------------------------------------------------------------------------------


def test_pages_of_thirty_unless_told_otherwise(caller: SigningCaller, simulator: Simulator) -> None:
    answer = caller.call("GET", "/units?storefront=de").json()

    assert len(answer["data"]) == 30
    assert answer["pagination"] == {"offset": 0, "limit": 30, "total": len(units(simulator))}


def test_pages_cover_every_unit_once(caller: SigningCaller, simulator: Simulator) -> None:
    found, offset, total = [], 0, 1
    while offset < total:
        page = caller.call("GET", f"/units?storefront=de&limit=100&offset={offset}").json()
        found += [unit["id_unit"] for unit in page["data"]]
        total, offset = page["pagination"]["total"], offset + 100

    assert found == [unit.id for unit in units(simulator)]


def test_finds_by_ean_in_all_conditions_and_on_the_one_storefront(caller: SigningCaller, simulator: Simulator) -> None:
    ean = simulator.stocks["demo"].ambiguous_eans[0]

    found = listed(caller, f"storefront=de&ean={ean}&embedded=products")

    assert {unit["id_unit"] for unit in found} == {
        unit.id for unit in units(simulator) if ean in unit.product.eans and unit.storefront == "de"
    }
    assert all(ean in unit["product"]["eans"] for unit in found)


def test_finds_nothing_for_an_ean_without_units(caller: SigningCaller, simulator: Simulator) -> None:
    assert listed(caller, f"storefront=de&ean={simulator.stocks['demo'].missing_eans[0]}") == []


def test_finds_by_offer_id_and_by_product(caller: SigningCaller, simulator: Simulator) -> None:
    unit = units(simulator)[5]

    assert [one["id_unit"] for one in listed(caller, f"storefront=de&id_offer={unit.id_offer}")] == [unit.id]
    of_product = listed(caller, f"storefront=de&id_product={unit.product.id}&limit=100")
    assert unit.id in {one["id_unit"] for one in of_product}
    assert {one["id_product"] for one in of_product} == {unit.product.id}


def test_filters_add_up(caller: SigningCaller, simulator: Simulator) -> None:
    one, other = units(simulator)[0], units(simulator)[30]

    assert listed(caller, f"storefront=de&id_offer={one.id_offer}&ean={other.product.eans[0]}") == []


def test_leaves_out_units_that_the_marketplace_fulfils_unless_asked(start: Start) -> None:
    simulator = start(catalogue={"eans": 50, "by_marketplace": 0.5})
    with caller_of(simulator) as caller:
        merchants = listed(caller, "storefront=de&limit=100")
        both = listed(caller, "storefront=de&limit=100&fulfillment_type=fulfilled_by_merchant,fulfilled_by_kaufland")

    assert 0 < len(merchants) < len(both) == len(units(simulator))
    assert {unit["fulfillment_type"] for unit in merchants} == {"fulfilled_by_merchant"}


@pytest.mark.parametrize(
    "query",
    [
        "",
        "storefront=DE",
        "storefront=ro",
        "storefront=de&limit=101",
        "storefront=de&limit=-1",
        "storefront=de&limit=ten",
        "storefront=de&offset=-1",
        "storefront=de&ean=123",
        "storefront=de&ean=952000000000x",
        "storefront=de&id_product=0",
        "storefront=de&embedded=everything",
        "storefront=de&fulfillment_type=nobody",
    ],
)
def test_refuses_a_query_that_is_wrong(caller: SigningCaller, query: str) -> None:
    assert problem(caller.call("GET", f"/units?{query}")) == (400, "/problems/validation-error")


def test_refuses_a_storefront_where_the_seller_does_not_sell(caller: SigningCaller) -> None:
    assert problem(caller.call("GET", "/units?storefront=pl")) == (400, "/problems/storefront-not-configured")


def test_takes_a_path_with_a_trailing_slash(caller: SigningCaller) -> None:
    assert caller.call("GET", "/units/?storefront=de").status_code == 200


def test_shows_a_new_unit_in_lists_only_after_the_visibility_delay(start: Start) -> None:
    simulator = start(catalogue={"eans": 1, "missing": 0, "visibility_delay_s": 3600})
    hidden = a_unit_like(units(simulator)[0], id=77, id_offer="new")
    simulator.add_unit(hidden)

    with caller_of(simulator) as caller:
        assert 77 not in {unit["id_unit"] for unit in listed(caller, "storefront=de")}
        assert caller.call("GET", "/units/77?storefront=de").status_code == 200
        hidden.listed_from_us = 0
        assert 77 in {unit["id_unit"] for unit in listed(caller, "storefront=de")}


# ---- one unit -------------------------------------------------------------------------------------------------------


def test_reads_a_unit_only_on_its_own_storefront(caller: SigningCaller, simulator: Simulator) -> None:
    unit = units(simulator)[0]

    assert caller.call("GET", f"/units/{unit.id}?storefront=de").json()["data"]["id_unit"] == unit.id
    assert problem(caller.call("GET", f"/units/{unit.id}?storefront=at")) == (404, "/problems/not-found")
    assert problem(caller.call("GET", "/units/1?storefront=de")) == (404, "/problems/not-found")


def test_a_patch_changes_its_fields_and_nothing_else(caller: SigningCaller, simulator: Simulator) -> None:
    before = simulator.state()
    unit = next(unit for unit in units(simulator) if len(simulator.catalogue.linked("demo", unit.id_offer or "")) == 1)

    answer = caller.patch(unit.id, {"amount": 7, "handling_time": 2, "listing_price": 1999})

    after = simulator.state()
    assert answer.status_code == 200
    assert changed(before, after) == {
        unit.id: {"amount": 7, "handling_time": 2, "listing_price": 1999, "minimum_price": 1999, "price": 1999}
    }
    assert after[unit.id]["date_lastchange_iso"] > before[unit.id]["date_lastchange_iso"]  # type: ignore[operator]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"amount": -1}, "amount"),
        ({"amount": 2**31}, "amount"),
        ({"amount": 1.5}, "amount"),
        ({"amount": True}, "amount"),
        ({"amount": "5"}, "amount"),
        ({"amount": None}, "amount"),
        ({"listing_price": 0}, "listing_price"),
        ({"listing_price": 100_000_001}, "listing_price"),
        ({"minimum_price": None}, "minimum_price"),
        ({"minimum_price": 99_999_999}, "minimum_price"),
        ({"handling_time": 101}, "handling_time"),
        ({"handling_time": -1}, "handling_time"),
        ({"note": "x" * 251}, "note"),
        ({"status": "INCOMPLETE"}, "status"),
        ({"vat_indicator": "unspecified"}, "vat_indicator"),
        ({"id_warehouse": 0}, "id_warehouse"),
        ({"manufacturer_guarantee_years": 100}, "manufacturer_guarantee_years"),
        ({"ean": "9520000000004"}, "ean"),
        ({"condition": "NEW"}, "condition"),
        ({"id_offer": "other"}, "id_offer"),
    ],
)
def test_a_wrong_field_refuses_the_whole_patch_and_is_named(
    caller: SigningCaller, simulator: Simulator, change: dict[str, Any], field: str
) -> None:
    before = simulator.state()

    answer = caller.patch(units(simulator)[0].id, {"handling_time": 9} | change)

    assert problem(answer) == (400, "/problems/validation-error")
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert simulator.state() == before


@pytest.mark.parametrize(("storefront", "ceiling"), [("de", 100_000_000), ("cz", 2_147_483_647)])
def test_each_currency_has_its_own_ceiling(
    caller: SigningCaller, simulator: Simulator, storefront: str, ceiling: int
) -> None:
    unit = units(simulator, storefront)[0]

    assert caller.patch(unit.id, {"listing_price": ceiling}, storefront).status_code == 200
    assert caller.patch(unit.id, {"listing_price": ceiling + 1}, storefront).status_code == 400


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff"])
def test_a_body_that_is_no_object_is_refused(caller: SigningCaller, simulator: Simulator, content: bytes) -> None:
    answer = caller.call(
        "PATCH",
        f"/units/{units(simulator)[0].id}?storefront=de",
        content=content,
        headers={"Content-Type": "application/json"},
    )

    assert answer.status_code == 400


def test_amount_alone_is_taken_unless_a_listing_price_is_required(start: Start) -> None:
    lenient, strict = start(), start(rules={"listing_price_required": True})
    with caller_of(lenient) as caller:
        assert caller.patch(units(lenient)[0].id, {"amount": 1}).status_code == 200
    with caller_of(strict) as caller:
        answer = caller.patch(units(strict)[0].id, {"amount": 1})
        assert answer.json()["errors"][0]["field"] == "listing_price"
        assert caller.patch(units(strict)[0].id, {"amount": 1, "listing_price": 5}).status_code == 200


def test_a_unit_on_hold_is_accepted_and_not_live(caller: SigningCaller, simulator: Simulator) -> None:
    unit = units(simulator)[0]

    body = caller.patch(unit.id, {"status": "ONHOLD", "amount": 5}).json()["data"]

    assert (body["status"], body["is_live"]) == ("ONHOLD", False)


def test_a_unit_with_incomplete_product_data_stays_incomplete(start: Start) -> None:
    simulator = start(catalogue={"eans": 3, "missing": 0, "incomplete": 1})
    with caller_of(simulator) as caller:
        body = caller.patch(units(simulator)[0].id, {"status": "AVAILABLE", "amount": 5}).json()["data"]

    assert (body["status"], body["is_live"]) == ("INCOMPLETE", False)


def test_a_minimum_price_stays_below_the_listing_price(caller: SigningCaller, simulator: Simulator) -> None:
    unit = units(simulator)[0]
    assert caller.patch(unit.id, {"listing_price": 1000, "minimum_price": 800}).status_code == 200

    answer = caller.patch(unit.id, {"listing_price": 700})

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == "listing_price"
    assert caller.patch(unit.id, {"amount": 3}).json()["data"]["minimum_price"] == 800


# ---- linked units ---------------------------------------------------------------------------------------------------


def test_stock_and_warehouse_follow_on_every_storefront_and_price_does_not(
    caller: SigningCaller, simulator: Simulator
) -> None:
    unit, twin = linked_pair(simulator)
    before = simulator.state()

    caller.patch(unit.id, {"amount": 4321, "id_warehouse": 9, "listing_price": 555, "handling_time": 8})

    assert changed(before, simulator.state())[twin.id] == {"amount": 4321, "id_warehouse": 9}
    assert [(write.field, write.cause) for write in simulator.journal.history(twin.id)] == [
        ("amount", "link"),
        ("id_warehouse", "link"),
    ]


# ---- bulk -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 149, 150])
def test_a_bulk_of_up_to_150_units_answers_each_in_order(start: Start, count: int) -> None:
    simulator = start()
    chosen = units(simulator)[:count]
    with caller_of(simulator) as caller:
        answer = caller.bulk([{"id_unit": unit.id, "unit_data": {"amount": 3}} for unit in chosen])

    assert answer.status_code == 207
    assert [(entry["id_unit"], entry["status_code"], entry["unit"]["amount"]) for entry in answer.json()["data"]] == [
        (unit.id, 200, 3) for unit in chosen
    ]


def test_151_units_fail_the_whole_bulk(caller: SigningCaller, simulator: Simulator) -> None:
    before = simulator.state()

    answer = caller.bulk([{"id_unit": unit.id, "unit_data": {"amount": 3}} for unit in units(simulator)[:151]])

    assert problem(answer) == (400, "/problems/units/bulk-too-many-units")
    assert simulator.state() == before


def test_a_unit_twice_fails_the_whole_bulk_and_is_named(caller: SigningCaller, simulator: Simulator) -> None:
    before = simulator.state()
    one, other = units(simulator)[:2]

    answer = caller.bulk([{"id_unit": unit_id, "unit_data": {"amount": 3}} for unit_id in (one.id, other.id, one.id)])

    assert problem(answer) == (400, "/problems/units/bulk-duplicate-units")
    assert answer.json()["errors"] == [{"field": "id_unit", "message": str(one.id)}]
    assert simulator.state() == before


@pytest.mark.parametrize(
    "body",
    [
        [],
        {},
        "x",
        [1],
        [{"id_unit": 1}],
        [{"unit_data": {}}],
        [{"id_unit": "1", "unit_data": {}}],
        [{"id_unit": 0, "unit_data": {}}],
        [{"id_unit": 1, "unit_data": []}],
        [{"id_unit": 1, "unit_data": {}, "storefront": "de"}],
    ],
)
def test_a_badly_formed_bulk_is_refused_whole(caller: SigningCaller, body: Any) -> None:
    assert problem(caller.bulk(body)) == (400, "/problems/validation-error")


def test_a_refused_item_leaves_the_others_alone(caller: SigningCaller, simulator: Simulator) -> None:
    good, bad = units(simulator)[:2]
    foreign = units(simulator, "cz")[0]

    answer = caller.bulk(
        [
            {"id_unit": bad.id, "unit_data": {"amount": 2, "listing_price": 0}},
            {"id_unit": good.id, "unit_data": {"amount": 2}},
            {"id_unit": foreign.id, "unit_data": {"amount": 2}},
            {"id_unit": 1, "unit_data": {"amount": 2}},
        ]
    )

    first, second, third, fourth = answer.json()["data"]
    assert first == {
        "id_unit": bad.id,
        "status_code": 400,
        "message": "Parameters [listing_price] are missing or have wrong value.",
        "errors": [{"field": "listing_price", "message": "listing_price must be greater than 0"}],
    }
    assert second["unit"]["amount"] == 2
    assert third == {"id_unit": foreign.id, "status_code": 404, "message": "Unit not found", "errors": []}
    assert fourth["status_code"] == 404
    assert simulator.journal.history(bad.id) == ()
    assert simulator.journal.calls[-1].item_statuses == (400, 200, 404, 404)


# ---- status, creation, removal --------------------------------------------------------------------------------------


def test_the_reason_why_a_unit_is_not_live_is_listed(caller: SigningCaller, simulator: Simulator) -> None:
    one, other = units(simulator)[:2]
    caller.patch(one.id, {"amount": 0, "status": "ONHOLD"})
    caller.patch(other.id, {"amount": 1, "status": "AVAILABLE"})

    answer = caller.call("POST", "/units/status?storefront=de", {"unit_ids": [one.id, other.id, one.id, 1]})

    first, second, third = answer.json()["data"]
    assert {reason["reason"] for reason in first["reasons"]} == {"offer_paused", "stock_update_needed"}
    assert (second["is_live"], second["reasons"]) == (True, [])
    assert third["status_code"] == 404


@pytest.mark.parametrize("ids", [[], list(range(1, 22)), ["1"], [0]])
def test_asks_for_one_to_twenty_units(caller: SigningCaller, ids: list[Any]) -> None:
    assert caller.call("POST", "/units/status?storefront=de", {"unit_ids": ids}).status_code == 400


def test_a_creation_works_and_is_counted(caller: SigningCaller, simulator: Simulator) -> None:
    ean = simulator.stocks["demo"].missing_eans[0]
    new = {"ean": ean, "id_offer": "mine", "listing_price": 100, "handling_time": 1, "condition": 300}

    answer = caller.call("POST", "/units?storefront=de", new)

    assert answer.status_code == 200
    assert answer.json()["data"]["condition"] == "USED___VERY_GOOD"
    assert [unit["id_unit"] for unit in listed(caller, f"storefront=de&ean={ean}")] == [
        answer.json()["data"]["id_unit"]
    ]
    assert simulator.journal.created == 1


@pytest.mark.parametrize(
    "change",
    [
        {"listing_price": None},
        {"id_offer": 5},
        {"condition": "new"},
        {"condition": 150},
        {"ean": "1"},
        {"ean": "9529999999991"},
        {"status": "AVAILABLE"},
        {"amount": -1},
    ],
)
def test_a_refused_creation_is_counted_too(caller: SigningCaller, simulator: Simulator, change: dict[str, Any]) -> None:
    ean = simulator.stocks["demo"].missing_eans[0]
    new = {"ean": ean, "id_offer": "mine", "listing_price": 100, "handling_time": 1} | change

    assert caller.call("POST", "/units?storefront=de", new).status_code == 400
    assert simulator.journal.created == 1


def test_an_offer_id_of_another_product_cannot_be_taken(caller: SigningCaller, simulator: Simulator) -> None:
    ean = simulator.stocks["demo"].missing_eans[0]
    new = {"ean": ean, "id_offer": units(simulator)[0].id_offer, "listing_price": 100, "handling_time": 1}

    assert problem(caller.call("POST", "/units?storefront=de", new)) == (400, "/problems/already-exists")


def test_an_offer_id_is_shared_with_another_storefront_and_not_used_twice_on_one(
    caller: SigningCaller, simulator: Simulator
) -> None:
    ean = simulator.stocks["demo"].missing_eans[0]
    new = {"ean": ean, "id_offer": "mine", "listing_price": 100, "handling_time": 1}

    assert caller.call("POST", "/units?storefront=de", new).status_code == 200
    assert caller.call("POST", "/units?storefront=at", new).status_code == 200
    assert problem(caller.call("POST", "/units?storefront=de", new)) == (400, "/problems/already-exists")


def test_a_removal_works_and_is_counted(caller: SigningCaller, simulator: Simulator) -> None:
    unit = units(simulator)[0]

    answer = caller.call("DELETE", f"/units/{unit.id}?storefront=de")

    assert (answer.status_code, answer.content) == (204, b"")
    assert caller.call("DELETE", f"/units/{unit.id}?storefront=de").status_code == 404
    assert simulator.journal.deleted == 2


# ---- the rest -------------------------------------------------------------------------------------------------------


def test_pings_and_lists_the_sellers_storefronts(caller: SigningCaller) -> None:
    assert caller.call("GET", "/status/ping").json() == {"data": {"message": "Never tell me the odds"}}
    assert caller.call("GET", "/info/storefront").json() == {"data": ["at", "cz", "de"]}


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/tickets"), ("PUT", "/units/5"), ("GET", "/units/bulk"), ("GET", "/units/abc")]
)
def test_what_is_not_there_is_not_found(caller: SigningCaller, simulator: Simulator, method: str, path: str) -> None:
    assert problem(caller.call(method, f"{path}?storefront=de")) == (404, "/problems/not-found")
    assert simulator.journal.by_kind[Endpoint.UNKNOWN] == 1


def test_changes_by_the_marketplace_itself_are_marked(caller: SigningCaller, simulator: Simulator) -> None:
    unit = units(simulator)[0]
    caller.patch(unit.id, {"amount": 10})
    simulator.change_unit(unit.id, amount=9)

    assert simulator.journal.accepted(unit.id, "amount") == (10,)
    assert [write.new for write in simulator.journal.history(unit.id)] == [10, 9]
    assert caller.call("GET", f"/units/{unit.id}?storefront=de").json()["data"]["amount"] == 9


def changed(before: Any, after: Any) -> dict[int, dict[str, Any]]:
    """Returns the differences by unit, without the date of the last change."""
    return {
        unit_id: difference
        for unit_id in after
        if (
            difference := {
                name: value
                for name, value in after[unit_id].items()
                if name not in MOVING and value != before[unit_id][name]
            }
        )
    }


def a_unit_like(unit: SimulatedUnit, **changes: Any) -> SimulatedUnit:
    values = {name: getattr(unit, name) for name in SimulatedUnit.__slots__}
    return SimulatedUnit(**values | changes)


# ---- the catalogue --------------------------------------------------------------------------------------------------


def test_a_product_is_shown_whether_or_not_the_seller_has_a_unit_of_it(
    caller: SigningCaller, simulator: Simulator
) -> None:
    offered, missing = simulator.stocks["demo"].eans[0], simulator.stocks["demo"].missing_eans[0]

    for ean in (offered, missing, f"0{missing}"):
        answer = caller.call("GET", f"/products/ean/{ean}?storefront=de&embedded=category,units")
        assert answer.status_code == 200, answer.text
        product = answer.json()["data"]
        assert (ean.removeprefix("0") in product["eans"], product["is_valid"], product["storefront"]) == (
            True,
            True,
            "de",
        )


def test_an_ean_that_the_catalogue_lacks_is_404_with_a_message_alone(caller: SigningCaller) -> None:
    answer = caller.call("GET", "/products/ean/4006381333931?storefront=de")

    assert (answer.status_code, answer.json()) == (404, {"message": "Product not found"})


@pytest.mark.parametrize(
    ("target", "refusal"),
    [
        ("/products/ean/400638133393?storefront=de", "/problems/validation-error"),
        ("/products/ean/4006381333931000?storefront=de", "/problems/validation-error"),
        ("/products/ean/40063813339A1?storefront=de", "/problems/validation-error"),
        ("/products/ean/4006381333931", "/problems/validation-error"),
        ("/products/ean/4006381333931?storefront=xx", "/problems/validation-error"),
        ("/products/ean/4006381333931?storefront=de&embedded=offers", "/problems/validation-error"),
        ("/products/ean/4006381333931?storefront=sk", "/problems/storefront-not-configured"),
    ],
)
def test_a_question_about_a_product_that_is_not_valid_is_refused(
    caller: SigningCaller, target: str, refusal: str
) -> None:
    assert problem(caller.call("GET", target)) == (400, refusal)
