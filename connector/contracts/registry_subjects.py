"""The schema of each subject in the registry (TopicNameStrategy), and its id at run time. Pure."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import schemas
from connector.contracts.codec import STRING_SCHEMA, SchemaIds
from connector.contracts.topics import Feature, Topics
from streams.avro.compatibility import Level
from streams.errors import SchemaUnknown
from streams.schema_registry import Registry

REMEDY = "run `connector schemas register`"

_INPUTS = (
    (Feature.OFFERS, "offer_changed", "offer_changes"),
    (Feature.SHIPMENTS, "shipment_dispatched", "shipments"),
)
"""Feature, record and dataset of the topics that other systems write."""

_OUTPUTS = (
    (Feature.OFFERS, "offer_result", "offer_results"),
    (Feature.FIELD_RESULTS, "offer_field_result", "offer_field_results"),
    (Feature.OFFERS, "offer_not_found", "offers_not_found"),
    (Feature.OFFERS, "offer_state", "offer_state"),
    (Feature.OFFERS, "marketplace_called", "marketplace_calls"),
    (Feature.OFFERS, "routing_accepted", "routing"),
    (Feature.OFFERS, "control_command", "controls"),  # written by the command line, read by every process
    (Feature.OFFERS, "replay_progress", "replays"),
    (Feature.SHIPMENTS, "shipment_result", "shipment_results"),
    (Feature.SHIPMENTS, "shipment_state", "shipment_state"),
    (Feature.SCHEDULER, "scheduler_command", "scheduler"),  # written by the command line and the push receiver
    (Feature.SCHEDULER, "scheduler_state", "scheduler_state"),
    (Feature.ORDERS, "order_observed", "orders"),
    (Feature.ORDERS, "order_observed", "order_changes"),
    (Feature.CONTACTS, "order_contact", "order_contacts"),
    (Feature.RETURNS, "return_observed", "returns"),
    (Feature.SALES_ORDERS, "sales_order_requested", "sales_orders"),
    (Feature.RECONCILE, "unit_observed", "units"),
    (Feature.RECONCILE, "offer_drifted", "drift"),
)
"""Feature, record and dataset of the topics that the connector writes."""

RECORD_OF: Final[Mapping[str, str]] = {dataset: record for _, record, dataset in (*_INPUTS, *_OUTPUTS)}
"""The record of each dataset that is Avro."""

_READ_AT_START = (
    "offer_state",
    "shipment_state",
    "scheduler_state",
    "control_command",
    "routing_accepted",
    "unit_observed",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectSpec:
    """The required schema and compatibility level of a subject."""

    subject: str
    schema: str
    level: Level
    ours: bool = True  # False: the subject of an input, whose schemas its producers register


def wanted(topics: Topics, *, avro_keys: bool) -> tuple[SubjectSpec, ...]:
    """Returns every subject that the enabled features use."""
    found = [
        SubjectSpec(subject=value_subject(topic), schema=_text(record), level=Level.BACKWARD, ours=False)
        for record, topic in _on(_INPUTS, topics)
    ]
    found += (
        SubjectSpec(subject=value_subject(topic), schema=_text(record), level=Level.FULL_TRANSITIVE)
        for record, topic in _on(_OUTPUTS, topics)
    )
    if avro_keys:
        text = f'"{STRING_SCHEMA}"'
        found += (
            SubjectSpec(subject=key_subject(topic), schema=text, level=Level.BACKWARD, ours=False)
            for _, topic in _on(_INPUTS, topics)
        )
        found += (
            SubjectSpec(subject=key_subject(topic), schema=text, level=Level.FULL_TRANSITIVE)
            for _, topic in _on(_OUTPUTS, topics)
        )
    return tuple(found)


def look_up(registry: Registry, topics: Topics, *, avro_keys: bool) -> SchemaIds:
    """Returns the schema ids of our records. Blocks.

    Raises RegistryDown, and SchemaUnknown that names every subject without its schema.
    """
    missing: list[str] = []

    def id_of(subject: str, schema: str) -> int:
        found = registry.find(subject, schema)
        if found is None:
            missing.append(subject)
            return 0
        return found.id

    on = list(_on(_OUTPUTS, topics))
    values = {record: id_of(value_subject(topic), _text(record)) for record, topic in on}
    keys = {record: id_of(key_subject(topic), f'"{STRING_SCHEMA}"') for record, topic in on} if avro_keys else None
    if missing:
        raise SchemaUnknown(f"the registry lacks this version's schema of {', '.join(missing)}; {REMEDY}")
    return SchemaIds(values=values, keys=keys)


def prefetch(registry: Registry, topics: Topics, add: Callable[[int, str], None]) -> None:
    """Passes id and text of every version of the schemas of states, commands, routing and units to ``add``.

    Neither a restore nor a side input can wait until a schema is fetched.

    Raises RegistryDown.
    """
    for record, topic in _on(_OUTPUTS, topics):
        if record in _READ_AT_START:
            subject = value_subject(topic)
            for number in registry.versions(subject):
                found = registry.version(subject, number)
                add(found.id, found.schema)


def _on(table: Sequence[tuple[Feature, str, str]], topics: Topics) -> Iterator[tuple[str, str]]:
    """Returns record and topic of the enabled features."""
    return ((record, getattr(topics, dataset)) for feature, record, dataset in table if feature in topics.features)


def value_subject(topic: str) -> str:
    """Returns the subject of a topic's values."""
    return f"{topic}-value"


def key_subject(topic: str) -> str:
    """Returns the subject of a topic's keys."""
    return f"{topic}-key"


def _text(record: str) -> str:
    """Returns the newest version of the schema, which the event classes match."""
    return schemas.text(record, schemas.newest(record))
