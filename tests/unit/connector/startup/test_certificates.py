"""The ends of the certificates that the settings name."""

from datetime import UTC, datetime
from pathlib import Path

from connector.settings import model
from connector.startup.certificates import certificates_end
from tests.harness.tls_certificates import CLIENT

EXPIRED = CLIENT.with_name("expired.pem")
IN_2025 = datetime(2025, 2, 1, tzinfo=UTC).timestamp()
IN_2126 = datetime(2126, 1, 1, tzinfo=UTC).timestamp()


def settings(folder: Path, *, ca: Path) -> model.Settings:
    chain = folder / "chain.pem"
    chain.write_text(EXPIRED.read_text() + CLIENT.read_text())
    return model.Settings(
        kafka=model.KafkaSettings(
            bootstrap_servers="b",
            group="g",
            start="latest",
            instance_id="i",
            properties={"ssl.ca.location": str(EXPIRED), "ssl.certificate.location": str(CLIENT)},
        ),
        registry=model.RegistrySettings(url="https://r", client_certificate_file=chain),
        http=model.HttpSettings(ca_file=ca),
        accounts={},
        targets={},
    )


def test_a_clients_own_certificate_counts_before_its_chain_and_the_last_of_several_cas(tmp_path: Path) -> None:
    both = tmp_path / "both.pem"
    both.write_text(EXPIRED.read_text() + CLIENT.read_text())

    assert certificates_end(settings(tmp_path, ca=both)) == {
        "http.ca_file": IN_2126,
        "registry.client_certificate_file": IN_2025,
        "kafka.properties.ssl.ca.location": IN_2025,
        "kafka.properties.ssl.certificate.location": IN_2126,
    }


def test_a_file_that_is_missing_or_no_certificate_has_no_end(tmp_path: Path) -> None:
    assert certificates_end(settings(tmp_path, ca=tmp_path / "missing"))["http.ca_file"] is None
    (tmp_path / "text").write_text("no certificate")
    assert certificates_end(settings(tmp_path, ca=tmp_path / "text"))["http.ca_file"] is None
