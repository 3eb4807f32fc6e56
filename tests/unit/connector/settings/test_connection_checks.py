"""Settings of connections: incomplete credentials, TLS that is not verified, files that others may read."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import get_args, get_origin

import pytest

from connector.settings import connection_checks
from connector.settings.model import Settings, SettingsSection
from tests.harness.tls_certificates import CA, CLIENT
from tests.unit.connector.settings.test_load import MINIMAL, folder, problems, read

__all__ = ["folder"]  # the fixture


def with_registry(text: str, url: str = "https://registry:8081") -> str:
    return MINIMAL.replace('url = "http://127.0.0.1:8081"', f'url = "{url}"\n{text}')


def private(path: Path, content: str = "s3cret") -> Path:
    path.write_text(content)
    path.chmod(0o600)
    return path


def notes(folder: Path, text: str, about: str, environ: Mapping[str, str] | None = None) -> list[str]:
    for key in ("client_key", "secret_key"):
        (folder / key).chmod(0o600)
    return [line for line in read(folder, text, environ).warnings if line.startswith(about)]


# ---- the registry ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('user = "me"', "registry: user: expected one of user and user_file, and password_file"),
        ('password_file = "secret"', "registry: password_file: expected one of"),
        ('user = "me"\nuser_file = "secret"\npassword_file = "secret"', "registry: user, user_file, password_file:"),
        ('user = "me"\npassword_file = "secret"\ntoken_file = "secret"', "registry: user and password and token_file"),
        ('oauth = { url = "https://idp" }', "registry.oauth: client_id, client_secret_file missing"),
        ('oauth = { url = "https://me:s3cret@idp" }', "registry.oauth.url: must not contain user or password"),
        ('password_file = "nowhere"\nuser = "me"', "registry.password_file: "),
        ('token_file = "nowhere"', "registry.token_file: "),
        ('client_key_file = "secret"', "registry.client_key_file: needs client_certificate_file"),
        ('client_certificate_file = "secret"', "registry: "),
        ('ca_file = "nowhere.pem"', "registry: "),
        ('password = "s3cret"\nuser = "me"', "registry.password: a secret must not be in this file"),
    ],
)
def test_credentials_that_cannot_be_used_are_named(folder: Path, text: str, told: str) -> None:
    private(folder / "secret")

    found = problems(folder, with_registry(text))

    assert [line for line in found if line.startswith(told)]
    assert "s3cret" not in str(found)


def test_a_password_in_the_url_and_another_one_are_too_many(folder: Path) -> None:
    private(folder / "secret")
    environ = {"CONNECTOR__REGISTRY__URL": "https://me:s3cret@registry"}

    [problem] = problems(folder, with_registry('token_file = "secret"'), environ)

    assert problem == "registry: user and password of the URL and token_file are set; expected one of them"


@pytest.mark.parametrize(
    "text",
    [
        'user = "me"\npassword_file = "secret"',
        'user_file = "secret"\npassword_file = "secret"',
        'token_file = "secret"',
        'oauth = { url = "https://idp", client_id = "me", client_secret_file = "secret", scope = "read" }',
        f'ca_file = "{CA}"\nclient_certificate_file = "{CLIENT}"',
        f'ca_file = "{CA}"\nclient_certificate_file = "{CLIENT}"\nclient_key_file = "{CLIENT}"\ntoken_file = "secret"',
    ],
)
def test_credentials_that_are_complete_are_accepted(folder: Path, text: str) -> None:
    private(folder / "secret")

    assert notes(folder, with_registry(text), "registry.url") == []


@pytest.mark.parametrize("kind", ["token_file", "password_file"])
def test_credentials_without_tls_are_noted(folder: Path, kind: str) -> None:
    private(folder / "secret")
    text = f'{kind} = "secret"' + ('\nuser = "me"' if kind == "password_file" else "")

    [note] = notes(folder, with_registry(text, "http://registry"), "registry.url")

    assert "without TLS" in note


def test_a_token_endpoint_without_tls_is_noted(folder: Path) -> None:
    private(folder / "secret")
    text = 'oauth = { url = "http://idp", client_id = "me", client_secret_file = "secret" }'

    [note] = notes(folder, with_registry(text), "registry.oauth.url")

    assert "without TLS" in note


# ---- the broker -----------------------------------------------------------------------------------------------------

OFF = [
    ("enable.ssl.certificate.verification", "false"),
    ("enable.ssl.certificate.verification", False),
    ("ssl.endpoint.identification.algorithm", "none"),
]


def kafka(properties: Mapping[str, object], more: str = "") -> str:
    pairs = ", ".join(f'"{name}" = {_toml(value)}' for name, value in properties.items())
    return MINIMAL.replace("[registry]", f"properties = {{ {pairs} }}\n{more}\n[registry]")


def _toml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else f'"{value}"'


@pytest.mark.parametrize(("name", "value"), OFF)
def test_verification_of_the_broker_is_turned_off_only_by_a_setting_that_says_so(
    folder: Path, name: str, value: object
) -> None:
    [refused] = problems(folder, kafka({name: value}))
    [noted] = notes(folder, kafka({name: value}, "allow_unverified_tls = true"), f"kafka.properties.{name}")

    assert refused.startswith(f"kafka.properties.{name}: turns off the verification of the broker")
    assert "allow_unverified_tls = true" in refused
    assert "THE BROKER IS NOT VERIFIED" in noted


def test_verification_cannot_be_turned_off_from_a_file_either(folder: Path) -> None:
    private(folder / "off", "none")
    text = MINIMAL.replace(
        "[registry]", 'properties_from_files = { "ssl.endpoint.identification.algorithm" = "off" }\n[registry]'
    )

    assert any("turns off the verification" in line for line in problems(folder, text))


@pytest.mark.parametrize("value", [True, "true", "True", "1"])
def test_verification_that_is_on_is_no_problem(folder: Path, value: object) -> None:
    on = {"enable.ssl.certificate.verification": value, "ssl.endpoint.identification.algorithm": "https"}

    assert notes(folder, kafka(on), "kafka") == []


def test_a_password_that_travels_without_tls_is_noted(folder: Path) -> None:
    plain = {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN", "sasl.username": "me"}

    private(folder / "secret")
    from_file = 'properties_from_files = { "sasl.password" = "secret" }'

    [note] = notes(folder, kafka(plain, from_file), "kafka.properties.security.protocol")

    assert note.startswith("kafka.properties.security.protocol: PLAIN without TLS sends the password")


# ---- files ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o602, 0o666])
def test_a_file_with_a_secret_that_others_may_read_is_noted(folder: Path, mode: int) -> None:
    private(folder / "secret").chmod(mode)

    [note] = notes(folder, with_registry('token_file = "secret"'), "registry.token_file")

    assert f"mode {mode:04o}" in note
    assert "Remedy: chmod 600" in note
    assert "s3cret" not in note


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_file_that_only_its_owner_reads_is_fine(folder: Path, mode: int) -> None:
    private(folder / "secret").chmod(mode)

    assert notes(folder, with_registry('token_file = "secret"'), "registry.token_file") == []


def test_a_file_of_another_owner_may_be_read_by_the_group(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = private(folder / "secret")
    monkeypatch.setattr(os, "geteuid", lambda: file.stat().st_uid + 1)

    file.chmod(0o440)
    assert notes(folder, with_registry('token_file = "secret"'), "registry.token_file") == []
    file.chmod(0o444)
    assert notes(folder, with_registry('token_file = "secret"'), "registry.token_file") != []


def test_every_file_with_a_secret_is_looked_at(folder: Path) -> None:
    files = {name: private(folder / name) for name in ("token", "proxy", "sasl")}
    for file in (*files.values(), folder / "client_key", folder / "secret_key"):
        file.chmod(0o644)
    text = with_registry('token_file = "token"\n[http]\nproxy_password_file = "proxy"')
    kafka_file = 'properties_from_files = { "sasl.password" = "sasl" }'
    text = text.replace("[registry]", f"{kafka_file}\n[registry]")

    noted = {line.partition(":")[0] for line in read(folder, text).warnings if "may read the secret" in line}

    assert noted == {
        "accounts.main.client_key_file",
        "accounts.main.secret_key_file",
        "http.proxy_password_file",
        "kafka.properties_from_files.sasl.password",
        "registry.token_file",
    }


def files_of(section: type[SettingsSection], table: str = "") -> Iterator[str]:
    """Yields each setting that names a file."""
    for name, field in section.model_fields.items():
        kinds = [field.annotation, *get_args(field.annotation)]
        tables = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, SettingsSection)]
        each = "main." if get_origin(field.annotation) is Mapping else ""  # of the table's name, such as an account's
        yield from (one for kind in tables for one in files_of(kind, f"{table}{name}.{each}"))
        if Path in kinds:
            yield f"{table}{name}"


def test_every_setting_that_names_a_file_with_a_secret_is_known(folder: Path) -> None:
    open_files = {
        "http.ca_file",
        "registry.ca_file",
        "registry.client_certificate_file",  # it is one if no other file has its key
        "registry.user_file",
        "shipments.carriers_file",
        "mappings.reference_file",
        "mappings.overrides_file",
        "mappings.rates_file",
        "targets.main.allow_eans_file",
        "targets.main.create.eans_file",
        "console.projection",
    }
    named = set(files_of(Settings)) - {"kafka.properties_from_files"}
    file = private(folder / "secret")
    settings = read(folder, MINIMAL).settings
    given = {
        "http": settings.http.model_copy(update={"proxy_password_file": file}),
        "registry": settings.registry.model_copy(
            update={
                **dict.fromkeys(("client_key_file", "password_file", "token_file"), file),
                "oauth": settings.registry.oauth.model_copy(update={"client_secret_file": file}),
            }
        ),
        "traces": settings.traces.model_copy(update={"headers_file": file}),
        "console": settings.console.model_copy(update={"token_file": file}),
    }

    known = {name for name, _ in connection_checks.secret_files(settings.model_copy(update=given))}

    assert known == named - open_files


def test_a_private_key_for_the_broker_is_looked_at(folder: Path) -> None:
    file = private(folder / "key")
    file.chmod(0o644)

    [note] = notes(folder, kafka({"ssl.key.location": str(file)}), "kafka.properties.ssl.key.location")

    assert "may read the secret" in note


def test_keys_of_a_simulator_are_no_secrets(folder: Path) -> None:
    text = MINIMAL.replace(
        'secret_key_file = "secret_key"',
        'secret_key_file = "secret_key"\nsimulator = true\nbase_url = "http://sim:1/v2"',
    )

    assert not [line for line in read(folder, text).warnings if "may read the secret" in line]


# ---- traces ---------------------------------------------------------------------------------------------------------


def with_traces(text: str) -> str:
    return f"{MINIMAL}\n[traces]\n{text}"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('endpoint = "collector:4318"', "traces.endpoint: expected the URL of a collector"),
        ('endpoint = "https://me:s3cret@collector/v1/traces"', "traces.endpoint: must not contain user or password"),
        ('headers_file = "nowhere"', "traces.headers_file: "),
        ('headers_file = "secret"', "traces.headers_file: line 1 is not a header; expected name: value"),
        ("ratio = 1.5", "traces.ratio"),
    ],
)
def test_a_collector_that_cannot_be_used_is_named(folder: Path, text: str, told: str) -> None:
    private(folder / "secret")

    found = problems(folder, with_traces(text))

    assert [line for line in found if line.startswith(told)]
    assert "s3cret" not in str(found)


def test_tracing_without_its_packages_is_refused_with_what_to_install(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent(name: str) -> None:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(connection_checks, "find_spec", absent)

    [problem] = problems(folder, with_traces("enabled = true"))

    assert problem.startswith("traces.enabled: true, but the packages of OpenTelemetry are not installed: pip install")
    assert read(folder, MINIMAL).settings.traces.enabled is False, "without tracing, they are not missed"


@pytest.mark.parametrize(
    ("environ", "endpoint", "source"),
    [
        ({}, "http://localhost:4318/v1/traces", None),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "https://c:1/otlp/"}, "https://c:1/otlp/v1/traces", "_ENDPOINT"),
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "https://c:1", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://t:2/own"},
            "https://t:2/own",
            "_TRACES_ENDPOINT",
        ),
    ],
)
def test_the_usual_variables_name_the_collector(
    folder: Path, environ: Mapping[str, str], endpoint: str, source: str | None
) -> None:
    loaded = read(folder, with_traces("enabled = true"), environ)

    assert loaded.settings.traces.endpoint == endpoint
    assert loaded.sources.get("traces.endpoint") == (source and f"OTEL_EXPORTER_OTLP{source}")
    set_here = read(folder, with_traces('endpoint = "http://here:4318/v1/traces"'), environ)
    assert set_here.settings.traces.endpoint == "http://here:4318/v1/traces"


def test_headers_without_tls_and_a_file_that_others_may_read_are_told(folder: Path) -> None:
    private(folder / "headers", "Authorization: Bearer s3cret\n\nX-Tenant: shop\n").chmod(0o644)

    told = notes(folder, with_traces('enabled = true\nheaders_file = "headers"'), "traces.")

    assert [line.partition(": ")[0] for line in told] == ["traces.endpoint", "traces.headers_file"]
    assert "s3cret" not in str(told)
