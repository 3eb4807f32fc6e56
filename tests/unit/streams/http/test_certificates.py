"""The end of a certificate is read from PEM files, and nothing else is taken for one."""

import ssl
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.http.certificates import ends
from tests.harness.tls_certificates import CA, CLIENT

EXPIRED = CLIENT.with_name("expired.pem")


def test_the_end_of_each_certificate_is_read_in_the_order_of_the_file() -> None:
    client, expired = datetime(2126, 1, 1, tzinfo=UTC), datetime(2025, 2, 1, tzinfo=UTC)

    assert ends(CLIENT.read_text()) == (client,)
    assert ends(f"a comment\n{EXPIRED.read_text()}{CLIENT.read_text()}") == (expired, client)
    assert ends("no certificate") == ()


@given(size=st.integers(0, 2_000), flipped=st.integers(0, 2_000), bits=st.integers(1, 255))
def test_a_damaged_certificate_raises_nothing_but_value_error(size: int, flipped: int, bits: int) -> None:
    der = bytearray(ssl.PEM_cert_to_DER_cert(CA.read_text()[CA.read_text().index("-----BEGIN CERT") :]))
    der[flipped % len(der)] ^= bits

    for damaged in (bytes(der), bytes(der[:size])):
        try:
            found = ends(ssl.DER_cert_to_PEM_cert(damaged))
        except ValueError:
            continue
        assert len(found) <= 1


def test_a_certificate_that_is_cut_off_is_named_as_damaged() -> None:
    der = ssl.PEM_cert_to_DER_cert(CA.read_text()[CA.read_text().index("-----BEGIN CERT") :])

    with pytest.raises(ValueError, match=r"X\.509"):
        ends(ssl.DER_cert_to_PEM_cert(der[:60]))
