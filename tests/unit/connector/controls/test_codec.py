"""Commands as Avro: every one survives, and what is no command never raises."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import schemas
from connector.contracts.codec import SchemaIds
from connector.controls.codec import ControlCodec
from connector.controls.commands import (
    CommandScope,
    ControlCommand,
    ControlKind,
    ControlState,
    ReplayRange,
    ReplayRequest,
)
from streams.avro.codec import frame
from streams.flow import BadRecord, NotYet
from tests.harness.effort import examples
from tests.unit.schemas.data import library_bytes

IDS = SchemaIds(values={"control_command": 1})
CODEC = ControlCodec(IDS, dict[int, str]().get)

texts = st.text(max_size=8)
times = st.integers(0, 2**53)
several = st.lists(texts, max_size=3).map(tuple)
scopes = st.builds(
    CommandScope,
    accounts=several,
    target_ids=several,
    storefronts=several,
    eans=several,
    fields=several,
    attributes=st.dictionaries(texts, texts, max_size=3),
)
offsets = st.integers(0, 2**40)
replays = st.builds(
    ReplayRequest,
    input_topic=texts,
    input_topic_id=texts,
    ranges=st.lists(st.builds(ReplayRange, partition=st.integers(0, 99), start=offsets, end=offsets), max_size=3).map(
        tuple
    ),
    statuses=several,
    is_paused=st.booleans(),
)
commands = st.builds(
    ControlCommand,
    command_id=texts,
    kind=st.sampled_from(ControlKind),
    state=st.sampled_from(ControlState),
    scope=scopes,
    reason=texts,
    issued_by=texts,
    issued_at_us=times,
    expires_at_us=st.none() | times,
    changed_by=st.none() | texts,
    changed_at_us=st.none() | times,
    replay=st.none() | replays,
)


@settings(max_examples=examples(100))
@given(commands)
def test_every_command_survives_a_round_trip(command: ControlCommand) -> None:
    assert CODEC.decode(CODEC.encode(command)) == command


@settings(max_examples=examples(100))
@given(st.binary(max_size=60), st.booleans())
def test_no_bytes_make_the_decoder_raise(data: bytes, framed: bool) -> None:
    assert isinstance(CODEC.decode(frame(1) + data if framed else data), ControlCommand | BadRecord | NotYet)


def test_a_kind_of_a_newer_version_is_unknown() -> None:
    newer = schemas.load("control_command", 1)
    kind = next(field["type"] for field in newer["fields"] if field["name"] == "kind")
    kind["symbols"].append("FREEZE")
    scope: dict[str, object] = {name: [] for name in ["accounts", "target_ids", "storefronts", "eans", "fields"]}
    value = {
        "command_id": "x",
        "kind": "FREEZE",
        "state": "IN_FORCE",
        "scope": {**scope, "attributes": {}},
        "reason": "",
        "issued_by": "anna",
        "issued_at": 1,
        "expires_at": None,
        "changed_by": None,
        "changed_at": None,
    }
    codec = ControlCodec(IDS, {2: json.dumps(newer)}.get)

    command = codec.decode(frame(2) + library_bytes(newer, value))

    assert isinstance(command, ControlCommand)
    assert command.kind is ControlKind.UNKNOWN


@pytest.mark.parametrize("value", [b"", b"\0\0\0\0\2"])
def test_a_value_that_is_no_command_says_why(value: bytes) -> None:
    said = CODEC.decode(value)

    assert isinstance(said, BadRecord | NotYet)
    assert said.text
