"""Creates clients from the settings: for the broker, the schema registry and the marketplace.

Nothing is opened on import.
"""

from dataclasses import replace
from typing import TYPE_CHECKING

from connector.configuration import base_address
from connector.contracts.topics import Feature
from connector.kaufland.http.credentials import Credentials
from connector.kaufland.reference import load_reference
from connector.logs import SCRUBBER
from connector.settings import convert, model
from connector.settings.load import KeySource, key_sources
from connector.settings.model import Settings
from streams.clock import SystemClock
from streams.kafka.admin import ClusterAdmin
from streams.kafka.log_reader import LogReader
from streams.kafka.produce_once import RecordWriter, produce_record
from streams.kafka.registry import RegistryClient
from streams.kafka.settings import KafkaConnection
from streams.kafka.table import CompactedTable

if TYPE_CHECKING:  # most commands call no marketplace, and importing the adapter takes a while
    from connector.kaufland.account import KauflandAccount
    from connector.kaufland.adapter import Kaufland
    from connector.kaufland.call_log import CallLog
    from connector.kaufland.call_options import UpdateMode


def connection(configured: Settings) -> KafkaConnection:
    """Returns the connection settings of all Kafka clients; properties from files are read now."""
    kafka = configured.kafka
    from_files = {name: file.read_text(encoding="utf-8").strip() for name, file in kafka.properties_from_files.items()}
    return KafkaConnection(
        bootstrap_servers=kafka.bootstrap_servers,
        client_id=kafka.instance_id,
        properties={**kafka.properties, **from_files},
    )


def administration(configured: Settings) -> ClusterAdmin:
    """Returns the client that describes and creates topics."""
    return ClusterAdmin(connection(configured).admin(), describes=configured.kafka.topic_ids)


def registry(configured: Settings) -> RegistryClient:
    """Returns the schema registry's client."""
    return RegistryClient(configured.registry.url, timeout_s=configured.registry.timeout)


def accepted_routing(configured: Settings) -> CompactedTable:
    """Returns the topic that holds the accepted routing of each consumer group."""
    topic = convert.topics(configured).routing
    return CompactedTable(connection(configured), topic, reader=configured.kafka.group)


def control_table(configured: Settings) -> CompactedTable:
    """Returns the topic that holds the commands of people."""
    topic = convert.topics(configured).controls
    return CompactedTable(connection(configured), topic, reader=configured.kafka.group)


def produce(configured: Settings, topic: str, key: bytes, value: bytes | None, *, partition: int = 0) -> None:
    """Produces one record and waits for its acknowledgement. Raises SinkFailed, NotPermitted."""
    produce_record(connection(configured), topic, key, value, partition=partition)


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
    )


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
