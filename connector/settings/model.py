"""The settings, section by section: names, bounds, defaults and descriptions.

The docstring below a field is its description: ``docs/settings.md`` and error messages are made from it. Durations are
written ``250ms``, ``60s``, ``6h``, ``7d``, ``inf`` or as a number of seconds, and are seconds inside. Pure.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, StringConstraints

from connector.contracts.capabilities import Capability
from connector.marketplace.offers import Condition
from connector.settings.duration import Duration


def _listed(value: object) -> object:
    """Splits the comma-separated text in which the environment gives a list."""
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


class SettingsSection(BaseModel):
    """A table of the file. Unknown keys are rejected, so that a misspelt one does not silently leave its default."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
TopicName = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9._-]{1,249}$")]
InstanceId = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9._-]{1,200}$")]


def start_position(written: object) -> object:
    """Parses ``earliest``, ``latest``, or a time with its offset from UTC."""
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


VatIndicator = Literal["standard_rate", "reduced_rate_1", "reduced_rate_2", "super_reduced_rate", "zero_rate"]


class Guarantee(StrEnum):
    """The processing guarantee, in the terms of Kafka Streams."""

    EXACTLY_ONCE_V2 = "exactly_once_v2"
    AT_LEAST_ONCE = "at_least_once"


class KafkaSettings(SettingsSection):
    bootstrap_servers: Text
    """Brokers of the initial connection, host:port, separated by commas."""
    group: Text
    """Consumer group; its processes share the partitions and the request rate."""
    start: Annotated[Literal["earliest", "latest"] | datetime, BeforeValidator(start_position)]
    """Where a new group starts reading: earliest, latest, or a time. There is deliberately no default."""
    instance_id: InstanceId
    """Stable name of this instance, unique in the group (a StatefulSet's pod name); also its transactional.id."""
    static_membership: bool = False
    """Use instance_id as group.instance.id, too: a restart within the session timeout causes no rebalance."""
    topic_ids: bool = True
    """Off: for brokers that do not describe topics. A state topic that was recreated is then not detected."""
    properties: Mapping[str, Annotated[Any, BeforeValidator(property_value)]] = {}
    """Properties of librdkafka, such as those for TLS and SASL. For passwords, see properties_from_files."""
    properties_from_files: Mapping[str, Path] = {}
    """Properties of librdkafka whose values are read from files, such as sasl.password. A changed sasl.username or
    sasl.password is read again while the process runs; any other file at start."""
    allow_unverified_tls: bool = False
    """On: properties may turn off the verification of the broker's certificate or name. For tests only: whoever is on
    the way can read and change everything."""


class HttpSettings(SettingsSection):
    """How the marketplace and the registry are reached."""

    ca_file: Path | None = None
    """PEM file with the CA certificates that servers are checked against, in place of the shipped ones; read again when
    it changes. Default: SSL_CERT_FILE or REQUESTS_CA_BUNDLE of the environment."""
    proxy: Text | None = None
    """Proxy for https addresses, http://HOST:PORT, through CONNECT tunnels; none: no proxy, whatever the environment
    says. Default: HTTPS_PROXY of the environment. A URL with a password is accepted from the environment only."""
    proxy_user: Text | None = None
    """User name at the proxy."""
    proxy_password_file: Path | None = None
    """File with the password at the proxy; read again for each connection."""
    no_proxy: Annotated[tuple[Text, ...], BeforeValidator(_listed)] = ()
    """Hosts that are reached without the proxy: domains, which cover their subdomains, IP addresses, networks, each
    with :PORT if only that is meant; * = all. Default: NO_PROXY of the environment."""


class RegistryOauthSettings(SettingsSection):
    """Access tokens by OAuth's client credentials grant."""

    url: Annotated[str, StringConstraints(pattern=r"^https?://\S+$")] | None = None
    """The token endpoint."""
    client_id: Text | None = None
    """Client id at the token endpoint."""
    client_secret_file: Path | None = None
    """File with the client's secret; read again for each token."""
    scope: str = ""
    """Scopes to ask for, separated by spaces. Default: none."""


class RegistrySettings(SettingsSection):
    url: Annotated[str, StringConstraints(pattern=r"^https?://\S+$")]
    """Schema registry with the Confluent REST API; for Apicurio, its address followed by /apis/ccompat/v7."""
    timeout: Duration = 5.0
    """Timeout of one request. `connector schemas register` waits for a minute at least."""
    ca_file: Path | None = None
    """PEM file with the CA certificates for the registry and its token endpoint. Default: http.ca_file."""
    client_certificate_file: Path | None = None
    """PEM file with the client certificate and its chain, for mutual TLS. TLS files are read again when they change."""
    client_key_file: Path | None = None
    """PEM file with the certificate's key, not encrypted. Default: it is in client_certificate_file."""
    user: Text | None = None
    """User name for basic authentication. As an alternative, the URL in the environment may have user and password."""
    user_file: Path | None = None
    """File with the user name, in place of user."""
    password_file: Path | None = None
    """File with the password. Files with secrets are read again for each request."""
    password: SecretStr | None = None
    """The password itself; accepted from the environment only."""
    token_file: Path | None = None
    """File with a bearer token."""
    oauth: RegistryOauthSettings = RegistryOauthSettings()


class TopicSettings(SettingsSection):
    prefix: Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9._-]{1,100}$")] = "kaufland"
    """Prefix of every topic's default name, <prefix>.<dataset>.v1."""
    key_format: Literal["string", "avro"] = "string"
    """avro: keys are Avro strings in Confluent's wire format."""
    offer_changes: TopicName | None = None
    """Input topic; must not be compacted. Default: <prefix>.offer-changes.v1"""
    offer_results: TopicName | None = None
    """Default: <prefix>.offer-results.v1"""
    offer_field_results: TopicName | None = None
    """Used with offers.field_results only. Default: <prefix>.offer-field-results.v1"""
    unit_owners: TopicName | None = None
    """Default: <prefix>.unit-owners.v1"""
    controls: TopicName | None = None
    """Commands of people to every process; compacted. Default: <prefix>.controls.v1"""
    replays: TopicName | None = None
    """The progress of replays. Default: <prefix>.replays.v1"""
    offers_not_found: TopicName | None = None
    """Default: <prefix>.offers-not-found.v1"""
    offer_state: TopicName | None = None
    """Compacted, with as many partitions as offer_changes. Default: <prefix>.offer-state.v1"""
    marketplace_calls: TopicName | None = None
    """Default: <prefix>.marketplace-calls.v1"""
    offer_changes_dlq: TopicName | None = None
    """Records that could not be read. Default: the input's name and .dlq"""
    routing: TopicName | None = None
    """The accepted meaning of each target id, shared by the group. Default: <prefix>.routing.v1"""
    shipments: TopicName | None = None
    """Input topic of parcels, keyed by order id. Default: <prefix>.shipments.v1"""
    shipment_results: TopicName | None = None
    """Default: <prefix>.shipment-results.v1"""
    shipment_state: TopicName | None = None
    """Compacted, with as many partitions as shipments. Default: <prefix>.shipment-state.v1"""
    shipments_dlq: TopicName | None = None
    """Records that could not be read. Default: the input's name and .dlq"""
    scheduler: TopicName | None = None
    """Has exactly one partition; only its owner polls the orders. Default: <prefix>.scheduler.v1"""
    scheduler_state: TopicName | None = None
    """Compacted, one partition. Default: <prefix>.scheduler-state.v1"""
    scheduler_dlq: TopicName | None = None
    """What could not be read, as a digest and its position. Default: the scheduler's name and .dlq"""
    orders: TopicName | None = None
    """Compacted. Default: <prefix>.orders.v1"""
    order_changes: TopicName | None = None
    """The same records as in orders, kept for a time instead of compacted. Default: <prefix>.order-changes.v1"""
    order_contacts: TopicName | None = None
    """Personal data; used with orders.contacts only. Default: <prefix>.order-contacts.v1"""
    returns: TopicName | None = None
    """Used with orders.returns only. Default: <prefix>.returns.v1"""
    sales_orders: TopicName | None = None
    """Used with orders.create_sales_orders only. Default: <prefix>.sales-orders.v1"""
    units: TopicName | None = None
    """Used with reconcile only; with as many partitions as offer_changes. Default: <prefix>.units.v1"""
    drift: TopicName | None = None
    """Used with reconcile only. Default: <prefix>.drift.v1"""


class ProcessingSettings(SettingsSection):
    guarantee: Guarantee = Guarantee.EXACTLY_ONCE_V2
    """at_least_once: output records may be duplicated."""
    session: Duration = 15.0
    """Session timeout: after this long without heartbeats, the group reassigns a process's partitions."""
    lease: Duration = 4.0
    """A process calls the marketplace only while its last successful commit is younger than this. lease + call_deadline
    must be below session."""
    call_deadline: Duration = 6.0
    """Total time of one call to the marketplace."""
    grace: Duration = 1.0
    """How long after its deadline a call without a response may still take effect."""
    read_ahead: Annotated[int, Field(ge=1)] = 20_000
    """How many offsets reading may be ahead of the last checkpoint, per partition."""
    checkpoint_min: Duration = 0.05
    """Minimum time between two checkpoints."""
    max_outputs: Annotated[int, Field(ge=1)] = 20_000
    """Outputs that await a checkpoint before reading pauses."""
    max_awake: Annotated[int, Field(ge=1)] = 50_000
    """Lanes with pending work before reading pauses."""
    retry_budget: Annotated[int, Field(ge=1)] = 8
    """Attempts of one item that got a response before it ends as FAILED; pauses do not count."""
    retry_base: Duration = 0.5
    """First wait between two attempts; later waits grow, with jitter."""
    retry_cap: Duration = 30.0
    """Maximum wait between two attempts."""
    age_step: Duration = 10.0
    """A waiting call moves up one priority each time it has waited this long."""
    stall: Duration = 60.0
    """Pending work without progress for this long is logged as an error."""
    drain_budget: Annotated[Duration, Field(gt=0, lt=600)] = 10.0
    """On SIGTERM and on revocation of partitions: maximum time for calls in flight to finish and be committed."""
    workers: Annotated[int, Field(ge=1, le=256)] = 64
    """Maximum calls in flight over all accounts, each with a thread and a connection; a few are reserved for the most
    urgent calls."""


class OfferSettings(SettingsSection):
    mode: Literal["batch", "single"] = "batch"
    """batch: many offers per call; single: one call per offer."""
    bulk_size: Annotated[int, Field(ge=1)] = 150
    """Maximum offers per call in batch mode; 150 is the API's limit."""
    default_target: Text | None = None
    """Target of events that name none; without a default, such events are REJECTED."""
    default_condition: Condition | None = None
    """Condition of events that name none; without a default, such events are REJECTED."""
    order: Literal["event_time", "sequence", "log"] = "event_time"
    """How the newer of two events for one field is chosen. event_time: by occurred_at, capped at the record's
    timestamp; sequence: by the source's own sequence first (events without one are REJECTED); log: by the order in the
    topic. An event older than another of its source is late. Between events of sources with different orders, the order
    in the topic decides."""
    order_by_source: Mapping[str, Literal["event_time", "sequence", "log"]] = {}
    """The order for individual sources, by the exact source name in their events: erp = "sequence"."""
    locations: Literal["refuse", "sum"] = "refuse"
    """Stock events that name a location: refuse: REJECTED; sum: the stocks of all locations are summed and sent."""
    negative_stock: Literal["zero", "reject"] = "zero"
    """A stock below zero: zero: 0 is sent (CLAMPED); reject: REJECTED, and the marketplace keeps the old stock. The
    stock of a location always counts as 0."""
    max_stock: Annotated[int, Field(ge=0, lt=2**31)] | None = None
    """The largest plausible stock. Default: the largest that the API accepts."""
    stock_above_max: Literal["cap", "reject"] = "cap"
    """A stock above max_stock: cap: max_stock is sent (CLAMPED); reject: REJECTED, and the marketplace keeps the old
    stock."""
    not_found_grace: Duration = 60.0
    """A new offer becomes visible only after minutes: the look-up is repeated after this long, then the event ends as
    NOT_FOUND."""
    recheck: Annotated[Duration, Field(gt=0)] = 6 * 3600.0
    """An offer that was not found is looked up again after 1, 2, 5, 15 and 60 minutes, then at this interval."""
    create_settle: Annotated[Duration, Field(ge=10, le=86400)] = 900.0
    """A new unit may be missing in look-ups for this long. Until then, a creation whose answer was lost is not
    repeated, and a created unit counts as there although a look-up does not show it."""
    field_results: bool = False
    """On: with each result, a flat row for each of its fields is written to the topic offer_field_results."""


class ShipmentSettings(SettingsSection):
    enabled: bool = False
    """On: shipment events are read, and their parcels are confirmed."""
    require_units: bool = True
    """On: an event that names neither order units nor items is REJECTED if its order has several units and at least one
    is still to be sent. Off: it confirms every unit that is open when it is read, even if the same parcel was announced
    before."""
    unknown_carrier: Literal["other", "reject"] = "reject"
    """A carrier that is neither in the marketplace's list nor an alias: reject: REJECTED; other: sent as Other, which
    buyers see."""
    untracked_carriers: Annotated[tuple[Text, ...], BeforeValidator(_listed)] = ("Other", "Other Hauler")
    """Carrier codes of the marketplace whose parcels may be sent without a tracking number, if the event says so. Codes
    that the marketplace does not list are logged when its list is read."""
    carriers: Mapping[str, Text] = {}
    """Aliases: the seller's carrier names, each with the marketplace's code: "DHL Paket" = "DHL"."""
    carriers_file: Path | None = None
    """File with more aliases, in TOML, one per line. It takes precedence, and is read again when it changes."""
    wait_open: Annotated[Duration, Field(gt=0)] = 86400.0
    """How long to wait for the marketplace to release a unit for shipping; then the event ends as WAITING_TOO_LONG."""
    recheck: Annotated[Duration, Field(gt=0)] = 60.0
    """First interval between checks of a waiting unit; later ones are a quarter of the time waited, up to
    recheck_max."""
    recheck_max: Annotated[Duration, Field(gt=0)] = 900.0
    """Maximum interval between checks of a waiting unit; ignored if below recheck."""
    keep: Annotated[Duration, Field(gt=0)] = 45 * 86400.0
    """How long the state of an order is kept after its last change; a later event is judged by what the marketplace
    shows."""


class OrderSettings(SettingsSection):
    enabled: bool = False
    """On: the owner of the scheduler topic's partition polls the orders of every account."""
    interval: Annotated[Duration, Field(ge=5, le=86400)] = 60.0
    """Interval between polls of an account."""
    overlap: Annotated[Duration, Field(ge=1, le=86400)] = 300.0
    """How far each poll reads back behind the previous one, so that changes that appear late are not missed."""
    lookback_days: Annotated[int, Field(ge=1, le=3650)] = 30
    """How far the first poll reads back, in days."""
    contacts: bool = False
    """On: names and addresses of buyers are written to a topic of their own. PERSONAL DATA."""
    returns: bool = False
    """On: returns are written to a topic of their own; the connector never accepts or rejects one."""
    create_sales_orders: bool = False
    """On: one command for the seller's ERP is written for every new order."""
    default_customer_number: Text | None = None
    """Customer number in those commands."""


class ReconcileSettings(SettingsSection):
    enabled: bool = False
    """On: the owner of the scheduler topic's partition reads all units of every target's account and storefront again
    and again, and what differs from the last accepted value is a record of the topic drift. One call reads 100
    units."""
    interval: Annotated[Duration, Field(ge=5, le=86400)] = 6 * 3600.0
    """From the start of a sweep to the start of the next; a sweep that takes longer is followed by the next at once."""
    settle: Annotated[Duration, Field(ge=0, le=3600)] = 60.0
    """An accepted value is not contradicted by a call that was sent less than this long after its acceptance: the
    marketplace may show the old value for a while."""
    price: Literal["report", "repair"] = "report"
    """A price that differs: report: a record of drift only; repair: the accepted value is sent again, too."""
    stock: Literal["report", "repair"] = "report"
    """As price, for a stock that is higher than accepted, which could be oversold; a lower one is only reported, unless
    repair_lower_stock is on."""
    handling_time: Literal["report", "repair"] = "report"
    """As price, for this field."""
    repair_lower_stock: bool = False
    """On, with stock = "repair": a stock that is lower than accepted is raised again if every order since the
    acceptance is known, and none has a piece of it. Needs [orders]. Only where sales reach the source of stock events
    faster than a sweep takes."""
    cold_start: Literal["auto", "look-ups"] = "auto"
    """auto: offers of which nothing is known when a sweep begins wait for it instead of being looked up one by one, if
    it takes less time than their look-ups. A stock of zero never waits. look-ups: they are looked up."""
    cold_start_wait: Annotated[Duration, Field(ge=60, le=86400)] = 3600.0
    """The longest that an offer waits for a sweep; then it is looked up."""


class PushSettings(SettingsSection):
    enabled: bool = False
    """On: listen for the marketplace's notifications. They only trigger the next poll early; their content is not
    used."""
    host: Text = "127.0.0.1"
    """Address to listen on. The marketplace calls over HTTPS, so a TLS-terminating proxy must forward to it."""
    port: Annotated[int, Field(ge=0, le=65535)] = 8081
    """0: any free port."""
    public_url: Annotated[str, StringConstraints(pattern=r"^https?://\S+$")] | None = None
    """The address that the marketplace calls, without the account's name at its end; the signature covers it."""


class RateGroupSettings(SettingsSection):
    """Limits per group of endpoints, each within the account's own limit."""

    units_read: Annotated[float, Field(gt=0)] | None = None
    """Maximum look-ups per second. Default: the account's limit."""
    units_write: Annotated[float, Field(gt=0)] | None = None
    """Maximum updates per second. Default: the account's limit."""
    products: Annotated[float, Field(gt=0)] | None = None
    """Maximum look-ups in the catalogue per second, by the command line. Default: the account's limit."""
    orders: Annotated[float, Field(gt=0)] | None = None
    """Maximum reads of orders and order units per second. Default: the account's limit."""
    shipments: Annotated[float, Field(gt=0)] | None = None
    """Maximum parcel confirmations per second. Default: the account's limit."""
    returns: Annotated[float, Field(gt=0)] | None = None
    """Maximum reads of returns per second. Default: the account's limit."""


class RateSettings(SettingsSection):
    strict: bool = False
    """Hold each slot until 1 s after the response: guarantees the limit, at the cost of about 5 % of it."""
    linger: Annotated[Duration, Field(lt=60)] = 0.0
    """Wait this long to fill a batch while no urgent call waits: fewer calls, each with more offers."""
    floor_per_second: Annotated[float, Field(gt=0)] = 1.0
    """After a 429 response the rate is halved, but never below this."""
    reserve: Annotated[float, Field(ge=0, lt=1)] = 0.02
    """Share of the rate that is reserved for the command line."""
    groups: RateGroupSettings = RateGroupSettings()


class AccountSettings(SettingsSection):
    client_key_file: Path | None = None
    """File with the client key (Seller Portal: Settings > API Access > Generate API Keys)."""
    secret_key_file: Path | None = None
    """File with the secret key. It is read again while the account is paused after a 401 response."""
    client_key: SecretStr | None = None
    """The key itself; accepted from the environment only."""
    secret_key: SecretStr | None = None
    """The key itself; accepted from the environment only."""
    playground: bool = False
    """Send everything to Kaufland's sandbox; production is then unreachable."""
    base_url: Annotated[str, StringConstraints(pattern=r"^https?://\S+$")] | None = None
    """Base address of the API. Default: production. Only Kaufland's own hosts are allowed, unless simulator is on."""
    simulator: bool = False
    """base_url is a simulator on this machine or a host without a domain: also without TLS, and without the API's
    limits."""
    requests_per_second: Annotated[float, Field(gt=0)] = 100.0
    """Maximum requests per second of the account over all processes; the API's own limit is 111."""
    rate: RateSettings = RateSettings()
    requests_per_day: Annotated[int, Field(ge=100)] | None = None
    """The daily budget: maximum requests per day of the account over all processes, less rate.reserve. As it gets
    scarce, look-ups wait first, then prices, then stock, stock to zero last. Default: no limit."""
    day_time_zone: Text = "UTC"
    """The time zone whose midnight begins the day of requests_per_day, such as Europe/Berlin."""
    buffer_pct: Annotated[int, Field(ge=0, le=100)] = 0
    """Safety stock of the account's targets in per cent: floor(stock * (100 - pct) / 100) is sent."""
    stock_sends_price: Literal["never", "known"] = "never"
    """known: a stock change is sent together with the last accepted price, for accounts where stock alone is
    rejected."""
    shipments: bool = True
    """Off: the account's shipment events end as SUPPRESSED, while [shipments] is on."""
    orders: bool = True
    """Off: the account's orders are not polled, while [orders] is on."""
    order_interval: Annotated[Duration, Field(ge=5, le=86400)] | None = None
    """Interval between polls of this account. Default: orders.interval."""
    capabilities: Annotated[tuple[Capability, ...], BeforeValidator(_listed)] = ()
    """What the connector may do for the account's targets beyond updates: offers.create, offers.delete,
    prices.convert. A capability is on for a target only if the target names it too. Default: none."""
    user_agent: Text | None = None
    """The User-Agent header. Default: product and version."""


class StockRuleSettings(SettingsSection):
    """``[[targets.<name>.stock_rules]]``: the first rule whose attributes all match applies."""

    when: Annotated[Mapping[str, str], Field(min_length=1)]
    """Attributes of the event and their values, such as { brand = "Acme" }; all must match."""
    buffer_pct: Annotated[int, Field(ge=0, le=100)] | None = None
    """Replaces the target's value."""
    keep: Annotated[int, Field(ge=0)] | None = None
    """Replaces the target's value."""
    show_at_most: Annotated[int, Field(ge=0)] | None = None
    """Replaces the target's value."""


class GuardSettings(SettingsSection):
    """A change of these guard rails counts seconds later, without a restart."""

    zeroed_share_pct: Annotated[float, Field(gt=0, le=100)] | None = None
    """Guard rail: the share of the known EANs that one source may set to stock 0 within zeroed_window. Further zeroes
    of that source are HELD until a person decides. Default: off."""
    zeroed_at_least: Annotated[int, Field(ge=1)] = 20
    """This many EANs may be set to zero in any case."""
    zeroed_window: Annotated[Duration, Field(gt=0)] = 600.0
    """The time within which they are counted."""
    changed_price_share_pct: Annotated[float, Field(gt=0, le=100)] | None = None
    """As zeroed_share_pct, for EANs whose price is changed. Default: off."""
    changed_price_at_least: Annotated[int, Field(ge=1)] = 50
    """As zeroed_at_least, for prices."""
    changed_price_window: Annotated[Duration, Field(gt=0)] = 3600.0
    """As zeroed_window, for prices."""


class PriceLimitSettings(SettingsSection):
    """``[[targets.<name>.price_limits]]``: the first rule whose attributes all match applies."""

    when: Annotated[Mapping[str, str], Field(min_length=1)]
    """Attributes of the event and their values, such as { brand = "Acme" }; all must match."""
    price_step_pct: Annotated[float, Field(gt=0)] | None = None
    """Replaces the target's value."""
    price_floor: Annotated[Decimal, Field(gt=0)] | None = None
    """Replaces the target's value."""
    price_ceiling: Annotated[Decimal, Field(gt=0)] | None = None
    """Replaces the target's value."""


class NewUnitRuleSettings(SettingsSection):
    """``[[targets.<name>.create.rules]]``: the first rule whose attributes all match applies."""

    when: Annotated[Mapping[str, str], Field(min_length=1)]
    """Attributes of the event and their values, such as { category = "books" }; all must match."""
    shipping_group: Annotated[int, Field(ge=1, lt=2**31)] | None = None
    """Replaces the target's value."""
    warehouse: Annotated[int, Field(ge=1, lt=2**31)] | None = None
    """Replaces the target's value."""
    handling_time_days: Annotated[int, Field(ge=0, le=100)] | None = None
    """Replaces the target's value."""
    vat_indicator: VatIndicator | None = None
    """Replaces the target's value."""
    note: Annotated[str, StringConstraints(max_length=250)] | None = None
    """Replaces the target's value."""


class CreateSettings(SettingsSection):
    """The units that offers.create makes: which EANs may have one, and what the event does not say about it."""

    eans_file: Path | None = None
    """File with the EANs that may be created, one per line. It is read again when it changes."""
    all_eans: bool = False
    """On: every EAN may be created. Either this or eans_file is needed."""
    shipping_group: Annotated[int, Field(ge=1, lt=2**31)] | None = None
    """Id of the shipping group of new units. Default: the marketplace's."""
    warehouse: Annotated[int, Field(ge=1, lt=2**31)] | None = None
    """Id of the warehouse of new units. Default: the marketplace's."""
    handling_time_days: Annotated[int, Field(ge=0, le=100)] | None = None
    """Handling time of new units whose event carries none. Without it, such an event creates nothing."""
    vat_indicator: VatIndicator | None = None
    """VAT indicator of new units. Default: the marketplace's."""
    note: Annotated[str, StringConstraints(max_length=250)] | None = None
    """Note of new units, which buyers see. Default: none."""
    rules: tuple[NewUnitRuleSettings, ...] = ()
    """Other values for events with certain attributes."""


class ConvertSettings(SettingsSection):
    """How prices.convert converts prices in other currencies than the storefront's, with the rates of rates_file."""

    rounding: Literal["half_up", "half_even", "up", "down"] = "half_up"
    """How a converted price is rounded to the currency's minor unit, or to step."""
    step: Annotated[int, Field(ge=1, le=100_000)] = 1
    """A converted price is a multiple of this many minor units: 5 = 0.05."""
    max_age: Annotated[Duration, Field(gt=0)] = 96 * 3600.0
    """An older rate converts nothing: the price is REJECTED. The default lets a Friday's rate count until Tuesday."""
    jump_pct: Annotated[Decimal, Field(gt=0, le=1000)] = Decimal(5)
    """Guard rail: a price whose rate is further from the one that the offer's last price was converted with, in per
    cent of that, is HELD."""


class TargetSettings(SettingsSection):
    account: Text
    """One of [accounts]."""
    storefront: Annotated[str, StringConstraints(strip_whitespace=True, to_lower=True, min_length=1)]
    """Two letters: de, at, cz, sk, pl, ..."""
    enabled: bool = True
    """Off: the target's events end as SUPPRESSED; other targets are unaffected. A change of the switches and guard
    rails of a target counts seconds later, without a restart."""
    price_sync: bool = True
    """Off: prices end as SUPPRESSED; stock is still sent."""
    allow_eans_file: Path | None = None
    """File with the EANs to send, one per line; all others end as SUPPRESSED. It is read again when it changes."""
    buffer_pct: Annotated[int, Field(ge=0, le=100)] | None = None
    """Safety stock in per cent, applied before keep and show_at_most; the rest is rounded down. Default: the
    account's."""
    keep: Annotated[int, Field(ge=0)] = 0
    """Safety stock in pieces, applied after buffer_pct: that many are never offered."""
    show_at_most: Annotated[int, Field(ge=0)] | None = None
    """Maximum stock to show, applied after keep. Default: no maximum."""
    stock_rules: tuple[StockRuleSettings, ...] = ()
    """Other values for events with certain attributes. For linked offers, the rule of the newest event applies."""
    price_step_pct: Annotated[float, Field(gt=0)] | None = None
    """Guard rail: a price that is further from what the marketplace has, in per cent of that, is HELD. Default: off."""
    price_floor: Annotated[Decimal, Field(gt=0)] | None = None
    """Guard rail: a lower price, in the storefront's currency, is HELD. Default: off."""
    price_ceiling: Annotated[Decimal, Field(gt=0)] | None = None
    """Guard rail: a higher price, in the storefront's currency, is HELD. Default: off."""
    price_limits: tuple[PriceLimitSettings, ...] = ()
    """Other guard rails for the prices of events with certain attributes."""
    capabilities: Annotated[tuple[Capability, ...], BeforeValidator(_listed)] = ()
    """What the connector may do for this target beyond updates, if its account names it too. offers.create: an event
    with listing CREATE creates the unit of an offer that is not found; offers.delete: an event with listing DELETE
    deletes the unit after its stock was set to 0; prices.convert: prices in other currencies are converted to the
    storefront's. Default: none."""
    create: CreateSettings = CreateSettings()
    convert: ConvertSettings = ConvertSettings()


class TrustSettings(SettingsSection):
    stock: Duration = 6 * 3600.0
    """An unchanged stock is not sent again within this long after its acceptance. 0: always send; inf: never again."""
    price: Duration = 7 * 86400.0
    """As stock, for this field."""
    handling_time: Duration = 7 * 86400.0
    """As stock, for this field."""


class MappingSettings(SettingsSection):
    reference_file: Path | None = None
    """JSON file with storefronts, currencies, conditions and bounds that are added to the shipped ones, or replace
    them (connector/kaufland/reference.json). It is read again when it changes."""
    overrides_file: Path | None = None
    """CSV file with the floor price, stock buffer and hold of single offers; columns: ean, target, floor_price,
    currency, buffer, hold, reason. It is read again when it changes."""
    rates_file: Path | None = None
    """CSV file with the exchange rates for prices.convert; columns: from, to, rate, at, source. It is read again when
    it changes."""


class HealthSettings(SettingsSection):
    host: Text = "127.0.0.1"
    """Address on which /livez, /readyz, /status and /metrics are served; 0.0.0.0 in a container."""
    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    """0: any free port."""
    enabled: bool = True
    """Off: these pages are not served."""


class ConsoleSettings(SettingsSection):
    enabled: bool = True
    """Off: the pages for people are not served."""
    host: Text = "127.0.0.1"
    """Address on which the console is served. Whoever can connect to it reads prices, order ids and offers."""
    port: Annotated[int, Field(ge=0, le=65535)] = 8082
    """0: any free port. If the port is in use, the connector runs without the console."""
    host_names: tuple[Text, ...] = ()
    """Names by which browsers may address the console, such as that of a proxy before it. localhost and addresses are
    always allowed."""
    projection: Path | None = None
    """Directory in which a process of its own keeps what the topics say, for the offers, orders and holds that the
    console shows. Needs read access to the output topics, and a disk. Unset: the console shows its process only."""
    write: Literal["off", "token", "proxy"] = "off"
    """Who may hold and release: nobody; who knows the token; or whom the proxy names. Needs a projection."""
    token_file: Path | None = None
    """File with the token of write = "token", 16 characters at least."""
    user_header: Text = "X-Forwarded-User"
    """Header in which the proxy of write = "proxy" names the user. It must remove this header from outside requests."""


class TracesSettings(SettingsSection):
    enabled: bool = False
    """Sends a span for each event and each call to a collector of OpenTelemetry. traceparent is passed on
    without it, too."""
    endpoint: Text = "http://localhost:4318/v1/traces"
    """URL of the collector: OTLP over HTTP. Default: OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, or OTEL_EXPORTER_OTLP_ENDPOINT
    with /v1/traces."""
    ratio: Annotated[float, Field(ge=0, le=1)] = 1.0
    """Share of the traces that begin here that is recorded. An event with a traceparent is recorded if its flag says
    so."""
    headers_file: Path | None = None
    """File with headers for the collector, such as a token: one "name: value" on each line. Read at the start."""


class ContractSettings(SettingsSection):
    owner: str = ""
    """Team that answers for the topics, as the data contracts of connector contracts export name it."""


class LogSettings(SettingsSection):
    level: Literal["debug", "info", "warning", "error"] = "info"
    """Minimum level of log lines; a change in the file counts seconds later, without a restart."""
    format: Literal["auto", "json", "console"] = "auto"
    """auto: console on a terminal, JSON elsewhere."""
    bodies_until: datetime | None = None
    """Until this time, at most an hour ahead, request and response bodies are written to marketplace-calls."""


class Settings(SettingsSection):
    """All settings. Only ``connector.settings.load`` creates it, after checking that they are consistent."""

    kafka: KafkaSettings
    registry: RegistrySettings
    http: HttpSettings = HttpSettings()
    topics: TopicSettings = TopicSettings()
    processing: ProcessingSettings = ProcessingSettings()
    offers: OfferSettings = OfferSettings()
    shipments: ShipmentSettings = ShipmentSettings()
    orders: OrderSettings = OrderSettings()
    reconcile: ReconcileSettings = ReconcileSettings()
    push: PushSettings = PushSettings()
    accounts: Mapping[str, AccountSettings]
    targets: Mapping[str, TargetSettings]
    trust: TrustSettings = TrustSettings()
    guards: GuardSettings = GuardSettings()
    mappings: MappingSettings = MappingSettings()
    health: HealthSettings = HealthSettings()
    console: ConsoleSettings = ConsoleSettings()
    log: LogSettings = LogSettings()
    traces: TracesSettings = TracesSettings()
    contracts: ContractSettings = ContractSettings()


TABLES_BY_NAME = ("accounts", "targets")
"""Sections with one table per user-chosen name."""
