"""What the data contracts say of each topic beside its schema: owner, freshness, keys, checks, personal data. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from connector.contracts.registry_subjects import RECORD_OF
from connector.contracts.topics import DATASETS, DAY_MS, Access, Feature, Topics, TopicSpec, manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractTerms:
    """``owner``: the team that answers for the topics; empty = not said. ``..._s``: how old a fact may be."""

    topics: Topics
    owner: str = ""
    decided_s: float  # from a decision to its record
    ordered_s: float  # between two polls of the orders
    swept_s: float  # between two sweeps


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicTerms:
    """A topic and what holds for it. ``record``: of its values, None where they are not Avro."""

    spec: TopicSpec
    dataset: str
    record: str | None
    fresh_s: float

    @property
    def cleanup(self) -> list[str]:
        return self.spec.config["cleanup.policy"].split(",")

    @property
    def retention_ms(self) -> int | None:
        """How long records are kept; None = for ever."""
        kept = self.spec.config.get("retention.ms")
        return None if kept is None else int(kept)

    @property
    def retention_days(self) -> int | None:
        return None if self.retention_ms is None else self.retention_ms // DAY_MS

    @property
    def is_output(self) -> bool:
        return self.spec.access is not Access.READ

    @property
    def key(self) -> tuple[str, ...]:
        """The fields that tell a record, or the newest record of a key, from all others; empty = none do."""
        return KEYS.get(self.dataset, ())

    @property
    def is_compacted(self) -> bool:
        return "compact" in self.cleanup


def terms_of(terms: ContractTerms) -> Iterator[TopicTerms]:
    """Yields the terms of each topic of the enabled features."""
    datasets = {getattr(terms.topics, dataset): dataset for dataset in DATASETS}
    fresh = {
        Feature.ORDERS: terms.ordered_s,
        Feature.CONTACTS: terms.ordered_s,
        Feature.RETURNS: terms.ordered_s,
        Feature.SALES_ORDERS: terms.ordered_s,
        Feature.RECONCILE: terms.swept_s,
    }
    for spec in manifest(terms.topics):
        dataset = datasets[spec.name]
        yield TopicTerms(
            spec=spec,
            dataset=dataset,
            record=RECORD_OF.get(dataset),
            fresh_s=fresh.get(spec.feature, terms.decided_s),
        )


KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "offers_not_found": ("target_id", "condition", "offer_id", "ean"),
    "marketplace_calls": ("call_id",),
    "offer_state": ("ean",),
    "routing": ("consumer_group",),
    "controls": ("command_id",),
    "replays": ("replay_id", "partition"),
    "shipment_state": ("order_id",),
    "orders": ("order_id",),
    "order_changes": ("account", "order_id", "observed_at"),
    "order_contacts": ("order_id",),
    "returns": ("return_id",),
    "sales_orders": ("command_id",),
    "units": ("ean", "account", "unit_id"),
    "drift": ("drift_id",),
}
"""Dataset -> the fields that tell its records apart; of a compacted topic, the newest record of each key."""

TIME_OF: Final[Mapping[str, str]] = {
    "offer_results": "decided_at",
    "offer_field_results": "decided_at",
    "offers_not_found": "last_seen_at",
    "marketplace_calls": "sent_at",
    "offer_state": "updated_at",
    "routing": "accepted_at",
    "replays": "reported_at",
    "shipment_results": "decided_at",
    "shipment_state": "updated_at",
    "orders": "observed_at",
    "order_changes": "observed_at",
    "order_contacts": "observed_at",
    "returns": "observed_at",
    "sales_orders": "requested_at",
    "units": "observed_at",
    "drift": "detected_at",
}
"""Dataset -> the field that its freshness counts from."""

PERSONAL: Final[Mapping[str, frozenset[str]]] = {
    "order_contacts": frozenset({"buyer", "billing_address", "shipping_address"}),
}
"""Dataset -> its fields with personal data. No other topic has any."""

CHECKS: Final[Mapping[str, tuple[tuple[str, str, str], ...]]] = {
    "offer_results": (
        (
            "completeness",
            "Every record of the input has a result or a dead letter, once the connector has caught up.",
            "SELECT COUNT(*) FROM raw_offer_changes AS i LEFT JOIN offer_results AS r ON r.input_topic = i.kafka_topic "
            "AND r.input_partition = i.kafka_partition AND r.input_offset = i.kafka_offset LEFT JOIN dead_letters AS d "
            "ON d.input_topic = i.kafka_topic AND d.input_partition = i.kafka_partition AND d.input_offset = "
            "i.kafka_offset WHERE r.result_id IS NULL AND d.input_offset IS NULL",
        ),
        (
            "uniqueness",
            "One row of each input record is the one that counts.",
            "SELECT COUNT(*) - COUNT(DISTINCT result_id) FROM offer_outcomes",
        ),
    ),
    "shipment_results": (
        (
            "uniqueness",
            "One row of each order unit and event is the one that counts.",
            "SELECT COUNT(*) - COUNT(DISTINCT result_id) FROM shipment_outcomes",
        ),
    ),
    "orders": (
        (
            "completeness",
            "Every order has its units.",
            "SELECT COUNT(*) FROM orders AS o WHERE NOT EXISTS "
            "(SELECT 1 FROM order_units AS u WHERE u.order_id = o.order_id)",
        ),
        (
            "uniqueness",
            "An order unit belongs to one order: sums of revenue count it once.",
            "SELECT COUNT(*) - COUNT(DISTINCT order_unit_id) FROM order_units",
        ),
    ),
}
"""Dataset -> dimension, description and query over the flat views, whose result must be 0."""
