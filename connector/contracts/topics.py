"""The topics: their names, required layout and purpose. Data.

``connector topics`` prints them, compares them with the broker (``topic_checks.py``), and creates missing ones with
``--create``. ``run`` never creates, changes or deletes a topic. ``docs/topics.md`` is printed from here:
``python -m connector.contracts.topics``.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Final

DAY_MS = 24 * 60 * 60 * 1000


class Feature(StrEnum):
    """A feature that can be enabled or disabled; each has topics of its own."""

    OFFERS = "offers"
    FIELD_RESULTS = "offers.field_results"
    SHIPMENTS = "shipments"
    ORDERS = "orders"
    SCHEDULER = "orders or reconcile"  # on with either of them: both are scheduled by one partition
    RECONCILE = "reconcile"
    CONTACTS = "orders.contacts"
    RETURNS = "orders.returns"
    SALES_ORDERS = "orders.create_sales_orders"


ALL_FEATURES = frozenset(Feature)

_SCHEDULED = frozenset({Feature.ORDERS, Feature.RECONCILE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Topics:
    """The name of each dataset, and which features are enabled."""

    offer_changes: str
    offer_results: str
    offer_field_results: str
    offers_not_found: str
    offer_state: str
    unit_owners: str
    controls: str
    replays: str
    marketplace_calls: str
    offer_changes_dlq: str
    routing: str
    shipments: str
    shipment_results: str
    shipment_state: str
    shipments_dlq: str
    scheduler: str
    scheduler_state: str
    scheduler_dlq: str
    orders: str
    order_changes: str
    order_contacts: str
    returns: str
    sales_orders: str
    units: str
    drift: str
    features: frozenset[Feature] = frozenset({Feature.OFFERS})

    @property
    def dead_letters(self) -> dict[str, str]:
        """The dead-letter topic of each input topic of the enabled features."""
        return {
            getattr(self, source): getattr(self, f"{source}_dlq")
            for source, feature in INPUTS.items()
            if feature in self.features
        }


DATASETS = tuple(field.name for field in fields(Topics) if field.name != "features")
INPUTS: Final[Mapping[str, Feature]] = {
    "offer_changes": Feature.OFFERS,
    "shipments": Feature.SHIPMENTS,
    "scheduler": Feature.SCHEDULER,
}
"""The datasets that are read as input, each with the feature that reads it."""


def named(prefix: str, features: frozenset[Feature] = frozenset({Feature.OFFERS}), **chosen: str | None) -> Topics:
    """Names each dataset ``<prefix>.<dataset>.v1`` and dead letters after their input, except where ``chosen``.

    Features that need the scheduler bring it along.
    """
    names = {name: f"{prefix}.{name.replace('_', '-')}.v1" for name in DATASETS}
    names |= {name: topic for name, topic in chosen.items() if topic is not None}
    for source in INPUTS:
        if chosen.get(f"{source}_dlq") is None:
            names[f"{source}_dlq"] = f"{names[source]}.dlq"
    return Topics(**names, features=features | ({Feature.SCHEDULER} if features & _SCHEDULED else frozenset()))


class Access(StrEnum):
    """How the connector accesses a topic."""

    READ = "read"
    WRITE = "write"
    BOTH = "read and write"


class Layout(StrEnum):
    """The required number of partitions."""

    INPUT = "any number; it may not change"
    LIKE_INPUT = "exactly as many as the input"
    AT_LEAST_INPUT = "at least as many as the input"
    SINGLE = "exactly one"
    ONE = "one; only the first is used"
    FREE = "any number"


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicSpec:
    """The specification of one topic. ``source`` is the input topic that it belongs to, or the topic itself."""

    name: str
    feature: Feature
    key: str
    access: Access
    layout: Layout
    source: str
    config: Mapping[str, str]
    meant_for: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Dataset:
    """A dataset, independent of its topic's name. ``kept_days`` None: retained for ever."""

    dataset: str
    feature: Feature
    key: str
    access: Access
    layout: Layout
    cleanup: str = "delete"
    kept_days: int | None = None
    config: Mapping[str, str] | None = None
    source: str
    meant_for: str

    def of(self, topics: Topics) -> TopicSpec:
        config = {"cleanup.policy": self.cleanup, **(self.config or {})}
        if self.kept_days is not None:
            config["retention.ms"] = str(self.kept_days * DAY_MS)
        return TopicSpec(
            name=getattr(topics, self.dataset),
            feature=self.feature,
            key=self.key,
            access=self.access,
            layout=self.layout,
            source=getattr(topics, self.source),
            config=config,
            meant_for=self.meant_for,
        )


_COMPACTED_OFTEN: Final[Mapping[str, str]] = {"min.cleanable.dirty.ratio": "0.1"}  # it is read whole at each restart

_ROWS = (
    _Dataset(
        dataset="offer_changes",
        feature=Feature.OFFERS,
        key="EAN",
        access=Access.READ,
        layout=Layout.INPUT,
        kept_days=30,
        source="offer_changes",
        meant_for="the source of truth for wanted values; a rebuild reaches as far as its retention",
    ),
    _Dataset(
        dataset="offer_results",
        feature=Feature.OFFERS,
        key="EAN",
        access=Access.WRITE,
        layout=Layout.FREE,
        kept_days=90,
        source="offer_changes",
        meant_for="what became of every event",
    ),
    _Dataset(
        dataset="offer_field_results",
        feature=Feature.FIELD_RESULTS,
        key="EAN",
        access=Access.WRITE,
        layout=Layout.FREE,
        kept_days=90,
        source="offer_changes",
        meant_for="what became of every field of every event: offer-results as flat rows, for readers that take no "
        "nested records",
    ),
    _Dataset(
        dataset="offers_not_found",
        feature=Feature.OFFERS,
        key="target, condition, offer id, EAN",
        access=Access.WRITE,
        layout=Layout.AT_LEAST_INPUT,
        cleanup="compact,delete",
        kept_days=90,
        source="offer_changes",
        meant_for="people and patterns; a tombstone when resolved",
    ),
    _Dataset(
        dataset="marketplace_calls",
        feature=Feature.OFFERS,
        key="account",
        access=Access.WRITE,
        layout=Layout.FREE,
        kept_days=30,
        source="offer_changes",
        meant_for="one row per HTTP attempt",
    ),
    _Dataset(
        dataset="offer_state",
        feature=Feature.OFFERS,
        key="EAN",
        access=Access.BOTH,
        layout=Layout.LIKE_INPUT,
        cleanup="compact",
        config=_COMPACTED_OFTEN,
        source="offer_changes",
        meant_for="identity, last accepted and undone: restored from, and joined by analytics",
    ),
    _Dataset(
        dataset="unit_owners",
        feature=Feature.OFFERS,
        key="account/unit/EAN",
        access=Access.BOTH,
        layout=Layout.ONE,
        cleanup="compact",
        source="offer_changes",
        meant_for="which EAN may write to a unit whose product carries several (JSON, internal)",
    ),
    _Dataset(
        dataset="controls",
        feature=Feature.OFFERS,
        key="command id",
        access=Access.READ,
        layout=Layout.ONE,
        cleanup="compact",
        source="offer_changes",
        meant_for="commands that every process obeys: hold, pause, stop all writes, resend, replay",
    ),
    _Dataset(
        dataset="replays",
        feature=Feature.OFFERS,
        key="replay id/partition",
        access=Access.WRITE,
        layout=Layout.FREE,
        cleanup="compact,delete",
        kept_days=90,
        source="offer_changes",
        meant_for="how far each replay has come in each partition of the input",
    ),
    _Dataset(
        dataset="offer_changes_dlq",
        feature=Feature.OFFERS,
        key="the original",
        access=Access.WRITE,
        layout=Layout.FREE,
        kept_days=90,
        source="offer_changes",
        meant_for="what could not be read, with the reason in its headers",
    ),
    _Dataset(
        dataset="routing",
        feature=Feature.OFFERS,
        key="consumer group",
        access=Access.BOTH,
        layout=Layout.ONE,
        cleanup="compact",
        source="offer_changes",
        meant_for="what each target id was accepted to mean, account and storefront: run refuses another meaning",
    ),
    _Dataset(
        dataset="shipments",
        feature=Feature.SHIPMENTS,
        key="order id",
        access=Access.READ,
        layout=Layout.INPUT,
        kept_days=30,
        source="shipments",
        meant_for="parcels that left",
    ),
    _Dataset(
        dataset="shipment_results",
        feature=Feature.SHIPMENTS,
        key="order id",
        access=Access.WRITE,
        layout=Layout.FREE,
        kept_days=90,
        source="shipments",
        meant_for="what became of every order unit of every event, and which units are still open",
    ),
    _Dataset(
        dataset="shipment_state",
        feature=Feature.SHIPMENTS,
        key="order id",
        access=Access.BOTH,
        layout=Layout.LIKE_INPUT,
        cleanup="compact",
        config=_COMPACTED_OFTEN,
        source="shipments",
        meant_for="ours: what was confirmed and what is undone; gone weeks after the last unit was sent",
    ),
    _Dataset(
        dataset="shipments_dlq",
        feature=Feature.SHIPMENTS,
        key="the original",
        access=Access.WRITE,
        layout=Layout.FREE,
        kept_days=90,
        source="shipments",
        meant_for="what could not be read, with the reason in its headers",
    ),
    _Dataset(
        dataset="scheduler",
        feature=Feature.SCHEDULER,
        key="account",
        access=Access.BOTH,
        layout=Layout.SINGLE,
        kept_days=7,
        source="scheduler",
        meant_for="who owns it polls the orders and sweeps the units; commands such as poll now",
    ),
    _Dataset(
        dataset="scheduler_state",
        feature=Feature.SCHEDULER,
        key="account, or account/order id and the like",
        access=Access.BOTH,
        layout=Layout.LIKE_INPUT,
        cleanup="compact",
        config=_COMPACTED_OFTEN,
        source="scheduler",
        meant_for="ours: where the next poll or sweep begins, and orders that are not yet written or not yet complete",
    ),
    _Dataset(
        dataset="scheduler_dlq",
        feature=Feature.SCHEDULER,
        key="account or order id",
        access=Access.WRITE,
        layout=Layout.FREE,
        kept_days=90,
        source="scheduler",
        meant_for="commands that could not be read; rows and orders that could not be read, as digest and position",
    ),
    _Dataset(
        dataset="orders",
        feature=Feature.ORDERS,
        key="order id",
        access=Access.WRITE,
        layout=Layout.FREE,
        cleanup="compact",
        source="scheduler",
        meant_for="facts of orders, always whole, without personal data",
    ),
    _Dataset(
        dataset="order_changes",
        feature=Feature.ORDERS,
        key="order id",
        access=Access.WRITE,
        layout=Layout.FREE,
        kept_days=365,
        source="scheduler",
        meant_for="the history of orders: every record of orders, none replaced by a later one",
    ),
    _Dataset(
        dataset="order_contacts",
        feature=Feature.CONTACTS,
        key="order id",
        access=Access.WRITE,
        layout=Layout.FREE,
        cleanup="compact,delete",
        kept_days=7,
        source="scheduler",
        meant_for="PERSONAL DATA: names and addresses; give it permissions of its own",
    ),
    _Dataset(
        dataset="returns",
        feature=Feature.RETURNS,
        key="return id",
        access=Access.WRITE,
        layout=Layout.FREE,
        cleanup="compact",
        source="scheduler",
        meant_for="returns as they are observed; nothing is accepted or rejected",
    ),
    _Dataset(
        dataset="sales_orders",
        feature=Feature.SALES_ORDERS,
        key="order id",
        access=Access.WRITE,
        layout=Layout.FREE,
        kept_days=30,
        source="scheduler",
        meant_for="one command for each new order, for the seller's ERP",
    ),
    _Dataset(
        dataset="units",
        feature=Feature.RECONCILE,
        key="EAN/account/unit",
        access=Access.BOTH,
        layout=Layout.LIKE_INPUT,
        cleanup="compact,delete",
        kept_days=7,
        source="offer_changes",
        meant_for="what the marketplace shows of every unit, as of the last sweep; a unit that no sweep shows expires",
    ),
    _Dataset(
        dataset="drift",
        feature=Feature.RECONCILE,
        key="EAN",
        access=Access.WRITE,
        layout=Layout.FREE,
        kept_days=90,
        source="offer_changes",
        meant_for="values that differ from what the marketplace accepted, with the cause as far as it is known",
    ),
)


def manifest(topics: Topics) -> tuple[TopicSpec, ...]:
    """Returns the topics of the enabled features."""
    return tuple(row.of(topics) for row in _ROWS if row.feature in topics.features)


# ---- the printed page -----------------------------------------------------------------------------------------------


def document() -> str:
    """Returns the content of docs/topics.md: the topics with their default names."""
    rows = [
        f"| `{topic.name}` | {topic.feature.value} | {topic.key} | {topic.config['cleanup.policy']} | {_kept(topic)} "
        f"| {topic.layout.value} | {topic.access.value} | {topic.meant_for} |"
        for topic in manifest(named("kaufland", ALL_FEATURES))
    ]
    head = [
        "# Topics",
        "",
        "With default names; every name and the prefix can be set. `connector topics` prints this for a configuration,",
        "with the permissions; `--check` compares it with the broker, `--create` creates what is missing. The fields",
        "of each Avro value stand in `schemas/`.",
        "",
        "| topic | of | key | cleanup | kept | partitions | the connector may | for |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    return "\n".join([*head, *rows, ""])


def _kept(topic: TopicSpec) -> str:
    kept = topic.config.get("retention.ms")
    return f"{int(kept) // DAY_MS} d" if kept else "for ever"


if __name__ == "__main__":
    sys.stdout.write(document())
