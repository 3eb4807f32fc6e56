"""A data contract for each output topic, in the Open Data Contract Standard, version 3. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

import schemas
from connector.analytics.flat_views import ColumnType, ListOf, Shape, Struct, TextMap, shape_of
from connector.analytics.terms import CHECKS, PERSONAL, TIME_OF, ContractTerms, TopicTerms, terms_of

API_VERSION: Final = "v3.1.0"
_LOGICAL: Final[Mapping[ColumnType, str]] = {
    ColumnType.TEXT: "string",
    ColumnType.INT: "integer",
    ColumnType.LONG: "integer",
    ColumnType.BOOLEAN: "boolean",
    ColumnType.DECIMAL: "number",
    ColumnType.TIME: "timestamp",
    ColumnType.BYTES: "string",
}
_PHYSICAL: Final[Mapping[ColumnType, str]] = {
    ColumnType.TEXT: "string",
    ColumnType.INT: "int",
    ColumnType.LONG: "long",
    ColumnType.BOOLEAN: "boolean",
    ColumnType.DECIMAL: "decimal(18,4)",
    ColumnType.TIME: "timestamp-micros",
    ColumnType.BYTES: "bytes",
}
_LETTER: Final = (
    ("__connect.errors.topic", "Input topic of the record."),
    ("__connect.errors.partition", "Its partition."),
    ("__connect.errors.offset", "Its offset."),
    ("__connect.errors.exception.message", "What was wrong with it, in words."),
    ("code", "Why it could not be read, a code."),
    ("attempts", "How often it was read in vain."),
    ("instance", "The process that read it."),
)
"""Headers of a dead letter, each with its meaning."""


def contracts(terms: ContractTerms) -> dict[str, dict[str, Any]]:
    """Returns the contract of each output topic, by dataset. Its minor version is that of the schema."""
    return {topic.dataset: _contract(topic, terms) for topic in terms_of(terms) if topic.is_output}


def _contract(topic: TopicTerms, terms: ContractTerms) -> dict[str, Any]:
    personal = PERSONAL.get(topic.dataset, frozenset())
    return {
        "apiVersion": API_VERSION,
        "kind": "DataContract",
        "id": str(uuid5(NAMESPACE_URL, f"kaufland-stream-connector/{topic.spec.name}")),
        "name": topic.spec.name,
        "version": f"1.{schemas.newest(topic.record) if topic.record else 0}.0",
        "status": "active",
        "domain": topic.spec.feature.value,
        **({"tags": ["personal-data"]} if personal else {}),
        "description": {
            "purpose": f"{topic.spec.meant_for}.",
            "usage": "Read with isolation.level=read_committed. docs/analytics.md says which row counts.",
            **({"limitations": "Personal data: give it permissions of its own."} if personal else {}),
        },
        **({"team": {"name": terms.owner}} if terms.owner else {}),
        "schema": [_object(topic, personal)],
        "slaProperties": list(_levels(topic)),
    }


def _object(topic: TopicTerms, personal: frozenset[str]) -> dict[str, Any]:
    head = {"name": topic.dataset, "physicalName": topic.spec.name, "physicalType": "topic", "logicalType": "object"}
    if topic.record is None:
        letter = topic.dataset.endswith("_dlq")
        described = "The original bytes; properties are headers." if letter else "JSON, internal to the connector."
        properties = [_plain(name, doc) for name, doc in _LETTER] if letter else []
        return head | {"description": described, **({"properties": properties} if properties else {})}
    schema = schemas.load(topic.record, schemas.newest(topic.record))
    shape = shape_of(schema)
    if not isinstance(shape, Struct):
        raise TypeError(f"{topic.record} is no record")
    known: dict[str, Any] = {}
    properties = [
        _property(name, of, field, known) | _key_of(name, topic) | _classified(name, personal)
        for (name, of), field in zip(shape.fields, schema["fields"], strict=True)
    ]
    checks = list(_checks(topic))
    return head | {
        "description": _described(topic, schema["doc"]),
        "dataGranularityDescription": _granularity(topic),
        "properties": properties,
        **({"quality": checks} if checks else {}),
    }


def _described(topic: TopicTerms, doc: str) -> str:
    """Returns the doc of the record; another topic of it may be compacted where this one is not."""
    return doc if topic.is_compacted else doc.replace("; compacted.", ".")


def _granularity(topic: TopicTerms) -> str:
    if topic.is_compacted:
        return f"The newest record of each key counts; a tombstone ends the key. Key: {topic.spec.key}."
    return f"Every record counts as docs/analytics.md says. Key: {topic.spec.key}."


def _plain(name: str, doc: str) -> dict[str, Any]:
    return {"name": name, "logicalType": "string", "physicalType": "string", "description": doc}


def _property(name: str, shape: Shape, field: Any, known: dict[str, Any]) -> dict[str, Any]:
    avro = field["type"]
    found = {"name": name, **_typed(shape, avro, known), "required": not _nullable(avro)}
    return found | {"description": field["doc"]}


def _typed(shape: Shape, avro: Any, known: dict[str, Any]) -> dict[str, Any]:
    inner = _resolved(avro, known)
    match shape:
        case ColumnType():
            return {"logicalType": _LOGICAL[shape], "physicalType": _PHYSICAL[shape]}
        case TextMap():
            return {"logicalType": "object", "physicalType": "map<string>"}
        case ListOf(item):
            return {"logicalType": "array", "physicalType": "array", "items": _typed(item, inner["items"], known)}
        case Struct(fields=fields):
            properties = [
                _property(name, of, one, known) for (name, of), one in zip(fields, inner["fields"], strict=True)
            ]
            return {"logicalType": "object", "physicalType": "record", "properties": properties}


def _resolved(avro: Any, known: dict[str, Any]) -> Any:
    """Returns the type itself: not null, and not a name that was defined before."""
    if isinstance(avro, list):
        (avro,) = (branch for branch in avro if branch != "null")
    if isinstance(avro, str):
        return known.get(avro, avro)
    if "name" in avro:
        known[avro["name"]] = avro
    return avro


def _nullable(avro: Any) -> bool:
    return isinstance(avro, list) and "null" in avro


def _key_of(name: str, topic: TopicTerms) -> dict[str, Any]:
    if name not in topic.key:
        return {}
    alone = topic.key == (name,)
    found: dict[str, Any] = {"primaryKey": True, "primaryKeyPosition": topic.key.index(name) + 1, "unique": alone}
    if alone and not topic.is_compacted:
        duplicates = {"metric": "duplicateValues", "mustBe": 0, "dimension": "uniqueness"}
        found["quality"] = [{"type": "library", **duplicates}]
    return found


def _classified(name: str, personal: frozenset[str]) -> dict[str, Any]:
    return {"classification": "personal", "tags": ["personal-data"]} if name in personal else {}


def _checks(topic: TopicTerms) -> Iterator[dict[str, Any]]:
    for dimension, description, query in CHECKS.get(topic.dataset, ()):
        yield {"type": "sql", "dimension": dimension, "description": description, "query": query, "mustBe": 0}


def _levels(topic: TopicTerms) -> Iterator[dict[str, Any]]:
    element = topic.dataset
    days = topic.retention_days
    if days is not None:
        yield {"property": "retention", "value": days, "unit": "d", "element": element}
    else:
        told = "the newest record of each key is kept for ever"
        yield {"property": "retention", "value": "unlimited", "element": element, "description": told}
    if topic.dataset in TIME_OF:
        yield {
            "property": "latency",
            "value": topic.fresh_s,
            "unit": "s",
            "element": f"{element}.{TIME_OF[topic.dataset]}",
            "description": "a target, while broker and marketplace answer",
        }
