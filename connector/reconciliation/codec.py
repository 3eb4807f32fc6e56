"""Encodes and decodes what a sweep saw of a unit, and its marks, and chooses their keys and partitions. Pure."""

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Final

from connector.contracts.codec import KeyWriter, SchemaIds, key_writer, reader_of, writer_of
from connector.contracts.headers import Stamp
from connector.reconciliation.events import SweepMark, SweepPhase, UnitObserved
from streams.avro.codec import DecodeErrorCode, Lookup, ObjectDecoder
from streams.flow import BadRecord, NotYet, Output, Record
from streams.partitioner import partition_for

MARK: Final = "sweep"
"""The header of a mark: its fields as JSON. The record has no value, so that readers of units skip it."""


class UnitRows:
    """Writes records of the units topic. ``partitions``: of the input topic of offer changes."""

    def __init__(self, ids: SchemaIds, *, topic: str, partitions: int, stamp: Stamp) -> None:
        self._encode: Final = writer_of(UnitObserved, ids.value(UnitObserved))
        self._key: Final[KeyWriter] = key_writer(ids.key(UnitObserved))
        self._topic: Final = topic
        self._partitions: Final = partitions
        self._stamp: Final = stamp

    def output(self, row: UnitObserved) -> Output:
        """Returns the record of a row. Its partition is that of the EAN in the input, not that of its own key."""
        key = unit_key(row)
        return Output(
            topic=self._topic,
            key=self._key(key),
            value=self._encode(row),
            headers=self._stamp.of(
                UnitObserved, id_=f"{key}/{row.observed_at_us}", time_us=row.observed_at_us, subject=row.ean
            ),
            partition=partition_for(self._key(row.ean), self._partitions),
        )

    def marks(self, mark: SweepMark) -> tuple[Output, ...]:
        """Returns the records of a mark, one for each partition."""
        key = f"sweep/{mark.account}/{mark.storefront}"
        stamp = self._stamp.of(
            SweepMark, id_=f"{key}/{mark.sweep_at_us}/{mark.phase}", time_us=mark.sweep_at_us, subject=key
        )
        headers = (*stamp, (MARK, json.dumps(asdict(mark)).encode()))
        return tuple(
            Output(topic=self._topic, key=self._key(key), value=None, headers=headers, partition=partition)
            for partition in range(self._partitions)
        )


def read_mark(record: Record) -> SweepMark | None:
    """Returns the mark of a record without a value; None if it is another tombstone, or cannot be read."""
    text = next((value for name, value in record.headers if name == MARK), None)
    if text is None:
        return None
    try:
        found = json.loads(text)
        return SweepMark(
            account=str(found["account"]),
            storefront=str(found["storefront"]),
            sweep_at_us=int(found["sweep_at_us"]),
            phase=SweepPhase(found["phase"]),
            units=int(found["units"]),
            page_us=int(found["page_us"]),
            problem=str(found["problem"]),
        )
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None


def unit_key(row: UnitObserved) -> str:
    """Returns the text of a record's key: an EAN may have several units, and a unit several EANs."""
    return f"{row.ean}/{row.account}/{row.unit_id}"


def unit_reader(ids: SchemaIds, lookup: Lookup) -> Callable[[Record], UnitObserved | BadRecord | NotYet]:
    """Returns a function that decodes records of the units topic, in any version of the schema."""
    decoder: ObjectDecoder = reader_of(UnitObserved, ids.value(UnitObserved), (), lookup)

    def read(record: Record) -> UnitObserved | BadRecord | NotYet:
        if record.value is None:
            return BadRecord(code=DecodeErrorCode.NOT_AVRO, text="the record has no value")
        row: UnitObserved | BadRecord | NotYet = decoder.decode(record.value)
        return row

    return read
