"""Pages of all units: the adapter against the simulator, whose requests and responses follow the API's document."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import orjson
import pytest

from connector.kaufland.account import KauflandAccount
from connector.kaufland.adapter import kaufland
from connector.kaufland.http.address import address
from connector.kaufland.http.credentials import Credentials
from connector.kaufland.offers import answers
from connector.marketplace.call_kinds import CallKind
from connector.marketplace.offers import (
    Field,
    Gone,
    ProductFound,
    ReadProduct,
    ReadUnitPage,
    Refused,
    Unit,
    UnitPage,
)
from simulator.offers.catalogue import Product
from simulator.scenario import Scenario
from simulator.simulator import Simulator
from streams.clock import SystemClock
from streams.flow import Call, Item, Reply, Settled
from tests.unit.simulator.openapi import inspect

CATALOGUE: dict[str, Any] = {
    "catalogue": {"eans": 240, "storefronts": ("de", "cz"), "second_ean": 0.2, "by_marketplace": 0.1, "on_hold": 0.1}
}


class Shelf:
    """A simulator and the adapter that reads its units."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        seller = simulator.sellers["demo"]
        account = KauflandAccount(
            name="main",
            credentials=Credentials.of(seller.client_key, seller.secret_key),
            address=address(simulator.url, dev=True),
        )
        self.adapter = kaufland([account], clock=SystemClock())

    def reply(self, body: ReadUnitPage | ReadProduct) -> Reply:
        by_s = time.monotonic() + 60
        items = (Item(body=body, attempt=1),)
        kind = CallKind.PRODUCT if isinstance(body, ReadProduct) else CallKind.UNIT_PAGE
        call = Call(id="c", account="main", kind=kind, items=items, send_by_s=by_s, give_up_at_s=by_s)
        (reply,) = self.adapter.call(call).replies
        return reply

    def page(self, **body: Any) -> UnitPage:
        reply = self.reply(ReadUnitPage(**body))
        assert isinstance(reply, Settled), reply
        assert isinstance(reply.answer, UnitPage)
        return reply.answer

    def everything(self, storefront: str, *, by_marketplace: bool) -> dict[int, Unit]:
        found: dict[int, Unit] = {}
        for offset in range(0, 10_000, 100):
            page = self.page(storefront=storefront, offset=offset, by_marketplace=by_marketplace)
            found |= {unit.unit_id: unit for unit in page.units}
            if page.is_last:
                return found
        raise AssertionError("the list has no end")

    def truth(self, storefront: str) -> dict[int, dict[str, Any]]:
        lines = httpx.get(f"{self.simulator.control_url}units", trust_env=False).text.splitlines()
        units = [orjson.loads(line) for line in lines]
        return {unit["id_unit"]: unit for unit in units if unit["storefront"] == storefront}


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    with ExitStack() as stack:
        shelf = Shelf(stack.enter_context(Simulator(Scenario.model_validate(CATALOGUE), inspector=inspect)))
        stack.callback(shelf.adapter.close)
        yield shelf


@pytest.mark.parametrize("storefront", ["de", "cz"])
def test_the_pages_of_both_lists_show_every_unit_once_with_its_values(shelf: Shelf, storefront: str) -> None:
    mine = shelf.everything(storefront, by_marketplace=False)
    others = shelf.everything(storefront, by_marketplace=True)
    truth = shelf.truth(storefront)

    assert len(truth) > 200
    assert others
    assert not mine.keys() & others.keys()
    assert {**mine, **others}.keys() == truth.keys()
    for unit_id, unit in {**mine, **others}.items():
        shown = truth[unit_id]
        assert unit.values == {
            Field.PRICE: shown["listing_price"],
            Field.STOCK: shown["amount"],
            Field.HANDLING_TIME: shown["handling_time"],
        }
        assert (unit.status, unit.offer_id, unit.storefront) == (shown["status"], shown["id_offer"], storefront)
        assert unit.is_live == shown["is_live"]
        assert unit.fulfilled_by_marketplace == (unit_id in others)
        assert unit.changed_us is not None
        assert unit.eans


def test_a_page_is_last_only_at_the_end_of_its_list(shelf: Shelf) -> None:
    first = shelf.page(storefront="de", offset=0)

    assert (first.is_last, first.rows, len(first.units)) == (False, 100, 100)
    assert first.total == len(shelf.everything("de", by_marketplace=False))
    assert shelf.page(storefront="de", offset=200).is_last


def test_an_edit_in_the_portal_shows_with_its_time(shelf: Shelf) -> None:
    (unit, *_) = shelf.page(storefront="de", offset=0).units
    changed = httpx.post(
        f"{shelf.simulator.control_url}units/{unit.unit_id}", json={"listing_price": 4321}, trust_env=False
    )
    assert changed.status_code == 204

    edited = shelf.everything("de", by_marketplace=False)[unit.unit_id]

    assert edited.values[Field.PRICE] == 4321
    assert unit.changed_us is not None
    assert edited.changed_us is not None
    assert edited.changed_us > unit.changed_us


def test_an_unknown_storefront_is_refused_without_a_call(shelf: Shelf) -> None:
    reply = shelf.reply(ReadUnitPage(storefront="xx", offset=0))

    assert isinstance(reply, Settled)
    assert isinstance(reply.answer, Refused)
    assert (reply.answer.code, reply.answer.http_status) == ("STOREFRONT_UNKNOWN", 0)


# ---- the catalogue --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_valid", [True, False])
def test_a_product_of_the_catalogue_is_found_with_whether_its_data_are_complete(shelf: Shelf, is_valid: bool) -> None:
    product = Product(id=77, eans=("4006381333931",), title="A thing", complete=is_valid)
    shelf.simulator.catalogue.add_product(product)

    reply = shelf.reply(ReadProduct(storefront="de", ean="4006381333931"))

    assert reply == Settled(answer=ProductFound(product_id=77, title="A thing", is_valid=is_valid))


def test_an_ean_that_the_catalogue_lacks_is_gone(shelf: Shelf) -> None:
    reply = shelf.reply(ReadProduct(storefront="de", ean="4006381333931"))

    assert reply == Settled(answer=Gone(http_status=404, message="Product not found"))


@pytest.mark.parametrize(
    ("storefront", "ean", "code"),
    [("xx", "4006381333931", "STOREFRONT_UNKNOWN"), ("de", "12345670", "VALUE_OUT_OF_BOUNDS")],
)
def test_what_the_catalogue_cannot_be_asked_for_is_refused_without_a_call(
    shelf: Shelf, storefront: str, ean: str, code: str
) -> None:
    reply = shelf.reply(ReadProduct(storefront=storefront, ean=ean))

    assert isinstance(reply, Settled)
    assert isinstance(reply.answer, Refused)
    assert (reply.answer.code, reply.answer.http_status) == (code, 0)
    assert shelf.simulator.journal.calls == ()


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ({"id_product": 7, "title": 3, "is_valid": "yes"}, ProductFound(product_id=7)),
        ({"id_product": 7, "unlisted": {}}, ProductFound(product_id=7)),
        ({"title": "no id"}, None),
        ([], None),
    ],
)
def test_a_product_is_what_its_id_says_even_if_the_rest_is_not_as_documented(
    body: object, found: ProductFound | None
) -> None:
    assert answers.product(orjson.dumps({"data": body})) == found
