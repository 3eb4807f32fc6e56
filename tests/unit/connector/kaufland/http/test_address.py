"""The allow-list of base addresses."""

import pytest

from connector.kaufland.http.address import PLAYGROUND, PRODUCTION, address


def test_production_is_the_default_and_the_playground_that_of_its_mode() -> None:
    assert address().base == PRODUCTION
    assert address(playground=True).base == PLAYGROUND
    assert address(PLAYGROUND).base == PLAYGROUND
    assert address(PRODUCTION + "/").base == PRODUCTION


def test_the_playground_mode_refuses_the_address_of_production() -> None:
    with pytest.raises(ValueError, match="playground mode is on"):
        address(PRODUCTION, playground=True)


@pytest.mark.parametrize(
    "url",
    [
        "https://sellerapi.kaufland.de/v2",
        "http://sellerapi.kaufland.com/v2",
        "https://sellerapi.kaufland.com.evil.example/v2",
        "https://sellerapi.kaufland.com",
        "https://user@sellerapi.kaufland.com/v2",
        "http://127.0.0.1:8080/v2",
        "ftp://127.0.0.1",
        "nonsense",
        "http://[::1",
    ],
)
def test_no_other_address_is_allowed(url: str) -> None:
    with pytest.raises(ValueError, match=r"is not allowed; allowed are .*; to a simulator only with simulator = true"):
        address(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8080/v2",
        "http://localhost/v2",
        "http://[::1]:9/v2",
        "http://127.9.9.9",
        "http://simulator:80/v2",
        "https://localhost:8443/v2",
    ],
)
def test_a_simulator_nearby_is_allowed_for_development(url: str) -> None:
    assert address(url, dev=True).base.startswith(url.partition("//")[0])


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/v2",
        "http://10.0.0.1/v2",
        "https://10.0.0.1/v2",
        "ftp://127.0.0.1/v2",
        "http://u:p@127.0.0.1/v2",
        "http://127.0.0.1/v2?x=1",
        "http://127.0.0.1:99999/v2",
        "http://127.0.0.1.example.com/v2",
        "http://2130706433.com/",
    ],
)
def test_development_reaches_no_public_host(url: str) -> None:
    with pytest.raises(ValueError, match="is not allowed"):
        address(url, dev=True)


def test_an_address_allows_its_own_origin_alone() -> None:
    playground = address(playground=True)

    assert playground.allows("https", "sellerapi-playground.kaufland.com", None)
    assert playground.allows("https", "sellerapi-playground.kaufland.com", 443)
    assert not playground.allows("https", "sellerapi.kaufland.com", None)
    assert not playground.allows("http", "sellerapi-playground.kaufland.com", None)
    assert not playground.allows("https", "sellerapi-playground.kaufland.com", 8443)
