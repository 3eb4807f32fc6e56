"""The signature: published and derived test vectors, and that every changed byte changes it."""

import base64
import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.kaufland.http.signing import sign
from tests.unit.connector.kaufland.independent_check import faults_of

VECTORS: dict[str, Any] = json.loads((Path(__file__).parents[4] / "data/kaufland/signature-vectors.json").read_text())
BY_ID = {vector["id"]: vector for vector in VECTORS["vectors"]}

ascii_text = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40)


def signature(vector: dict[str, Any], **changed: Any) -> str:
    """Returns the signature of a test vector with some parts changed."""
    parts = {**vector, **changed}
    return sign(
        parts["secret_key"],
        method=parts["method"],
        uri=parts["uri"],
        body=parts["body"].encode(),
        timestamp_s=parts["timestamp"],
    )


@pytest.mark.parametrize("vector", VECTORS["vectors"], ids=lambda v: v["id"])
def test_every_vector_is_signed_as_it_was_published(vector: dict[str, Any]) -> None:
    assert signature(vector) == vector["signature"]


def test_a_partner_signs_the_same_text_with_its_own_secret() -> None:
    (vector,) = [v for v in VECTORS["vectors"] if "partner_signature" in v]

    assert signature(vector, secret_key=vector["partner_secret_key"]) == vector["partner_signature"]


@pytest.mark.parametrize("negative", VECTORS["negative"], ids=lambda n: n["id"])
def test_a_signature_made_another_way_is_not_ours(negative: dict[str, Any]) -> None:
    vector = BY_ID[negative["based_on"]]

    assert signature(vector) == negative["must_not_equal"]
    assert signature(vector) != negative["signature"]


def test_a_signature_over_a_body_digest_and_content_type_is_refused() -> None:
    vector = BY_ID["derived-patch-unit"]
    digest = hashlib.md5(vector["body"].encode()).hexdigest()
    text = "\n".join((vector["method"], vector["uri"], digest, "application/json", str(vector["timestamp"])))
    of_that_recipe = hmac.new(vector["secret_key"].encode(), text.encode(), hashlib.sha256).hexdigest()

    faults = faults_of(
        method=vector["method"],
        scheme="https",
        target=vector["uri"].removeprefix("https://sellerapi.kaufland.com"),
        headers={
            "host": "sellerapi.kaufland.com",
            "shop-client-key": vector["client_key"],
            "shop-timestamp": str(vector["timestamp"]),
            "shop-signature": of_that_recipe,
            "user-agent": "x",
            "accept": "application/json",
            "content-type": "application/json",
        },
        body=vector["body"].encode(),
        client_key=vector["client_key"],
        secret_key=vector["secret_key"],
        now_s=vector["timestamp"],
    )

    assert faults == ["signature"]
    assert signature(vector) != of_that_recipe


def test_the_signature_is_lower_case_hex_and_not_base64() -> None:
    vector = BY_ID["published-rest-api-units-post"]

    assert signature(vector) == signature(vector).lower()
    assert base64.b64decode(vector["signature_base64"]).hex() == signature(vector)


@given(
    secret=ascii_text,
    method=st.sampled_from(["get", "GET", "PATCH", "POST"]),
    path=ascii_text,
    body=st.binary(max_size=200),
    at=st.integers(0, 2**33),
)
def test_the_independent_check_accepts_every_signature(
    secret: str, method: str, path: str, body: bytes, at: int
) -> None:
    signed = sign(secret, method=method, uri=f"https://host/{path}", body=body, timestamp_s=at)

    faults = faults_of(
        method=method.upper(),
        scheme="https",
        target=f"/{path}",
        headers={
            "host": "host",
            "shop-client-key": "k",
            "shop-timestamp": str(at),
            "shop-signature": signed,
            "user-agent": "x",
            "accept": "application/json",
            "content-type": "application/json",
        },
        body=body,
        client_key="k",
        secret_key=secret,
        now_s=at,
    )

    assert faults == []


@given(body=st.binary(min_size=1, max_size=60), place=st.integers(0, 59), at=st.integers(0, 2**33))
def test_one_changed_byte_anywhere_changes_the_signature(body: bytes, place: int, at: int) -> None:
    place %= len(body)
    tampered = body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :]
    parts: dict[str, Any] = {"method": "POST", "uri": "https://host/v2/units/bulk?storefront=de"}
    plain = sign("secret", **parts, body=body, timestamp_s=at)

    assert plain != sign("secret", **parts, body=tampered, timestamp_s=at)
    assert plain != sign("secret", **parts, body=body, timestamp_s=at + 1)
    assert plain != sign("secreT", **parts, body=body, timestamp_s=at)
    assert plain != sign("secret", method="PATCH", uri=parts["uri"], body=body, timestamp_s=at)
    assert plain != sign("secret", method="POST", uri=parts["uri"] + "&x=1", body=body, timestamp_s=at)
