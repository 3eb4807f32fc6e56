"""Encodes and decodes the messages of the order flow: keys, and values in Confluent's wire format. Pure."""

from collections.abc import Mapping
from typing import Any, Final, NoReturn

import schemas
from connector.contracts.codec import KeyReader, KeyWriter, SchemaIds, key_writer, reader_of, schema_name, writer_of
from connector.contracts.codes import Code, explain
from connector.orders.events import (
    Command,
    ListedReturn,
    Listing,
    ListState,
    OrderContact,
    OrderLaneState,
    OrderObserved,
    PollState,
    ReturnLaneState,
    ReturnObserved,
    SalesOrderRequested,
    SchedulerCommand,
    SchedulerState,
    SeenRow,
    Trouble,
    UnitFees,
)
from connector.reconciliation.events import FinishedSweep, RunningSweep, SweepState
from streams.avro.codec import DecodeErrorCode, Decoder, Lookup
from streams.avro.compiled_writer import Writer
from streams.flow import BadRecord, NotYet, Record

_PARTS_OF_STATES: Final = (
    PollState, ListState, Listing, OrderLaneState, SeenRow, UnitFees, Trouble, ReturnLaneState, ListedReturn,
    SweepState, RunningSweep, FinishedSweep,
)  # fmt: skip


class OrderCodecs:
    """Every codec of the order flow. Made once; encoders may be called from any thread, decoders from one.

    Encoding raises for a value that does not fit its schema, or whose part is switched off; both are bugs. Decoding
    never raises for invalid input.
    """

    def __init__(self, ids: SchemaIds, lookup: Lookup) -> None:
        """``ids`` may lack the schemas of parts that are switched off."""
        self.encode_state: Final = writer_of(SchedulerState, ids.value(SchedulerState))
        self.encode_order: Final = _writer_if_on(OrderObserved, ids)
        self.encode_contact: Final = _writer_if_on(OrderContact, ids)
        self.encode_return: Final = _writer_if_on(ReturnObserved, ids)
        self.encode_sales_order: Final = _writer_if_on(SalesOrderRequested, ids)
        self.encode_command: Final = writer_of(SchedulerCommand, ids.value(SchedulerCommand))
        self.order_key: Final = _key_if_on(OrderObserved, ids)
        self.contact_key: Final = _key_if_on(OrderContact, ids)
        self.return_key: Final = _key_if_on(ReturnObserved, ids)
        self.sales_order_key: Final = _key_if_on(SalesOrderRequested, ids)
        self.command_key: Final = key_writer(ids.key(SchedulerCommand))
        self._key: Final = KeyReader(lookup, avro=ids.keys is not None, expected="the account")
        self._commands: Final = Decoder(schemas.load("scheduler_command", schemas.newest("scheduler_command")), lookup)
        self._states: Final = reader_of(SchedulerState, ids.value(SchedulerState), _PARTS_OF_STATES, lookup)

    def decode_command(self, record: Record) -> SchedulerCommand | BadRecord | NotYet:
        """Decodes an input record.

        Returns BadRecord if it cannot be decoded, and NotYet if its schema has not been fetched yet.
        """
        key = self._key.decode(record.key)
        if not isinstance(key, str):
            return key
        if record.value is None:
            return BadRecord(code=DecodeErrorCode.NOT_AVRO, text="the record has no value; a command is expected")
        value = self._commands.decode(record.value)
        return value if isinstance(value, BadRecord | NotYet) else _command(value, key, record)

    def glance_state(self, value: bytes) -> BadRecord | NotYet | None:
        """Returns why ``decode_state`` cannot run, or cannot run yet; None if it has the schema that it needs."""
        return self._states.glance(value)

    def decode_state(self, value: bytes) -> SchedulerState | BadRecord | NotYet:
        """Decodes what ``encode_state`` of this or any other version wrote."""
        state: SchedulerState | BadRecord | NotYet = self._states.decode(value)
        return state


def _writer_if_on(event: type, ids: SchemaIds) -> Writer:
    return writer_of(event, ids.value(event)) if _is_on(event, ids) else _switched_off


def _key_if_on(event: type, ids: SchemaIds) -> KeyWriter:
    return key_writer(ids.key(event)) if _is_on(event, ids) else _switched_off


def _is_on(event: type, ids: SchemaIds) -> bool:
    return schema_name(event) in ids.values


def _switched_off(event: object) -> NoReturn:
    """Stands for the codec of a part that is switched off."""
    raise ValueError(f"{type(event).__name__} belongs to a part that is switched off")


def _command(value: Mapping[str, Any], key: str, record: Record) -> SchedulerCommand | BadRecord:
    command = Command(value["command"])
    if command is Command.UNKNOWN:
        return BadRecord(code=Code.COMMAND_UNKNOWN, text=explain(Code.COMMAND_UNKNOWN).message)
    return SchedulerCommand(
        command=command,
        changed_from_us=value["changed_from"],
        storefront=value["storefront"],
        asked_by=value["asked_by"],
        asked_at_us=value["asked_at"],
        key=key,
        input_topic=record.at.topic,
        partition=record.at.partition,
        offset=record.offset,
    )
