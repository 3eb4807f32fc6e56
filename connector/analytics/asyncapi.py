"""The topics as an AsyncAPI 3 document with Kafka bindings. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import schemas
from connector.analytics.terms import PERSONAL, ContractTerms, TopicTerms, terms_of
from connector.contracts.headers import CONTENT_TYPE
from connector.contracts.topics import Access

AVRO: Final = "application/vnd.apache.avro;version=1.9.0"
BINDING: Final = "0.5.0"
HEADERS: Final[Mapping[str, str]] = {
    "ce_specversion": "Version of CloudEvents.",
    "ce_id": "Identifier of the record; a result's names the time of the decision too.",
    "ce_source": "The connector's group, as a URI reference.",
    "ce_type": "Type of the record.",
    "ce_time": "Time of the record, RFC 3339, UTC.",
    "ce_subject": "The record's key.",
    "ce_dataschema": "Where the registry has the schema of the value.",
    "content-type": CONTENT_TYPE.decode(),
    "instance_id": "The process that decided; results only.",
    "config_digest": "Digest of the settings that it decided with; results only.",
    "traceparent": "W3C trace context of the input record, where it had one.",
}
"""Headers of outputs, each with what it says."""


def asyncapi(terms: ContractTerms) -> dict[str, Any]:
    """Returns the document. Its minor version is the number of published schema versions: it grows with each."""
    topics = list(terms_of(terms))
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Kaufland Stream Connector",
            "version": f"1.{sum(len(schemas.versions(name)) for name in schemas.NAMES)}.0",
            "description": "The topics that the connector reads and writes. Operations are the connector's: it "
            "receives what others send, and sends what others read. Read with isolation.level=read_committed.",
            **({"contact": {"name": terms.owner}} if terms.owner else {}),
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": CONTENT_TYPE.decode(),
        "channels": {topic.dataset: _channel(topic) for topic in topics},
        "operations": dict(_operations(topics)),
        "components": {"messages": {_message_name(topic): _message(topic) for topic in topics}},
    }


def _channel(topic: TopicTerms) -> dict[str, Any]:
    name = _message_name(topic)
    config: dict[str, Any] = {"cleanup.policy": topic.cleanup}
    if topic.retention_ms is not None:
        config["retention.ms"] = topic.retention_ms
    return {
        "address": topic.spec.name,
        "title": topic.dataset.replace("_", " "),
        "description": f"{topic.spec.meant_for}. Key: {topic.spec.key}. Partitions: {topic.spec.layout.value}.",
        **({"tags": [{"name": "personal-data"}]} if topic.dataset in PERSONAL else {}),
        "messages": {name: {"$ref": f"#/components/messages/{name}"}},
        "bindings": {"kafka": {"topic": topic.spec.name, "topicConfiguration": config, "bindingVersion": BINDING}},
    }


def _operations(topics: Iterable[TopicTerms]) -> Iterator[tuple[str, Any]]:
    for topic in topics:
        for action, denied in (("receive", Access.WRITE), ("send", Access.READ)):
            if topic.spec.access is not denied:
                yield (
                    f"{action}_{topic.dataset}",
                    {"action": action, "channel": {"$ref": f"#/channels/{topic.dataset}"}},
                )


def _message_name(topic: TopicTerms) -> str:
    """Returns the record's name, or one made of the dataset's where the values are not Avro."""
    if topic.record is None:
        return "".join(word.capitalize() for word in topic.dataset.split("_"))
    return str(_schema(topic.record)["name"])


def _message(topic: TopicTerms) -> dict[str, Any]:
    kafka: dict[str, Any] = {"key": {"type": "string", "description": topic.spec.key}}
    if topic.record is None:
        return {
            "title": topic.dataset.replace("_", " "),
            "description": "The original bytes; the reason is in headers of Kafka Connect's names."
            if topic.dataset.endswith("_dlq")
            else "JSON, internal to the connector.",
            "contentType": "application/octet-stream" if topic.dataset.endswith("_dlq") else "application/json",
            "bindings": {"kafka": {**kafka, "bindingVersion": BINDING}},
        }
    schema = _schema(topic.record)
    kafka |= {
        "schemaIdLocation": "payload",
        "schemaIdPayloadEncoding": "confluent",
        "schemaLookupStrategy": "TopicNameStrategy",
        "bindingVersion": BINDING,
    }
    return {
        "title": schema["name"],
        "description": schema["doc"],
        "contentType": CONTENT_TYPE.decode(),
        **({"tags": [{"name": "personal-data"}]} if topic.dataset in PERSONAL else {}),
        **({"headers": _headers()} if topic.is_output else {}),
        "payload": {"schemaFormat": AVRO, "schema": schema},
        "bindings": {"kafka": kafka},
    }


def _headers() -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {name: {"type": "string", "description": text} for name, text in HEADERS.items()},
    }


def _schema(record: str) -> dict[str, Any]:
    return schemas.load(record, schemas.newest(record))
