"""Validation of the authentication headers and the signature."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from simulator.exchange import HttpRequest
from simulator.problems import ProblemDetails
from simulator.signature import header_problem, sign, signature_problem

VECTORS: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "data" / "kaufland" / "signature-vectors.json").read_text("utf-8")
)
NOW_S = 1_760_000_000.9
SECRET = "s" * 64

HEADERS = {
    "host": "127.0.0.1:8080",
    "shop-client-key": "k" * 32,
    "shop-timestamp": "1760000000",
    "shop-signature": "0",
    "user-agent": "tests",
    "accept": "application/json",
}


def signed(request: HttpRequest) -> HttpRequest:
    signature = sign(SECRET, request.method, request.uri, request.body, request.headers["shop-timestamp"])
    return replace(request, headers={**request.headers, "shop-signature": signature})


def request(**headers: str) -> HttpRequest:
    return HttpRequest(method="GET", target="/v2/units?storefront=de", headers={**HEADERS, **headers})


def problem_of(sent: HttpRequest, *, window_s: int = 300, now_s: float = NOW_S) -> ProblemDetails | None:
    return header_problem(sent, now_s=now_s, clock_window_s=window_s)


@pytest.mark.parametrize("vector", VECTORS["vectors"], ids=lambda vector: vector["id"])
def test_gives_the_signature_of_every_vector(vector: dict[str, Any]) -> None:
    body = vector["body"].encode()

    made = sign(vector["secret_key"], vector["method"], vector["uri"], body, str(vector["timestamp"]))

    assert made == vector["signature"]


def test_a_right_signature_is_accepted() -> None:
    assert signature_problem(signed(request()), {"k" * 32: SECRET}) is None


@pytest.mark.parametrize(
    "changed",
    [
        {"method": "DELETE"},
        {"target": "/v2/units?storefront=at"},
        {"target": "/v2/units/?storefront=de"},
        {"body": b"{}"},
    ],
    ids=["method", "query", "trailing slash", "body"],
)
def test_a_signature_over_anything_else_is_refused(changed: dict[str, Any]) -> None:
    problem = signature_problem(replace(signed(request()), **changed), {"k" * 32: SECRET})

    assert problem is not None
    assert (problem.status, problem.type) == (401, "/problems/corrupted-signature")


def test_a_signature_for_another_host_is_refused() -> None:
    sent = signed(request())
    elsewhere = replace(sent, headers={**sent.headers, "host": "other:8080"})

    problem = signature_problem(elsewhere, {"k" * 32: SECRET})

    assert problem is not None
    assert problem.type == "/problems/corrupted-signature"


def test_a_signature_that_is_not_ascii_is_refused() -> None:
    problem = signature_problem(request(**{"shop-signature": "ä" * 64}), {"k" * 32: SECRET})

    assert problem is not None
    assert problem.type == "/problems/corrupted-signature"


def test_an_unknown_client_key_is_refused() -> None:
    problem = signature_problem(signed(request()), {"other": SECRET})

    assert problem is not None
    assert (problem.status, problem.type) == (401, "/problems/invalid-credentials")


@pytest.mark.parametrize("name", ["shop-client-key", "shop-timestamp", "shop-signature", "user-agent", "accept"])
def test_every_required_header_is_required(name: str) -> None:
    problem = problem_of(request(**{name: " "}))

    assert problem is not None
    assert problem.status == 401
    assert problem.type == "/problems/missing-or-invalid-request-header"
    assert [error.field.lower() for error in problem.errors] == [name]


@pytest.mark.parametrize("name", ["hm-client-key", "hm-timestamp", "hm-signature", "hm-storefront"])
def test_a_header_of_version_1_is_refused_even_beside_the_new_ones(name: str) -> None:
    problem = problem_of(request(**{name: "x"}))

    assert problem is not None
    assert problem.type == "/problems/missing-or-invalid-request-header"


@pytest.mark.parametrize(
    ("window_s", "skew_s", "accepted"),
    [
        (300, 300, True),
        (300, -300, True),
        (300, 301, False),
        (300, -301, False),
        (900, 900, True),
        (900, -900, True),
        (900, 901, False),
        (900, -901, False),
    ],
)
def test_the_clock_window_ends_after_its_last_whole_second(window_s: int, skew_s: int, accepted: bool) -> None:
    problem = problem_of(request(**{"shop-timestamp": str(int(NOW_S) + skew_s)}), window_s=window_s)

    assert (problem is None) == accepted


@pytest.mark.parametrize("timestamp", ["1760000000000", "1760000000.5", "soon", "-5", "1760000000" * 500, "١٧"])
def test_a_timestamp_that_is_not_whole_seconds_is_refused(timestamp: str) -> None:
    assert problem_of(request(**{"shop-timestamp": timestamp})) is not None


@pytest.mark.parametrize(
    ("accept", "accepted"),
    [
        ("application/json", True),
        ("Application/JSON; q=0.9, text/html", True),
        ("*/*", True),
        ("text/html", False),
        ("application/xml", False),
    ],
)
def test_the_caller_must_accept_json(accept: str, accepted: bool) -> None:
    assert (problem_of(request(accept=accept)) is None) == accepted


def test_a_body_must_be_declared_as_json() -> None:
    with_body = replace(request(), body=b"{}")
    declared = replace(with_body, headers={**HEADERS, "content-type": "application/json; charset=utf-8"})

    assert problem_of(with_body) is not None
    assert problem_of(declared) is None
