"""No part of an address that may be a secret is printed: of every setting that is one."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from pydantic import BaseModel

from connector import configuration
from connector.kaufland.http.address import address
from connector.settings import model
from connector.settings.problems import row_of
from connector.settings.show import masked
from streams.http.address_secrets import secrets_of, without_secrets
from tests.unit.connector.settings.test_load import MINIMAL, problems, read

QUERY = "?api-key=canary-0123456789&x=1"
SHOWN: Mapping[str, str] = {
    "registry.url": f"https://:canary-0@registry.test/apis{QUERY}",
    "registry.oauth.url": f"https://idp.test/token{QUERY}",
    "http.proxy": "http://me:canary-0@proxy.test:3128",
    "push.public_url": f"https://hooks.test/kaufland{QUERY}",
    "traces.endpoint": f"https://collector.test/v1/traces{QUERY}",
}
"""The settings whose value may have a secret, each with one."""
REFUSED: Mapping[str, str] = {
    "accounts.main.base_url": f"https://canary-0@sellerapi.kaufland.test/v2{QUERY}",
    "http.proxy": f"http://proxy.test:3128/{QUERY}",
    "registry.oauth.url": f"ftp://canary-0@idp.test/{QUERY}",
    "registry.url": f"ftp://canary-0@registry.test/{QUERY}",
    "push.public_url": f"hooks.test:canary-0@x{QUERY}",
    "traces.endpoint": f"https://canary-0@collector.test{QUERY}",
}
"""The same settings with an address that is refused with a message."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("client_key", "secret_key"):
        (tmp_path / name).write_text("0" * (32 if name == "client_key" else 64))
    return tmp_path


def variable(setting: str) -> str:
    return "__".join(["CONNECTOR", *setting.split(".")]).upper()


def address_settings(section: type[BaseModel], path: tuple[str, ...] = ()) -> Iterator[str]:
    """Yields the settings that are addresses by their name; of a table of accounts, those of one of them."""
    for name, field in section.model_fields.items():
        inner = row_of(field.annotation)
        rows = [*getattr(inner, "__args__", ()), inner]
        for table in (one for one in rows if isinstance(one, type) and issubclass(one, BaseModel)):
            yield from address_settings(table, (*path, name, *(("main",) if len(rows) > 1 else ())))
        if name in ("proxy", "endpoint") or name.endswith("url"):
            yield ".".join((*path, name))


def test_every_setting_that_is_an_address_is_tried_here() -> None:
    assert set(address_settings(model.Settings)) == SHOWN.keys() | REFUSED.keys()


@pytest.mark.parametrize("setting", SHOWN)
def test_an_address_is_shown_without_its_secrets_and_the_log_knows_them(folder: Path, setting: str) -> None:
    url = SHOWN[setting]
    (folder / "client_secret").write_text("s3cret")
    oauth = {"CLIENT_ID": "me", "CLIENT_SECRET_FILE": str(folder / "client_secret")}
    further = {f"CONNECTOR__REGISTRY__OAUTH__{name}": value for name, value in oauth.items()}
    environ = {variable(setting): url, **(further if setting == "registry.oauth.url" else {})}
    settings = read(folder, environ=environ).settings
    told = " ".join(configuration.addresses(settings))

    shown = dict(masked(settings))[setting]

    assert url in told
    assert "canary" not in shown
    assert "***" in shown
    for secret in secrets_of(url):
        url = url.replace(secret, "")
    assert "canary" not in url


@pytest.mark.parametrize("setting", REFUSED)
def test_an_address_that_is_refused_is_repeated_without_its_secrets(folder: Path, setting: str) -> None:
    found = problems(folder, MINIMAL, {variable(setting): REFUSED[setting]})

    assert any(line.startswith(setting) for line in found), found
    assert "canary" not in str(found)


@pytest.mark.parametrize("at", ["https://canary-0@h.test/v2", f"https://h.test/v2{QUERY}", "http://a:canary-0@h/v2"])
def test_a_refused_address_of_the_marketplace_is_repeated_without_its_secrets(at: str) -> None:
    with pytest.raises(ValueError, match="is not allowed") as refused:
        address(at, dev=True)

    assert "canary" not in str(refused.value)


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("https://h.test/v1?key=canary", "https://h.test/v1?***"),
        ("https://h.test#canary", "https://h.test?***"),
        ("https://canary@h.test/v1", "https://***@h.test/v1"),
        ("https://me:canary@h.test/v1?key=canary", "https://me:***@h.test/v1?***"),
        ("https://h.test:8080/v1?mail=a@b", "https://h.test:***@b"),
        ("h.test/v1?key=canary", "h.test/v1?***"),
        ("is this a question?", "is this a question?"),
        ("https://h.test/v1", "https://h.test/v1"),
    ],
)
def test_what_is_shown_of_an_address(written: str, shown: str) -> None:
    assert without_secrets(written) == shown


def test_ordinary_words_of_a_query_stay_in_the_log() -> None:
    assert set(secrets_of("https://h.test/?tenant=shop")) == {"tenant=shop"}
    assert set(secrets_of("http://[")) == set()
