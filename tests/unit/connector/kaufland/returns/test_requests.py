"""Requests about returns: they name what they read, or are not sent."""

import pytest

from connector.kaufland.http.exchange import Unsendable
from connector.kaufland.returns import requests
from connector.marketplace.orders import ReadReturn


def test_a_return_is_read_with_its_units_and_without_a_body() -> None:
    request = requests.one_return(ReadReturn(return_id=7))

    assert (request.method, request.target, request.body) == ("GET", "/returns/7?embedded=return_units", b"")


@pytest.mark.parametrize("return_id", [0, -1, 2**63])
def test_a_number_that_is_no_return_id_does_not_leave(return_id: int) -> None:
    with pytest.raises(Unsendable):
        requests.one_return(ReadReturn(return_id=return_id))
