"""Encodes and decodes the records of the topic of routing, one for each consumer group. Pure.

Earlier versions wrote JSON: ``{"targets": {"shop-de": {"account": "main", "storefront": "de"}}}``. It is still read.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from connector.contracts.codec import SchemaIds, encoder_of_strings, key_writer, newest_schema, writer_of
from connector.routing.events import RoutedTarget, RoutingAccepted
from streams.avro.codec import Decoder, Lookup
from streams.flow import BadRecord, NotYet

_HEADER_BYTES: Final = 5  # a zero and the schema's id


class RoutingCodec:
    """Reads every record; writes where ``ids`` has the schema. Not thread-safe."""

    def __init__(self, lookup: Lookup, ids: SchemaIds | None = None) -> None:
        self._ids = ids
        self._decoder: Final = Decoder(newest_schema(RoutingAccepted), lookup)

    def encode(self, routing: RoutingAccepted) -> tuple[bytes, bytes]:
        """Returns key and value of a record."""
        if self._ids is None:
            raise ValueError("the ids of the schemas were not looked up")
        value = writer_of(RoutingAccepted, self._ids.value(RoutingAccepted))(routing)
        return key_writer(self._ids.key(RoutingAccepted))(routing.consumer_group), value

    def decode(self, group: str, value: bytes) -> RoutingAccepted | NotYet:
        """Decodes a record of any version. Raises ValueError for anything else."""
        if value.startswith(b"{"):
            return _from_json(group, value)
        found = self._decoder.decode(value)
        match found:
            case NotYet():
                return found
            case BadRecord(text=text):
                raise ValueError(f"not a routing table: {text}: {value[:200]!r}")
            case _:
                return _accepted(group, found["targets"], found["accepted_at"])


def is_key_of(group: str, key: bytes) -> bool:
    """Whether a key names this group: as plain UTF-8, or as an Avro string, whatever the id of its schema."""
    plain = key == group.encode()
    return plain or (key[:1] == b"\0" and key[_HEADER_BYTES:] == encoder_of_strings(0)(group)[_HEADER_BYTES:])


def _from_json(group: str, value: bytes) -> RoutingAccepted:
    try:
        targets: Any = json.loads(value)["targets"]
        rows = [{"target_id": str(name), **at} for name, at in targets.items()]
        return _accepted(group, rows, 0)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a routing table: {value[:200]!r}") from error


def _accepted(group: str, rows: Iterable[Mapping[str, Any]], accepted_at_us: int) -> RoutingAccepted:
    targets = tuple(
        RoutedTarget(target_id=row["target_id"], account=row["account"], storefront=row["storefront"]) for row in rows
    )
    return RoutingAccepted(consumer_group=group, targets=targets, accepted_at_us=accepted_at_us)
