"""Checks the settings of connections to the broker, the registry and the marketplace: credentials, TLS files, proxies.

It reads the files that they name.
"""

import os
import re
import stat
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from connector.settings import model
from connector.settings.problems import SettingsProblem
from connector.settings.tables import PartialTable, Tables
from streams.http.proxy import NoProxy, parse_proxy
from streams.http.tls import TlsContext, TlsFiles


def connection_problems(tables: Tables) -> Iterator[SettingsProblem]:
    """Yields what prevents a start."""
    if http := tables.section(model.HttpSettings):
        yield from _http(http)
    if registry := tables.section(model.RegistrySettings):
        yield from _registry(registry)
    if kafka := tables.section(model.KafkaSettings):
        yield from _unverified(kafka)
    if traces := tables.section(model.TracesSettings):
        yield from _traces(traces.values)


def connection_notes(settings: model.Settings) -> Iterator[str]:
    """Yields what an operator should know of valid settings."""
    yield from _registry_notes(settings.registry)
    yield from _kafka_notes(settings.kafka)
    yield from _traces_notes(settings.traces)
    for setting, file in secret_files(settings):
        if note := _readers(file):
            yield f"{setting}: {note}"


def secret_files(settings: model.Settings) -> Iterator[tuple[str, Path]]:
    """Yields each setting that names a file with a secret, with the file; keys of simulators are none."""
    for name, account in settings.accounts.items():
        if not account.simulator:
            yield from _files(f"accounts.{name}", account, "client_key_file", "secret_key_file")
    yield from _files("http", settings.http, "proxy_password_file")
    yield from _files("registry", settings.registry, "client_key_file", "password_file", "token_file")
    if settings.registry.client_key_file is None:
        yield from _files("registry", settings.registry, "client_certificate_file")
    yield from _files("registry.oauth", settings.registry.oauth, "client_secret_file")
    yield from _files("traces", settings.traces, "headers_file")
    yield from _files("console", settings.console, "token_file")
    for name, file in settings.kafka.properties_from_files.items():
        yield f"kafka.properties_from_files.{name}", file
    for name in _KEY_FILES & settings.kafka.properties.keys():
        yield f"kafka.properties.{name}", Path(str(settings.kafka.properties[name]))


_KEY_FILES: Final = frozenset(
    {"ssl.key.location", "ssl.keystore.location", "sasl.oauthbearer.assertion.private.key.file"}
)
"""Properties of librdkafka that name a file with a private key."""


def _files(table: str, section: model.SettingsSection, *names: str) -> Iterator[tuple[str, Path]]:
    for name in names:
        if (file := getattr(section, name)) is not None:
            yield f"{table}.{name}", file


def _readers(file: Path) -> str:
    """Returns a note if a file may be read by more than its owner; "" if not, or if it cannot be looked at.

    The group is no note where another user owns the file: so Kubernetes gives secrets to a pod's group (fsGroup).
    """
    try:
        found = file.stat()
    except OSError:
        return ""
    others = stat.S_IRWXO | (stat.S_IRWXG if found.st_uid == os.geteuid() else 0)
    if not found.st_mode & others:
        return ""
    return (
        f"other users of this machine may read the secret in {file} (mode {stat.S_IMODE(found.st_mode):04o}). "
        "Remedy: chmod 600, or defaultMode 0440 of a Kubernetes volume"
    )


# ---- HTTP -----------------------------------------------------------------------------------------------------------


def _http(http: PartialTable[model.HttpSettings]) -> Iterator[SettingsProblem]:
    """Reports a proxy, a list of hosts, or a file of certificates that cannot be used."""
    values = http.values
    if values.proxy is not None and values.proxy != "none":
        try:
            parse_proxy(values.proxy)
        except ValueError as error:
            yield SettingsProblem(setting="http.proxy", message=f"{error}, or none")
    try:
        NoProxy.of(values.no_proxy)
    except ValueError as error:
        yield SettingsProblem(setting="http.no_proxy", message=str(error))
    if values.proxy_password_file is not None:
        yield from _unusable("http.proxy_password_file", values.proxy_password_file)
    yield from _certificates("http.ca_file", TlsFiles(ca=values.ca_file))


def _registry(registry: PartialTable[model.RegistrySettings]) -> Iterator[SettingsProblem]:
    """Reports files that cannot be used, incomplete credentials, and more than one kind of them."""
    values = registry.values
    for name in ("user_file", "password_file", "token_file"):
        if (file := getattr(values, name)) is not None:
            yield from _unusable(f"registry.{name}", file)
    if values.oauth.client_secret_file is not None:
        yield from _unusable("registry.oauth.client_secret_file", values.oauth.client_secret_file)
    if values.client_key_file is not None and values.client_certificate_file is None:
        yield SettingsProblem(setting="registry.client_key_file", message="needs client_certificate_file")
    else:
        files = TlsFiles(ca=values.ca_file, certificate=values.client_certificate_file, key=values.client_key_file)
        yield from _certificates("registry", files)
    if registry.has("url", "user", "user_file", "password_file", "password", "token_file", "oauth"):
        yield from _registry_credentials(values)


def _registry_credentials(values: model.RegistrySettings) -> Iterator[SettingsProblem]:
    oauth = values.oauth
    user = [name for name in ("user", "user_file") if getattr(values, name) is not None]
    password = [name for name in ("password", "password_file") if getattr(values, name) is not None]
    wanted = {"url": oauth.url, "client_id": oauth.client_id, "client_secret_file": oauth.client_secret_file}
    missing = [name for name, value in wanted.items() if value is None]
    kinds = {
        "user and password of the URL": "@" in values.url,
        "user and password": bool(user or password),
        "token_file": values.token_file is not None,
        "oauth": bool(oauth.model_fields_set),
    }
    given = [kind for kind, is_given in kinds.items() if is_given]
    if len(given) > 1:
        yield SettingsProblem(setting="registry", message=f"{' and '.join(given)} are set; expected one of them")
    if kinds["user and password"] and (len(user), len(password)) != (1, 1):
        message = f"{', '.join([*user, *password])}: expected one of user and user_file, and password_file"
        yield SettingsProblem(setting="registry", message=message)
    if "@" in (oauth.url or ""):
        message = "must not contain user or password; set client_id and client_secret_file"
        yield SettingsProblem(setting="registry.oauth.url", message=message)
    if kinds["oauth"] and missing:
        yield SettingsProblem(setting="registry.oauth", message=f"{', '.join(missing)} missing")


def _certificates(setting: str, files: TlsFiles) -> Iterator[SettingsProblem]:
    """Reports TLS files that cannot be used."""
    if files == TlsFiles():
        return
    try:
        TlsContext(files)
    except OSError as error:
        yield SettingsProblem(setting=setting, message=f"{error.filename!r} cannot be read: {error.strerror}")
    except ValueError as error:
        yield SettingsProblem(setting=setting, message=str(error))


def _unusable(setting: str, file: Path) -> Iterator[SettingsProblem]:
    """Reports a file with a secret that cannot be read."""
    yield from (SettingsProblem(setting=setting, message=message) for _, message in unreadable({setting: file}))


def unreadable(files: Mapping[str, Path]) -> Iterator[tuple[str, str]]:
    """Yields each property whose file cannot be read, and why."""
    for name, file in files.items():
        if not file.is_file():
            yield name, f"{str(file)!r} is not a file"
            continue
        try:
            file.read_text(encoding="utf-8")
        except OSError as error:
            yield name, f"{str(file)!r} cannot be read: {error.strerror}"
        except UnicodeDecodeError:
            yield name, f"{str(file)!r} is not text"


def _registry_notes(registry: model.RegistrySettings) -> Iterator[str]:
    """Warns of credentials that anyone between here and the registry can read."""
    address = urlsplit(registry.url)
    secrets = (address.password, registry.password, registry.password_file, registry.token_file, registry.oauth.url)
    if address.scheme == "http" and any(secret is not None for secret in secrets):
        yield "registry.url: the credentials are sent without TLS; anyone on the way can read them"
    oauth = registry.oauth.url
    if oauth is not None and urlsplit(oauth).scheme == "http":
        yield "registry.oauth.url: the client's secret is sent without TLS; anyone on the way can read it"


# ---- traces ---------------------------------------------------------------------------------------------------------


def headers_of(text: str) -> dict[str, str]:
    """Returns the headers of a file, one ``name: value`` on each line. Raises ValueError without repeating any."""
    headers: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        name, colon, value = (part.strip() for part in line.partition(":"))
        if not line.strip():
            continue
        if not colon or not value or not _HEADER_NAME.fullmatch(name):
            raise ValueError(f"line {number} is not a header; expected name: value")
        headers[name] = value
    return headers


_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def _traces(traces: model.TracesSettings) -> Iterator[SettingsProblem]:
    """Reports a collector that cannot be addressed, and packages that are missing."""
    address = urlsplit(traces.endpoint)
    if address.scheme not in ("http", "https") or not address.hostname:
        message = "expected the URL of a collector (OTLP over HTTP), such as http://localhost:4318/v1/traces"
        yield SettingsProblem(setting="traces.endpoint", message=message)
    if "@" in address.netloc:
        message = "must not contain user or password; write an Authorization header into headers_file"
        yield SettingsProblem(setting="traces.endpoint", message=message)
    if traces.headers_file is not None:
        problems = list(_unusable("traces.headers_file", traces.headers_file))
        yield from problems or _not_headers(traces.headers_file)
    if traces.enabled and not _can_trace():
        message = (
            "true, but the packages of OpenTelemetry are not installed: pip install "
            "'kaufland-stream-connector[traces]' (the image has them)"
        )
        yield SettingsProblem(setting="traces.enabled", message=message)


def _not_headers(file: Path) -> Iterator[SettingsProblem]:
    try:
        headers_of(file.read_text(encoding="utf-8"))
    except ValueError as error:
        yield SettingsProblem(setting="traces.headers_file", message=str(error))


def _can_trace() -> bool:
    try:
        return all(map(find_spec, ("opentelemetry.sdk.trace", "opentelemetry.exporter.otlp.proto.http")))
    except ModuleNotFoundError:
        return False


def _traces_notes(traces: model.TracesSettings) -> Iterator[str]:
    if traces.enabled and traces.headers_file is not None and urlsplit(traces.endpoint).scheme == "http":
        yield "traces.endpoint: the headers are sent without TLS; anyone on the way can read them"


# ---- Kafka ----------------------------------------------------------------------------------------------------------

_VERIFYING: Final[Mapping[str, tuple[str, ...]]] = {
    "enable.ssl.certificate.verification": ("true", "t", "1"),
    "ssl.endpoint.identification.algorithm": ("https",),
}
"""Properties of librdkafka that verify the broker, with the values that do. Any other value turns it off."""


def turned_off(kafka: model.KafkaSettings) -> list[str]:
    """Returns the properties that turn off the verification of the broker's certificate or name."""
    return [
        name
        for name, on in _VERIFYING.items()
        if _text(kafka.properties.get(name, on[0])) not in on or name in kafka.properties_from_files
    ]


def _text(written: object) -> str:
    return str(written).strip().lower()


def _unverified(kafka: PartialTable[model.KafkaSettings]) -> Iterator[SettingsProblem]:
    """Reports properties that turn verification off, unless the setting is there that allows it."""
    if kafka.values.allow_unverified_tls:
        return
    for name in turned_off(kafka.values):
        message = (
            "turns off the verification of the broker: whoever is on the way can read and change everything. Name the "
            "broker's CA in ssl.ca.location; only for a test, set kafka.allow_unverified_tls = true"
        )
        yield SettingsProblem(setting=f"kafka.properties.{name}", message=message)


def _kafka_notes(kafka: model.KafkaSettings) -> Iterator[str]:
    for name in turned_off(kafka):
        yield (
            f"kafka.properties.{name}: THE BROKER IS NOT VERIFIED: whoever is on the way can read and change "
            "everything. Remedy: remove it, and kafka.allow_unverified_tls"
        )
    protocol = _text(kafka.properties.get("security.protocol", "plaintext"))
    mechanism = _text(kafka.properties.get("sasl.mechanism", kafka.properties.get("sasl.mechanisms", "")))
    if protocol == "sasl_plaintext" and mechanism in ("plain", "oauthbearer"):
        yield (
            f"kafka.properties.security.protocol: {mechanism.upper()} without TLS sends the password or token as it "
            "is. Remedy: SASL_SSL"
        )
