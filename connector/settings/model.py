"""The settings, section by section: names, bounds, defaults, and what each means.

pydantic stands here because a person wrote what enters. The doc string below a field is its documentation:
``connector config show`` and the README's table are made from it. Durations are ``250ms``, ``60s``, ``6h``, ``7d``,
``inf`` or a number of seconds, and are seconds inside. Pure.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, StringConstraints

from connector.marketplace.offers import Condition
from connector.settings.duration import Duration


def _listed(value: object) -> object:
    """The environment gives a list as one text, with commas."""
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


class SettingsSection(BaseModel):
    """A table of the file. Unknown keys are refused: a typing error must not become a silent default."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
TopicName = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9._-]{1,249}$")]
InstanceId = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9._-]{1,200}$")]


def start_position(written: object) -> object:
    """``earliest``, ``latest``, or a moment with its offset from UTC."""
    if written in ("earliest", "latest"):
        return written
    try:
        moment = datetime.fromisoformat(written) if isinstance(written, str) else written
    except ValueError:
        moment = None
    if not isinstance(moment, datetime) or moment.tzinfo is None:
        raise ValueError("expected earliest, latest, or a time such as 2026-01-31T06:00:00Z")
    return moment


def property_value(written: object) -> object:
    if isinstance(written, str | int | float):
        return written
    raise ValueError("expected text, a number, true or false")


class Guarantee(StrEnum):
    """The words of Kafka Streams."""

    EXACTLY_ONCE_V2 = "exactly_once_v2"
    AT_LEAST_ONCE = "at_least_once"


class KafkaSettings(SettingsSection):
    bootstrap_servers: Text
    """Brokers to start from, host:port, separated by commas."""
    group: Text
    """Consumer group: every process of it shares the work and the rate."""
    start: Annotated[Literal["earliest", "latest"] | datetime, BeforeValidator(start_position)]
    """Where a new group begins: earliest, latest, or a time. There is no default: this is for a person to say."""
    instance_id: InstanceId
    """Stable name of this process's slot (a StatefulSet's pod name), unique in the group; the transactional.id."""
    static_membership: bool = False
    """Also send instance_id as group.instance.id: a restart within the session moves no partition."""
    topic_ids: bool = True
    """Off for a broker that describes no topics: a state topic that was made anew is then not noticed."""
    properties: Mapping[str, Annotated[Any, BeforeValidator(property_value)]] = {}
    """librdkafka's own settings, for TLS and SASL. Passwords: see properties_from_files."""
    properties_from_files: Mapping[str, Path] = {}
    """librdkafka's settings whose value is a file's content, such as sasl.password."""


class RegistrySettings(SettingsSection):
    url: Annotated[str, StringConstraints(pattern=r"^https?://\S+$")]
    """Schema registry with the Confluent REST API; Apicurio: its address and /apis/ccompat/v7."""
    timeout: Duration = 5.0
    """Longest wait for one answer."""


class TopicSettings(SettingsSection):
    prefix: Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9._-]{1,100}$")] = "kaufland"
    """First part of every topic's default name, <prefix>.<dataset>.v1."""
    key_format: Literal["string", "avro"] = "string"
    """avro: keys are a string in Confluent framing."""
    offer_changes: TopicName | None = None
    """Input: any topic that is not compacted. Default: <prefix>.offer-changes.v1"""
    offer_results: TopicName | None = None
    """Default: <prefix>.offer-results.v1"""
    unit_owners: TopicName | None = None
    """Default: <prefix>.unit-owners.v1"""
    offers_not_found: TopicName | None = None
    """Default: <prefix>.offers-not-found.v1"""
    offer_state: TopicName | None = None
    """Compacted, with as many partitions as offer_changes. Default: <prefix>.offer-state.v1"""
    marketplace_calls: TopicName | None = None
    """Default: <prefix>.marketplace-calls.v1"""
    offer_changes_dlq: TopicName | None = None
    """What could not be read. Default: the input's name and .dlq"""
    routing: TopicName | None = None
    """What each target id was accepted to mean; shared by the group. Default: <prefix>.routing.v1"""
    shipments: TopicName | None = None
    """Input of parcels, keyed by order id. Default: <prefix>.shipments.v1"""
    shipment_results: TopicName | None = None
    """Default: <prefix>.shipment-results.v1"""
    shipment_state: TopicName | None = None
    """Compacted, with as many partitions as shipments. Default: <prefix>.shipment-state.v1"""
    shipments_dlq: TopicName | None = None
    """What could not be read. Default: the input's name and .dlq"""
    scheduler: TopicName | None = None
    """Exactly one partition: its owner alone polls the orders. Default: <prefix>.scheduler.v1"""
    scheduler_state: TopicName | None = None
    """Compacted, one partition. Default: <prefix>.scheduler-state.v1"""
    scheduler_dlq: TopicName | None = None
    """What could not be read, as digest and position. Default: the scheduler's name and .dlq"""
    orders: TopicName | None = None
    """Default: <prefix>.orders.v1"""
    order_contacts: TopicName | None = None
    """Personal data, with orders.contacts only. Default: <prefix>.order-contacts.v1"""
    returns: TopicName | None = None
    """With orders.returns only. Default: <prefix>.returns.v1"""
    sales_orders: TopicName | None = None
    """With orders.create_sales_orders only. Default: <prefix>.sales-orders.v1"""


class ProcessingSettings(SettingsSection):
    guarantee: Guarantee = Guarantee.EXACTLY_ONCE_V2
    """at_least_once: rows may repeat."""
    session: Duration = 15.0
    """The group gives a silent process's partitions away after this long."""
    lease: Duration = 4.0
    """A process sends only while its last successful commit is younger. lease + call_deadline < session."""
    call_deadline: Duration = 6.0
    """Total time of one call to the marketplace."""
    grace: Duration = 1.0
    """How much longer than its deadline a lost call may still be carried out."""
    read_ahead: Annotated[int, Field(ge=1)] = 20_000
    """Offsets that intake may be ahead of what is durable, per partition."""
    checkpoint_min: Duration = 0.05
    """Shortest time between two checkpoints."""
    max_outputs: Annotated[int, Field(ge=1)] = 20_000
    """Outputs kept back before intake pauses."""
    max_awake: Annotated[int, Field(ge=1)] = 50_000
    """Lanes awake before intake pauses."""
    retry_budget: Annotated[int, Field(ge=1)] = 8
    """Answered attempts of one item before it FAILED; pauses do not count."""
    retry_base: Duration = 0.5
    """First wait between two attempts; each further one is longer, with jitter."""
    retry_cap: Duration = 30.0
    """Longest wait between two attempts."""
    age_step: Duration = 10.0
    """A waiting change gains one rank for each such step of its age."""
    stall: Duration = 60.0
    """Undone work without progress for so long is said loudly."""
    drain_budget: Annotated[Duration, Field(gt=0, lt=600)] = 10.0
    """On SIGTERM and hand-over: longest time for what is under way to end and become durable."""
    workers: Annotated[int, Field(ge=1, le=256)] = 64
    """Most calls in flight, over all accounts: a thread and a connection each; a few are for the most harmful alone."""


class OfferSettings(SettingsSection):
    mode: Literal["batch", "single"] = "batch"
    """batch: many offers in one call; single: a call for each."""
    bulk_size: Annotated[int, Field(ge=1)] = 150
    """Most offers in one call of mode batch; 150 is the API's own limit."""
    default_target: Text | None = None
    """Target of an event that names none; without it such an event is REJECTED."""
    default_condition: Condition | None = None
    """Condition of an event that names none; without it such an event is REJECTED."""
    order: Literal["event_time", "sequence", "log"] = "event_time"
    """Which of two events for one field is the newer: by occurred_at (never later than the record's timestamp), by the
    source's own sequence first (an event without one is REJECTED), or by the log alone (what was written later). An
    event that is older than another of its source is late; among all others of sources that go by different orders the
    log decides."""
    order_by_source: Mapping[str, Literal["event_time", "sequence", "log"]] = {}
    """The same for single sources, by the source that their events name, letter by letter: erp = "sequence"."""
    locations: Literal["refuse", "sum"] = "refuse"
    """Stock events that name a location: REJECTED, or summed up to the one number that the marketplace is told."""
    negative_stock: Literal["zero", "reject"] = "zero"
    """A stock below zero: 0 is sent (CLAMPED), or REJECTED and the old stock stays. A location's always counts as 0."""
    max_stock: Annotated[int, Field(ge=0, lt=2**31)] | None = None
    """The largest stock that is believed. Default: any that the API can take."""
    stock_above_max: Literal["cap", "reject"] = "cap"
    """A stock above max_stock: max_stock is sent (CLAMPED), or REJECTED and the old stock stays."""
    not_found_grace: Duration = 60.0
    """A new offer becomes visible after minutes: look once more after this long, then NOT_FOUND."""
    recheck: Annotated[Duration, Field(gt=0)] = 6 * 3600.0
    """What was not found is looked up again after 1, 2, 5, 15 and 60 minutes, and from then on this often."""


class ShipmentSettings(SettingsSection):
    enabled: bool = False
    """On: shipment events confirm parcels."""
    require_units: bool = True
    """An event that names neither order units nor items: REJECTED where its order has several units and one is still to
    be sent. Off: it confirms every unit that is open when it is read, also when the same parcel is told again."""
    unknown_carrier: Literal["other", "reject"] = "reject"
    """A carrier that the marketplace does not list and no alias names: REJECTED, or sent as Other, which buyers see."""
    untracked_carriers: Annotated[tuple[Text, ...], BeforeValidator(_listed)] = ("Other", "Other Hauler")
    """The marketplace's carrier codes whose parcels may go without a tracking number, when the event says so. A code
    that the marketplace does not list is named in the log when its table is read."""
    carriers: Mapping[str, Text] = {}
    """The seller's names of carriers, each with the marketplace's code: "DHL Paket" = "DHL"."""
    wait_open: Annotated[Duration, Field(gt=0)] = 86400.0
    """A unit may be sent only when the marketplace releases it: wait so long, then WAITING_TOO_LONG."""
    recheck: Annotated[Duration, Field(gt=0)] = 60.0
    """How soon a unit that waits is looked at again; each time it has waited a quarter longer, up to recheck_max."""
    recheck_max: Annotated[Duration, Field(gt=0)] = 900.0
    """The longest time between two looks at a unit that waits, if that is not below recheck."""
    keep: Annotated[Duration, Field(gt=0)] = 45 * 86400.0
    """How long an order is remembered after its last change: a later event is judged by what the marketplace shows."""


class OrderSettings(SettingsSection):
    enabled: bool = False
    """On: the owner of the scheduler's partition polls the orders of every account."""
    interval: Annotated[Duration, Field(ge=5, le=86400)] = 60.0
    """Time between two polls of an account."""
    overlap: Annotated[Duration, Field(ge=1, le=86400)] = 300.0
    """Each poll reads so far back behind the last: a change that shows late is not missed."""
    lookback_days: Annotated[int, Field(ge=1, le=3650)] = 30
    """How far the very first poll reads back."""
    contacts: bool = False
    """On: names and addresses of buyers go into their own topic. PERSONAL DATA."""
    returns: bool = False
    """On: returns are read into their own topic; nothing is accepted or rejected."""
    create_sales_orders: bool = False
    """On: every new order becomes one command for the seller's ERP."""
    default_customer_number: Text | None = None
    """Customer of those commands."""


class PushSettings(SettingsSection):
    enabled: bool = False
    """On: listen for the marketplace's notifications. They only hasten the next poll; what they say is not trusted."""
    host: Text = "127.0.0.1"
    """Where to listen; the marketplace must reach it over HTTPS, so a proxy stands before it."""
    port: Annotated[int, Field(ge=0, le=65535)] = 8081
    """0 = any free port."""
    public_url: Annotated[str, StringConstraints(pattern=r"^https?://\S+$")] | None = None
    """The address as the marketplace calls it, without the account's name at its end: it is what is signed."""


class RateGroupSettings(SettingsSection):
    """For accounts whose limits are per group of endpoints, each within the account's own."""

    units_read: Annotated[float, Field(gt=0)] | None = None
    """Ceiling of look-ups in requests per second. Default: the account's."""
    units_write: Annotated[float, Field(gt=0)] | None = None
    """Ceiling of updates in requests per second. Default: the account's."""
    orders: Annotated[float, Field(gt=0)] | None = None
    """Ceiling of reading orders and order units in requests per second. Default: the account's."""
    shipments: Annotated[float, Field(gt=0)] | None = None
    """Ceiling of confirming parcels in requests per second. Default: the account's."""
    returns: Annotated[float, Field(gt=0)] | None = None
    """Ceiling of reading returns in requests per second. Default: the account's."""


class RateSettings(SettingsSection):
    strict: bool = False
    """Hold each slot until answer + 1 s: proves the limit, costs about 5 % of it."""
    linger: Annotated[Duration, Field(lt=60)] = 0.0
    """Wait this long for company while nothing urgent waits: fewer, fuller calls."""
    floor_per_second: Annotated[float, Field(gt=0)] = 1.0
    """After 429 the pace is halved, never below this."""
    reserve: Annotated[float, Field(ge=0, lt=1)] = 0.02
    """Share of the ceiling kept for the command line."""
    groups: RateGroupSettings = RateGroupSettings()


class AccountSettings(SettingsSection):
    client_key_file: Path | None = None
    """File with the client key (Seller Portal: Settings > API Access > Generate API Keys)."""
    secret_key_file: Path | None = None
    """File with the secret key. It is read again while the account is paused by 401."""
    client_key: SecretStr | None = None
    """The key itself; from the environment only."""
    secret_key: SecretStr | None = None
    """The key itself; from the environment only."""
    playground: bool = False
    """Send everything to Kaufland's sandbox; production can then not be reached."""
    base_url: Annotated[str, StringConstraints(pattern=r"^https?://\S+$")] | None = None
    """Default: production. Only Kaufland's own hosts are allowed, unless simulator is on."""
    simulator: bool = False
    """base_url is a simulator: any host, no TLS needed, no API limit assumed."""
    requests_per_second: Annotated[float, Field(gt=0)] = 100.0
    """Ceiling of the account over all processes; the API's own limit is 111."""
    rate: RateSettings = RateSettings()
    buffer_pct: Annotated[int, Field(ge=0, le=100)] = 0
    """Safety stock of its targets: floor(stock * (100 - pct) / 100) is sent."""
    stock_sends_price: Literal["never", "known"] = "never"
    """known: a stock change carries the last accepted price along, for accounts whose stock alone is refused."""
    shipments: bool = True
    """Off: its shipment events end as SUPPRESSED, while [shipments] is on."""
    orders: bool = True
    """Off: its orders are not polled, while [orders] is on."""
    order_interval: Annotated[Duration, Field(ge=5, le=86400)] | None = None
    """Time between two polls of this account. Default: orders.interval."""
    user_agent: Text | None = None
    """Default: product and version."""


class StockRuleSettings(SettingsSection):
    """``[[targets.<name>.stock_rules]]``: of several, the first whose attributes all match."""

    when: Annotated[Mapping[str, str], Field(min_length=1)]
    """Attributes of the event and their values, such as { brand = "Acme" }; all must match."""
    buffer_pct: Annotated[int, Field(ge=0, le=100)] | None = None
    """Takes the place of the target's."""
    keep: Annotated[int, Field(ge=0)] | None = None
    """Takes the place of the target's."""
    show_at_most: Annotated[int, Field(ge=0)] | None = None
    """Takes the place of the target's."""


class TargetSettings(SettingsSection):
    account: Text
    """One of [accounts]."""
    storefront: Annotated[str, StringConstraints(strip_whitespace=True, to_lower=True, min_length=1)]
    """Two letters: de, at, cz, sk, pl, ..."""
    enabled: bool = True
    """Off: its events end as SUPPRESSED, the others flow."""
    price_sync: bool = True
    """Off: prices end as SUPPRESSED, stock still flows."""
    allow_eans_file: Path | None = None
    """Only these EANs are sent, one a line; the rest end as SUPPRESSED."""
    buffer_pct: Annotated[int, Field(ge=0, le=100)] | None = None
    """Safety stock in per cent, first of the three: what is left is rounded down. Default: the account's."""
    keep: Annotated[int, Field(ge=0)] = 0
    """Safety stock in pieces, after buffer_pct: the last so many are never offered."""
    show_at_most: Annotated[int, Field(ge=0)] | None = None
    """Never show more pieces than this, after keep. Default: all of them."""
    stock_rules: tuple[StockRuleSettings, ...] = ()
    """Other numbers for events with certain attributes. For linked offers, the rule of the newest event holds."""


class TrustSettings(SettingsSection):
    stock: Duration = 6 * 3600.0
    """An equal value is not sent again while its acceptance is younger: 0 = always send, inf = trust for ever."""
    price: Duration = 7 * 86400.0
    """As for stock."""
    handling_time: Duration = 7 * 86400.0
    """As for stock."""


class HealthSettings(SettingsSection):
    host: Text = "127.0.0.1"
    """Where /livez, /readyz, /status and /metrics listen; 0.0.0.0 in a container."""
    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    """0 = any free port."""
    enabled: bool = True
    """Off: nothing listens."""


class LogSettings(SettingsSection):
    level: Literal["debug", "info", "warning", "error"] = "info"
    """What is less grave is not written."""
    format: Literal["auto", "json", "console"] = "auto"
    """auto: console on a terminal, JSON elsewhere."""
    bodies_until: datetime | None = None
    """Request and response bodies go into marketplace-calls until then, at most an hour ahead."""


class Settings(SettingsSection):
    """All of it, frozen. Made by ``connector.settings.load`` alone, which has checked what hangs together."""

    kafka: KafkaSettings
    registry: RegistrySettings
    topics: TopicSettings = TopicSettings()
    processing: ProcessingSettings = ProcessingSettings()
    offers: OfferSettings = OfferSettings()
    shipments: ShipmentSettings = ShipmentSettings()
    orders: OrderSettings = OrderSettings()
    push: PushSettings = PushSettings()
    accounts: Mapping[str, AccountSettings]
    targets: Mapping[str, TargetSettings]
    trust: TrustSettings = TrustSettings()
    health: HealthSettings = HealthSettings()
    log: LogSettings = LogSettings()


TABLES_BY_NAME = ("accounts", "targets")
"""Sections that hold one table per name of the person's own choosing."""
