"""TLS files are read again when they change, and a file that cannot be used leaves the last context in use."""

import os
import shutil
import ssl
from pathlib import Path

import pytest

from streams.errors import SettingsError
from streams.http.secret_file import SecretFile
from streams.http.tls import TlsContext, TlsFiles
from tests.harness.tls_certificates import CA, CLIENT, OTHER_CA


def subjects(context: TlsContext) -> list[str]:
    """Returns the names of the trusted CAs."""
    return [str(row["subject"][0][0][1]) for row in context.current.get_ca_certs()]


def replaced(path: Path, content: bytes) -> None:
    """Replaces a file as a secret store does: by another one of the same name."""
    beside = path.with_suffix(".new")
    beside.write_bytes(content)
    os.replace(beside, path)


@pytest.fixture
def ca(tmp_path: Path) -> Path:
    return Path(shutil.copy(CA, tmp_path / "ca.pem"))


def test_a_file_replaces_the_shipped_certificates(ca: Path) -> None:
    assert subjects(TlsContext(TlsFiles(ca=ca))) == ["Test CA"]
    assert len(subjects(TlsContext())) > 100


def test_a_replaced_file_is_read_again(ca: Path) -> None:
    context = TlsContext(TlsFiles(ca=ca))
    before = context.current

    assert context.current is before
    replaced(ca, OTHER_CA.read_bytes())
    assert subjects(context) == ["Another test CA"]


def test_a_file_that_cannot_be_used_leaves_the_last_one_in_use_and_is_told(ca: Path) -> None:
    told: list[str] = []
    context = TlsContext(TlsFiles(ca=ca), told.append)

    replaced(ca, b"no certificate")
    assert subjects(context) == ["Test CA"]
    assert subjects(context) == ["Test CA"]
    assert "no CA certificates in PEM" in context.problem
    ca.unlink()
    assert subjects(context) == ["Test CA"]
    assert "No such file" in context.problem
    replaced(ca, OTHER_CA.read_bytes())
    assert subjects(context) == ["Another test CA"]
    assert context.problem == ""
    assert [bool(problem) for problem in told] == [True, True, False], "each change is told once"


def test_a_certificate_whose_key_comes_a_moment_later_is_used_then(tmp_path: Path, ca: Path) -> None:
    certificate, key = tmp_path / "client.crt", tmp_path / "client.key"
    certificate.write_bytes(CLIENT.read_bytes())
    key.write_bytes(CLIENT.read_bytes())
    context = TlsContext(TlsFiles(ca=ca, certificate=certificate, key=key))
    before = context.current

    replaced(key, CLIENT.with_name("server.pem").read_bytes())
    assert context.current is before
    assert "no client certificate with its key" in context.problem
    replaced(certificate, CLIENT.with_name("server.pem").read_bytes())
    assert context.current is not before
    assert context.problem == ""


def test_a_file_that_becomes_readable_without_being_written_is_used(ca: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context = TlsContext(TlsFiles(ca=ca))
    before = context.current

    def forbidden(**_: object) -> ssl.SSLContext:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patched:  # root, who runs tests in containers, may read whatever the mode
        patched.setattr(ssl, "create_default_context", forbidden)
        replaced(ca, OTHER_CA.read_bytes())
        assert context.current is before
        assert "Permission denied" in context.problem

    assert subjects(context) == ["Another test CA"]
    assert context.problem == ""


@pytest.mark.parametrize("content", ["", "no PEM", "-----BEGIN ENCRYPTED PRIVATE KEY-----"])
def test_files_that_cannot_be_used_are_named(tmp_path: Path, content: str) -> None:
    wrong = tmp_path / "wrong.pem"
    wrong.write_text(content)

    with pytest.raises(ValueError, match=r"wrong\.pem: no CA certificates in PEM"):
        TlsContext(TlsFiles(ca=wrong))
    with pytest.raises(ValueError, match=r"wrong\.pem: no client certificate with its key in PEM"):
        TlsContext(TlsFiles(certificate=wrong))


def test_a_secret_is_read_whenever_it_is_needed_and_the_last_one_stays_while_there_is_none(tmp_path: Path) -> None:
    file, learned = tmp_path / "password", list[str]()
    file.write_text(" first\n")
    secret = SecretFile(file, learned.extend)

    file.write_text("second")
    assert secret.read() == "second"
    file.write_text("\n")
    assert secret.read() == "second"
    file.unlink()
    assert secret.read() == "second"
    assert learned == ["first", "second"]
    with pytest.raises(SettingsError, match="cannot be read"):
        SecretFile(file)
