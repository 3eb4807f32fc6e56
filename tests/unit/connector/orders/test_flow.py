"""What the order flow reads, stores and writes."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings

import schemas
from connector.contracts.codec import SchemaIds
from connector.orders.codec import OrderCodecs
from connector.orders.events import Command, OrderContact, SchedulerCommand, SchedulerState
from connector.orders.lane_keys import LaneKey, order_key, parse_key, return_key
from connector.orders.lane_step import ListedRows
from connector.orders.policy import OrderPolicy
from connector.reconciliation.events import SweepAsked
from connector.reconciliation.policy import SweepPolicy
from connector.reconciliation.sweep_lane import SweepTerms
from streams.avro.codec import Decoder, frame
from streams.flow import Arrived, Assignment, BadRecord, NotYet, Now, Record, Settled
from tests.harness.order_harness import (
    IDS,
    SECOND,
    START_US,
    TEXTS,
    TOPICS,
    OrderHarness,
    codecs,
    flow_of,
    found,
    row_of,
    unit,
)
from tests.unit.schemas.data import as_object, library_bytes, values

NOW = Now(mono_s=0.0, wall_us=START_US)
ASKED = SchedulerCommand(
    command=Command.POLL_NOW,
    changed_from_us=START_US - SECOND,
    asked_by="cli",
    asked_at_us=START_US,
    key="main",
    input_topic=TOPICS.scheduler,
    partition=0,
    offset=17,
)


def record(key: bytes | None, value: bytes | None) -> Record:
    at = Assignment(topic=TOPICS.scheduler, partition=0, epoch=1)
    return Record(at=at, offset=17, key=key, value=value, time_us=START_US)


def test_a_command_is_read_as_it_was_written() -> None:
    read = flow_of().read(record(codecs().command_key("main"), codecs().encode_command(ASKED)), NOW)

    assert read == Arrived(lane="main", event=ASKED)


SWEPT = SweepTerms(policy=SweepPolicy(places=frozenset({("main", "de")})))


def sweep_of(storefront: str) -> SchedulerCommand:
    return replace(ASKED, command=Command.SWEEP_NOW, changed_from_us=None, storefront=storefront)


def with_command(symbol: str) -> bytes:
    value = {"command": symbol, "changed_from": None, "storefront": None, "asked_by": "", "asked_at": START_US}
    newest = schemas.load("scheduler_command", schemas.newest("scheduler_command"))
    return frame(IDS.values["scheduler_command"]) + library_bytes(newest, value)


@pytest.mark.parametrize(
    ("key", "value", "code"),
    [
        (b"main", b"no avro", "NOT_AVRO"),
        (b"main", None, "NOT_AVRO"),
        (None, codecs().encode_command(ASKED), "KEY_MISSING"),
        (b"\xff\xfe", codecs().encode_command(ASKED), "KEY_MALFORMED"),
        (b"other", codecs().encode_command(ASKED), "ACCOUNT_NOT_POLLED"),
        (b"main/M1", codecs().encode_command(ASKED), "ACCOUNT_NOT_POLLED"),
        (b"main", with_command("UNKNOWN"), "COMMAND_UNKNOWN"),
        (b"main", with_command("SWEEP_NOW"), "UNITS_NOT_SWEPT"),
        (b"main", codecs().encode_command(sweep_of("at")), "UNITS_NOT_SWEPT"),
        (b"other", codecs().encode_command(sweep_of("de")), "UNITS_NOT_SWEPT"),
    ],
)
def test_a_record_that_is_no_command_becomes_a_dead_letter(key: bytes | None, value: bytes | None, code: str) -> None:
    bad = flow_of(sweeps=SWEPT).read(record(key, value), NOW)

    assert isinstance(bad, BadRecord)
    assert bad.code == code


def test_a_command_to_sweep_is_for_the_lane_of_its_storefront_and_needs_no_polled_account() -> None:
    flow = flow_of(OrderPolicy(accounts=frozenset()), sweeps=SWEPT)

    read = flow.read(record(b"main", codecs().encode_command(sweep_of("de"))), NOW)

    assert read == Arrived(lane="main/units/de", event=SweepAsked(offset=17))


def test_a_version_that_knows_polls_alone_makes_a_dead_letter_of_a_command_to_sweep() -> None:
    older = Decoder(schemas.load("scheduler_command", 1), TEXTS.get)

    read = older.decode(codecs().encode_command(sweep_of("de")))

    assert isinstance(read, dict)
    assert read["command"] == "UNKNOWN"


def test_a_command_of_a_schema_that_is_not_here_waits_for_it() -> None:
    read = OrderCodecs(IDS, lambda _: None).decode_command(record(b"main", codecs().encode_command(ASKED)))

    assert isinstance(read, NotYet)


@settings(max_examples=100)
@given(values(schemas.load("scheduler_state", schemas.newest("scheduler_state"))))
def test_every_state_that_can_be_stored_is_loaded_as_it_was(value: dict[str, Any]) -> None:
    schema = schemas.load("scheduler_state", schemas.newest("scheduler_state"))
    stored = codecs().encode_state(as_object(schema, value))

    state = codecs().decode_state(stored)

    assert isinstance(state, SchedulerState)
    assert codecs().encode_state(state) == stored
    assert state.account == value["account"]


def test_bytes_that_are_no_lane_state_are_refused() -> None:
    with pytest.raises(ValueError, match="connector state forget main"):
        flow_of().load("main", b"no state")


def test_a_disabled_dataset_needs_no_schema_and_writes_nothing() -> None:
    few = ("order_observed", "scheduler_state", "scheduler_command")
    lean = OrderCodecs(SchemaIds(values={name: IDS.values[name] for name in few}), TEXTS.get)

    with pytest.raises(ValueError, match="OrderContact belongs to a part that is switched off"):
        lean.encode_contact(OrderContact(account="main", order_id="M1", observed_at_us=1))


def test_the_key_of_a_lane_is_parsed_into_its_parts() -> None:
    assert parse_key("main") == LaneKey(account="main")
    assert parse_key(order_key("main", "MB7UWLD")) == LaneKey(account="main", order_id="MB7UWLD")
    assert parse_key(return_key("main", 7)) == LaneKey(account="main", return_id=7)
    assert parse_key("main/return/x") == LaneKey(account="main", order_id="return/x")


def test_every_output_but_a_dead_letter_is_a_cloud_event_about_its_key() -> None:
    harness = OrderHarness(flow=flow_of(contacts=True, create_sales_orders=True))
    harness.tell("M1", ListedRows(rows=(row_of(unit()),)))
    harness.reply(Settled(answer=found(unit(), contact=None)), "main/M1")

    assert [output.topic for output in harness.outputs] == [TOPICS.orders, TOPICS.order_changes, TOPICS.sales_orders]
    for output in harness.outputs:
        headers = dict(output.headers)
        assert headers["ce_subject"] == output.key == b"M1"
        assert headers["content-type"] == b"application/avro"
    assert dict(harness.outputs[0].headers)["ce_type"] == b"kaufland.connector.OrderObserved.v1"


def test_the_kinds_of_the_flow_belong_to_their_groups_and_travel_alone() -> None:
    flow = flow_of()

    assert [flow.group(kind) for kind in ("order", "order-page", "return-page", "return", "send", "update:de")] == [
        "orders",
        "orders",
        "returns",
        "returns",
        "shipments",
        None,
    ]
    assert flow.kind_limit("order") == 1
    assert (flow.topic, flow.state_topic) == (TOPICS.scheduler, TOPICS.scheduler_state)
