"""Pages of lists: what is asked of them, and whether the list goes on after them."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from connector.kaufland.bodies.pagination import is_last_page
from connector.kaufland.http.exchange import ApiRequest
from connector.kaufland.orders import requests as order_requests
from connector.kaufland.returns import requests as return_requests
from connector.marketplace.orders import ReadOrderPage, ReadReturnPage
from tests.unit.connector.kaufland.api_document import DOCUMENT
from tests.unit.connector.kaufland.sold import CHANGED_US, order_unit, page


@pytest.mark.parametrize(
    ("path", "request_"),
    [
        ("/order-units", order_requests.order_page(ReadOrderPage(changed_from_us=CHANGED_US, offset=200))),
        ("/returns", return_requests.return_page(ReadReturnPage(changed_from_us=CHANGED_US, offset=200))),
    ],
)
def test_a_page_asks_for_all_storefronts_newest_change_first(path: str, request_: ApiRequest) -> None:
    parts = urlsplit(request_.target)

    assert (request_.method, parts.path, request_.body) == ("GET", path, b"")
    assert parse_qs(parts.query) == {
        "ts_updated_from_iso": ["2026-01-01T00:00:04Z"],
        "sort": ["ts_updated:desc"],
        "limit": ["100"],
        "offset": ["200"],
    }


@pytest.mark.parametrize("path", ["/order-units", "/returns"])
def test_the_api_leaves_out_its_own_fulfilment_by_default(path: str) -> None:
    described = {entry["name"]: entry for entry in DOCUMENT["paths"][path]["get"]["parameters"]}

    assert described["fulfillment_type"]["schema"]["default"] == ["fulfilled_by_merchant"]
    assert described["limit"]["schema"]["maximum"] == 100
    assert "ts_updated:desc" in described["sort"]["schema"]["enum"]
    assert not described["storefront"].get("required", False)


FULL = [order_unit(number) for number in range(1, 101)]


@pytest.mark.parametrize(
    ("answer", "is_last"),
    [
        (page(), True),
        (page(*FULL, total=100), True),
        (page(*FULL, total=101), False),
        (page(*FULL[:37], total=38), True),  # counted later than listed
        (page(total=50), True),
        (page(*FULL[:30], total=200), None),  # a short page that is not the last one: rows would be skipped
        (page(total=101), None),
        (page(*FULL, *FULL[:1]), None),
        (page(*FULL, offset=100, total=300), None),  # another page than requested
        ({"data": FULL}, False),
        ({"data": FULL[:99]}, True),
        ({"data": [*FULL, *FULL]}, None),
        ({"data": FULL, "pagination": {"offset": 0, "limit": 100, "total": "many"}}, None),
        ({"data": {}}, None),
        ({}, None),
        ([], None),
    ],
)
def test_pagination_shows_whether_a_page_is_the_last(answer: Any, is_last: bool | None) -> None:
    assert is_last_page(answer, 0) is is_last
