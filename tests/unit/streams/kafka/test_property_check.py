"""Invalid client properties are found without a broker."""

from pathlib import Path
from typing import Any

import pytest

from streams.kafka.property_check import property_errors


def test_properties_that_the_client_takes_have_no_faults() -> None:
    sasl = {"security.protocol": "SASL_SSL", "sasl.mechanism": "SCRAM-SHA-512", "sasl.username": "me"}

    assert list(property_errors({})) == []
    assert list(property_errors({**sasl, "sasl.password": "secret", "fetch.min.bytes": 1, "linger.ms": 5})) == []


@pytest.mark.parametrize(
    ("properties", "name", "says"),
    [
        ({"sasl.mechanisn": "PLAIN"}, "sasl.mechanisn", 'No such configuration property: "sasl.mechanisn"'),
        ({"security.protocol": "SSLX"}, "security.protocol", 'Invalid value "SSLX"'),
        ({"message.max.bytes": 1}, "message.max.bytes", "outside allowed range"),
        ({"error_cb": "text"}, "error_cb", "expected error_cb property as a callable function"),
    ],
)
def test_a_property_that_the_client_refuses_is_named_with_the_clients_words(
    properties: dict[str, Any], name: str, says: str
) -> None:
    [(named, said)] = property_errors({"linger.ms": 5, **properties})

    assert named == name
    assert says in said


def test_every_misspelt_property_is_named_at_once() -> None:
    assert {name for name, _ in property_errors({"sasl.mechanisn": "PLAIN", "ssl.ca.locaton": "/x"})} == {
        "sasl.mechanisn",
        "ssl.ca.locaton",
    }


@pytest.mark.parametrize(
    ("properties", "says"),
    [
        ({"security.protocol": "SASL_SSL", "sasl.mechanism": "PLAIN"}, "sasl.username and sasl.password must be set"),
        ({"security.protocol": "SSL", "ssl.ca.location": "/no/such/file"}, "ssl.ca.location failed"),
    ],
)
def test_properties_that_conflict_with_each_other_are_all_named(properties: dict[str, Any], says: str) -> None:
    [(named, said)] = property_errors(properties)

    assert named == ""
    assert says in said
    assert "Failed to create" not in said


def test_a_file_that_is_no_certificate_is_found(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_text("no certificate")

    [(_, said)] = property_errors({"security.protocol": "SSL", "ssl.ca.location": str(file)})

    assert "ssl.ca.location" in said
