"""URLs of proxies, and which hosts are reached without one."""

from base64 import b64decode
from ipaddress import ip_address
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from streams.http.egress import Egress
from streams.http.proxy import NoProxy, parse_proxy

LABEL = st.from_regex(r"[a-z][a-z0-9-]{0,8}[a-z0-9]", fullmatch=True)
HOST = st.lists(LABEL, min_size=1, max_size=4).map(".".join)
PORT = st.integers(min_value=1, max_value=65535)


def test_a_password_is_not_shown() -> None:
    assert "s3cret" not in repr(parse_proxy("http://me:s3cret@proxy:3128"))


@given(host=HOST, port=PORT, user=st.text(max_size=8), password=st.text(max_size=8))
@example(host="proxy", port=3128, user="a@b", password="p:w/ä")
def test_a_url_is_parsed_to_what_it_was_made_of(host: str, port: int, user: str, password: str) -> None:
    proxy = parse_proxy(f"http://{quote(user, safe='')}:{quote(password, safe='')}@{host}:{port}")

    assert (proxy.host, proxy.port, proxy.user, proxy.password()) == (host, port, user, password)
    sent = proxy.authorization()
    assert sent is None if not user else b64decode((sent or "").removeprefix("Basic ")).decode() == f"{user}:{password}"


@given(st.text(max_size=40))
@example("http://[::1")
@example("http://me:s3cret@proxy:99999")
def test_any_other_text_is_refused_without_repeating_it(text: str) -> None:
    told = ""
    try:
        proxy = parse_proxy(text)
    except ValueError as refused:
        told = str(refused)
    else:
        assert proxy.host
        assert 0 < proxy.port < 2**16

    assert "s3cret" not in told
    assert not told or "expected http://HOST:PORT" in told


@pytest.mark.parametrize(
    "text",
    ["https://proxy:3128", "socks5://proxy:1080", "http://", "http://proxy/path", "http://proxy?x", "http://proxy:0"],
)
def test_what_is_no_http_proxy_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected http://HOST:PORT"):
        parse_proxy(text)


def test_a_proxy_may_be_written_without_a_scheme() -> None:
    proxy = parse_proxy("proxy.example:3128")

    assert (proxy.at, proxy.authorization()) == ("proxy.example:3128", None)


@pytest.mark.parametrize(
    ("entry", "host", "port", "covered"),
    [
        ("example.com", "example.com", 443, True),
        ("example.com", "api.example.com", 443, True),
        ("example.com", "badexample.com", 443, False),
        (".example.com", "api.example.com", 443, True),
        ("*.example.com", "api.example.com", 443, True),
        ("Example.COM", "API.example.com.", 443, True),
        ("example.com:8443", "example.com", 8443, True),
        ("example.com:8443", "example.com", 443, False),
        ("*", "anything", 1, True),
        ("10.0.0.0/8", "10.1.2.3", 443, True),
        ("10.0.0.0/8", "11.1.2.3", 443, False),
        ("10.0.0.0/8", "host.10.0.0.0", 443, False),
        ("127.0.0.1", "127.0.0.1", 443, True),
        ("::1", "::1", 443, True),
        ("[::1]:8443", "::1", 443, False),
        ("[::1]:8443", "::1", 8443, True),
        ("", "anything", 443, False),
    ],
)
def test_an_entry_covers_what_curl_and_go_read_from_it(entry: str, host: str, port: int, covered: bool) -> None:
    assert NoProxy.of([entry]).covers(host, port) is covered


@pytest.mark.parametrize(
    "entry", ["example.com:x", "example.com:0", "http://example.com", "a b", "10.0.0.0/99", "[::1"]
)
def test_an_entry_that_means_nothing_is_named(entry: str) -> None:
    with pytest.raises(ValueError, match=r"valid port|neither a host name"):
        NoProxy.of([entry])


@given(host=HOST, inner=LABEL, port=PORT)
def test_a_domain_covers_itself_and_its_subdomains_on_every_port(host: str, inner: str, port: int) -> None:
    exempt = NoProxy.of(["elsewhere.test", host])

    assert exempt.covers(host, port)
    assert exempt.covers(f"{inner}.{host}", port)
    assert not exempt.covers(f"{inner}{host}", port) or f"{inner}{host}".endswith("elsewhere.test")


@given(st.ip_addresses(), PORT)
def test_an_address_covers_itself_alone(address: object, port: int) -> None:
    text = str(address)
    exempt = NoProxy.of([text])

    assert exempt.covers(text, port)
    assert not exempt.covers(str(ip_address(text) + (1 if int(ip_address(text)) == 0 else -1)), port)


def test_only_https_goes_through_the_proxy() -> None:
    proxy = parse_proxy("proxy:3128")
    egress = Egress(proxy=proxy, no_proxy=NoProxy.of(["internal"]))

    assert egress.proxy_to("https", "api.example", 443) is proxy
    assert egress.proxy_to("http", "api.example", 80) is None
    assert egress.proxy_to("https", "registry.internal", 443) is None
    assert Egress().proxy_to("https", "api.example", 443) is None
