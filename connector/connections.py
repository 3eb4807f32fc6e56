"""Creates clients from the settings: for the broker, the schema registry and the marketplace.

Nothing is opened on import.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import structlog

from connector.configuration import base_address
from connector.contracts.topics import Feature
from connector.kaufland.http.credentials import Credentials
from connector.kaufland.reference import load_reference
from connector.logs import SCRUBBER
from connector.settings import convert, model
from connector.settings.connection_checks import headers_of
from connector.settings.load import KeySource, key_sources
from connector.settings.model import Settings
from streams.clock import SystemClock
from streams.errors import SettingsError
from streams.http.egress import Egress
from streams.http.failures import connect_failure
from streams.http.proxy import HttpProxy, NoProxy, parse_proxy
from streams.http.secret_file import SecretFile
from streams.http.tls import TlsContext, TlsFiles
from streams.kafka.admin import ClusterAdmin
from streams.kafka.log_reader import LogReader
from streams.kafka.produce_once import RecordWriter, produce_record
from streams.kafka.registry import RegistryClient
from streams.kafka.settings import KafkaConnection
from streams.kafka.table import CompactedTable

_log = structlog.get_logger("connector")

if TYPE_CHECKING:  # most commands call no marketplace, and importing the adapter takes a while
    import httpx

    from connector.kaufland.account import KauflandAccount
    from connector.kaufland.adapter import Kaufland
    from connector.kaufland.call_log import CallLog
    from connector.kaufland.call_options import UpdateMode


def connection(configured: Settings) -> KafkaConnection:
    """Returns the connection settings of all Kafka clients; properties from files are read for each client."""
    kafka = configured.kafka
    from_files = {name: SecretFile(file, SCRUBBER.learn).read for name, file in kafka.properties_from_files.items()}
    return KafkaConnection(
        bootstrap_servers=kafka.bootstrap_servers,
        client_id=kafka.instance_id,
        properties=kafka.properties,
        from_files=from_files,
    )


def administration(configured: Settings) -> ClusterAdmin:
    """Returns the client that describes and creates topics."""
    return ClusterAdmin(connection(configured).admin(), describes=configured.kafka.topic_ids)


REGISTERING_S: Final = 60.0
"""A registry compares a schema with every earlier version and writes it to its own storage before it answers."""


def registry(configured: Settings, *, at_least_s: float = 0.0) -> RegistryClient:
    """Returns the schema registry's client. Raises SettingsError for a file that has become unreadable.

    ``at_least_s``: how long it waits for each answer, if the setting says less.
    """
    settings = configured.registry
    timeout_s = max(settings.timeout, at_least_s)
    if not {"https"} & {urlsplit(url or "").scheme for url in (settings.url, settings.oauth.url)}:
        return RegistryClient(settings.url, timeout_s=timeout_s, auth=_registry_auth(settings, Egress))
    files = TlsFiles(
        ca=settings.ca_file or configured.http.ca_file,
        certificate=settings.client_certificate_file,
        key=settings.client_key_file,
    )
    way = _egress(configured.http, files)
    return RegistryClient(settings.url, timeout_s=timeout_s, egress=way, auth=_registry_auth(settings, lambda: way))


def _registry_auth(settings: model.RegistrySettings, way: Callable[[], Egress]) -> "httpx.Auth | None":
    """Returns how requests to the registry are authenticated; None if by the URL, or not at all."""
    from streams.http.authentication import OAuthBearerAuth, RereadBasicAuth, RereadBearerAuth
    from streams.http.oauth import OAuthClient, OAuthTokens

    if settings.token_file is not None:
        return RereadBearerAuth(SecretFile(settings.token_file, SCRUBBER.learn).read)
    oauth = settings.oauth
    if oauth.url is not None and oauth.client_id is not None and oauth.client_secret_file is not None:
        secret = SecretFile(oauth.client_secret_file, SCRUBBER.learn).read
        client = OAuthClient(url=oauth.url, client_id=oauth.client_id, secret=secret, scope=oauth.scope)
        return OAuthBearerAuth(OAuthTokens(client, way(), timeout_s=settings.timeout, learn=SCRUBBER.learn))
    if settings.user is None and settings.user_file is None:
        return None
    return RereadBasicAuth(
        _fixed(settings.user or "") if settings.user_file is None else SecretFile(settings.user_file).read,
        _fixed(settings.password.get_secret_value() if settings.password is not None else "")
        if settings.password_file is None
        else SecretFile(settings.password_file, SCRUBBER.learn).read,
    )


def _fixed(text: str) -> KeySource:
    return lambda: text


def accepted_routing(configured: Settings) -> CompactedTable:
    """Returns the topic that holds the accepted routing of each consumer group."""
    topic = convert.topics(configured).routing
    return CompactedTable(connection(configured), topic, reader=configured.kafka.group)


def control_table(configured: Settings) -> CompactedTable:
    """Returns the topic that holds the commands of people."""
    topic = convert.topics(configured).controls
    return CompactedTable(connection(configured), topic, reader=configured.kafka.group)


def produce(configured: Settings, topic: str, key: bytes, value: bytes | None, *, partition: int = 0) -> int:
    """Produces one record, waits for its acknowledgement, returns its offset. Raises SinkFailed, NotPermitted."""
    return produce_record(connection(configured), topic, key, value, partition=partition)


def log_reader(configured: Settings) -> LogReader:
    """Returns a consumer that reads several topics from given positions, outside the group."""
    return LogReader(connection(configured), reader=configured.kafka.group)


def record_writer(configured: Settings) -> RecordWriter:
    """Returns a producer for groups of records."""
    return RecordWriter(connection(configured))


def marketplace(configured: Settings, log: "CallLog | None" = None) -> "Kaufland":
    """Returns the marketplace adapter for all configured accounts. ``log`` None: calls are not logged."""
    from connector.kaufland.adapter import kaufland
    from connector.kaufland.call_options import UpdateMode

    mode = UpdateMode.BATCH if configured.offers.mode == "batch" else UpdateMode.SINGLE
    contacts = Feature.CONTACTS in convert.features(configured)
    return kaufland(
        [_marketplace_account(name, account, mode, contacts=contacts) for name, account in configured.accounts.items()],
        clock=SystemClock(),
        log=log,
        reference=load_reference(configured.mappings.reference_file),
        egress=egress(configured),
    )


def egress(configured: Settings) -> Egress:
    """Returns how the marketplace is reached. Raises SettingsError for a file that has become unreadable."""
    return _egress(configured.http, TlsFiles(ca=configured.http.ca_file))


def _egress(http: model.HttpSettings, files: TlsFiles) -> Egress:
    try:
        return Egress(tls=TlsContext(files, _report_tls_files), proxy=_proxy(http), no_proxy=NoProxy.of(http.no_proxy))
    except (OSError, ValueError) as error:
        raise SettingsError(f"TLS files cannot be used: {error}") from None


def _report_tls_files(problem: str) -> None:
    if problem:
        _log.error("a changed TLS file cannot be used; the last valid one stays in use", reason=problem)
    else:
        _log.info("TLS files were read again")


def collector_headers(configured: Settings) -> dict[str, str]:
    """Returns the headers for the collector of traces; their values are registered with the log's scrubber."""
    file = configured.traces.headers_file
    headers = {} if file is None else headers_of(file.read_text(encoding="utf-8"))
    SCRUBBER.learn([*headers.values(), *(value.split()[-1] for value in headers.values())])
    return headers


def collector_problem(configured: Settings) -> str:
    """Sends no span to the collector of traces, and returns why it takes none; "" = it answers."""
    import httpx

    from connector.tracing.collector import ca_in_use, headers_in_use

    ca, endpoint = ca_in_use(configured.http.ca_file), configured.traces.endpoint
    headers = {**headers_in_use(collector_headers(configured)), "Content-Type": "application/x-protobuf"}
    try:
        context = TlsContext(TlsFiles(ca=ca)).current if ca is not None else True
        answer = httpx.post(endpoint, content=b"", headers=headers, timeout=5.0, verify=context)
    except httpx.ConnectError as error:
        return f"the collector does not answer: {connect_failure(error, urlsplit(endpoint).hostname or '', ca)}"
    except httpx.HTTPError as error:
        return f"the collector does not answer ({type(error).__name__})"
    except (OSError, ValueError) as error:  # a CA file that cannot be read, a header that is not ASCII
        return f"the collector cannot be asked ({type(error).__name__})"
    return "" if answer.is_success else f"the collector answers with status {answer.status_code}"


def _proxy(http: model.HttpSettings) -> HttpProxy | None:
    if http.proxy is None or http.proxy == "none":
        return None
    proxy = parse_proxy(http.proxy)
    if http.proxy_user is not None:
        proxy = replace(proxy, user=http.proxy_user)
    if http.proxy_password_file is not None:
        proxy = replace(proxy, password=SecretFile(http.proxy_password_file, SCRUBBER.learn).read)
    return proxy


def _marketplace_account(
    name: str, account: model.AccountSettings, mode: "UpdateMode", *, contacts: bool
) -> "KauflandAccount":
    from connector.kaufland.account import KauflandAccount

    client_key, secret_key = (_scrubbed(source) for source in key_sources(account))
    known = KauflandAccount(
        name=name,
        credentials=Credentials(client_key, secret_key),
        address=base_address(account),
        mode=mode,
        contacts=contacts,
    )
    return known if account.user_agent is None else replace(known, user_agent=account.user_agent)


def _scrubbed(source: KeySource) -> KeySource:
    """Wraps a key source: every key that it returns, rotated ones included, is registered with the log's scrubber."""

    def read() -> str:
        key = source()
        SCRUBBER.learn([key.strip()])
        return key

    return read
