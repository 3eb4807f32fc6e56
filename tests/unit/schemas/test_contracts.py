"""The schemas follow the conventions, match the event classes, and are compatible over their versions."""

import dataclasses
import functools
import json
import types
import typing
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import fastavro
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import schemas
from connector.contracts import call_log_row, problem
from connector.contracts.codec import schema_name
from connector.controls import commands
from connector.offers import events
from connector.orders import events as order_events
from connector.reconciliation import events as sweep_events
from connector.replays import progress
from connector.routing import events as routing_events
from connector.shipments import events as shipment_events
from streams.avro.codec import Decoder, frame
from streams.avro.compatibility import Level, cannot_read, problems
from streams.avro.compiled_writer import attribute
from tests.harness.effort import examples
from tests.unit.schemas.data import library_bytes, values

MODULES = (events, order_events, shipment_events, sweep_events, call_log_row, commands, progress, routing_events)
"""The modules that define the classes of the records."""
INPUTS = frozenset({"offer_changed", "shipment_dispatched"})
"""Records that other applications write and the connector reads."""
READ = INPUTS | {"scheduler_command"}
"""Records whose classes also hold the position of the record."""


def module_of(name: str) -> Any:
    """Returns the module of a schema's record class and of the classes of its parts."""
    (found,) = (m for m in MODULES if hasattr(m, schemas.load(name, 1)["name"]))
    return found


def class_in(module: Any, name: str) -> Any:
    """Returns the class of a record or an enum, from the module of its schema or from those that all flows share."""
    return next(getattr(one, name) for one in (module, sweep_events, problem) if hasattr(one, name))


EVERY = [(name, version) for name in schemas.NAMES for version in schemas.versions(name)]
OF_THE_RECORD = {
    "key", "input_topic", "partition", "offset", "record_time_us", "traceparent", "redriven",
}  # fmt: skip


def types_in(schema: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Yields every type with its path; named types where they are defined."""
    yield path, schema
    if isinstance(schema, list):
        for branch in schema:
            yield from types_in(branch, path)
    elif isinstance(schema, dict):
        for field in schema.get("fields", ()):
            yield from types_in(field["type"], f"{path}.{field['name']}")
        for inner in ("items", "values", "type"):
            if isinstance(schema.get(inner), dict | list):
                yield from types_in(schema[inner], path)


def records_in(schema: Any) -> Iterator[dict[str, Any]]:
    return (found for _, found in types_in(schema, "") if isinstance(found, dict) and found["type"] == "record")


@pytest.mark.parametrize(("name", "version"), EVERY)
def test_a_file_is_a_schema_named_as_its_record(name: str, version: int) -> None:
    schema = schemas.load(name, version)

    fastavro.parse_schema(json.loads(schemas.text(name, version)))

    assert schema_name(getattr(module_of(name), schema["name"])) == name
    assert schema["namespace"] == "kaufland.connector"


@pytest.mark.parametrize(("name", "version"), EVERY)
def test_every_record_enum_and_field_says_what_it_means(name: str, version: int) -> None:
    schema = schemas.load(name, version)
    silent = [
        path
        for path, found in types_in(schema, name)
        if isinstance(found, dict) and "name" in found and not found.get("doc")
    ]
    silent += [f"{r['name']}.{f['name']}" for r in records_in(schema) for f in r["fields"] if not f.get("doc")]

    assert silent == []


@pytest.mark.parametrize(("name", "version"), EVERY)
def test_what_may_be_null_says_when_and_is_null_by_default(name: str, version: int) -> None:
    for record in records_in(schemas.load(name, version)):
        for field in record["fields"]:
            nullable = isinstance(field["type"], list)
            assert nullable == ("null" in field["doc"].lower()), f"{record['name']}.{field['name']}: {field['doc']}"
            if nullable:
                assert field["type"][0] == "null"
                assert len(field["type"]) == 2
                assert field["default"] is None


@pytest.mark.parametrize(("name", "version"), EVERY)
def test_every_type_is_one_of_the_permitted_types(name: str, version: int) -> None:
    for path, found in types_in(schemas.load(name, version), name):
        assert found not in ("float", "double"), path
        if isinstance(found, dict) and "logicalType" in found:
            assert found in (
                {"type": "long", "logicalType": "timestamp-micros"},
                {"type": "bytes", "logicalType": "decimal", "precision": 18, "scale": 4},
            ), path
        if isinstance(found, dict) and found["type"] == "enum":
            assert (found["symbols"][0], found["default"]) == ("UNKNOWN", "UNKNOWN"), path


@pytest.mark.parametrize(("name", "version"), EVERY)
def test_every_list_and_map_is_empty_by_default(name: str, version: int) -> None:
    for record in records_in(schemas.load(name, version)):
        for field in record["fields"]:
            kind = field["type"].get("type") if isinstance(field["type"], dict) else None
            if kind in ("array", "map"):
                assert field["default"] == ([] if kind == "array" else {}), f"{record['name']}.{field['name']}"


# ---- events are one to one with the newest schemas ------------------------------------------------------------------

PLAIN = {"string": str, "bytes": bytes, "boolean": bool, "int": int, "long": int}


def expected_type(schema: Any, module: Any) -> Any:
    """Returns the Python type of an attribute for a field of this type."""
    match schema:
        case ["null", other]:
            return expected_type(other, module) | None
        case str() if schema in PLAIN:
            return PLAIN[schema]
        case str():
            return class_in(module, schema)
        case {"logicalType": "decimal"}:
            return Decimal
        case {"type": "record" | "enum", "name": name}:
            return class_in(module, name)
        case {"type": "array", "items": items}:
            return types.GenericAlias(tuple, (expected_type(items, module), ...))
        case {"type": "map"}:
            return typing.get_type_hints(events.OfferChanged)["attributes"]
        case _:
            return PLAIN[schema["type"]]


@pytest.mark.parametrize("name", schemas.NAMES)
def test_the_events_class_has_the_schemas_fields_in_name_order_and_type(name: str) -> None:
    schema, module = schemas.load(name, schemas.newest(name)), module_of(name)
    for record in records_in(schema):
        class_ = class_in(module, record["name"])
        hints = typing.get_type_hints(class_)
        read = record["name"] == schema["name"] and name in READ
        ours = {field: hints[field] for field in hints if not read or field not in OF_THE_RECORD}

        assert ours == {attribute(f): expected_type(f["type"], module) for f in record["fields"]}, record["name"]
        if not read:
            assert list(ours) == [attribute(field) for field in record["fields"]]


@pytest.mark.parametrize("name", schemas.NAMES)
def test_the_enums_have_the_schemas_symbols(name: str) -> None:
    for _, found in types_in(schemas.load(name, schemas.newest(name)), name):
        if isinstance(found, dict) and found["type"] == "enum":
            assert [member.value for member in class_in(module_of(name), found["name"])] == found["symbols"]


@pytest.mark.parametrize("module", [*MODULES, problem])
def test_events_are_frozen_and_slotted(module: Any) -> None:
    classes: list[Any] = [class_ for class_ in vars(module).values() if dataclasses.is_dataclass(class_)]

    assert classes
    assert all(class_.__dataclass_params__.frozen for class_ in classes)
    assert all("__slots__" in vars(class_) for class_ in classes)


# ---- versions -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", schemas.NAMES)
def test_every_version_may_follow_those_before_it(name: str) -> None:
    level = Level.BACKWARD_TRANSITIVE if name in INPUTS else Level.FULL_TRANSITIVE
    every = [schemas.load(name, version) for version in schemas.versions(name)]

    for at, schema in enumerate(every):
        assert problems(level, schema, every[:at]) == []


LARGE_DATA = (HealthCheck.data_too_large, HealthCheck.too_slow)
"""A state has more than a hundred fields, so that generated ones are large and take long on a busy machine."""


@functools.cache
def values_of(name: str, version: int) -> st.SearchStrategy[Any]:
    return values(schemas.load(name, version))


@functools.cache
def decoder_of(name: str, written: int, read: int) -> Decoder:
    return Decoder(schemas.load(name, read), {1: schemas.text(name, written)}.get)


@pytest.mark.parametrize(("name", "written"), EVERY)
@settings(max_examples=examples(20), suppress_health_check=LARGE_DATA)
@given(data=st.data())
def test_data_of_one_version_is_read_with_every_other(name: str, written: int, data: st.DataObject) -> None:
    writer = schemas.load(name, written)
    value = data.draw(values_of(name, written))
    message = frame(1) + library_bytes(writer, value)

    for read in schemas.versions(name):
        found = decoder_of(name, written, read).decode(message)
        shared = {field["name"] for field in writer["fields"]} & {
            field["name"] for field in schemas.load(name, read)["fields"]
        }
        assert isinstance(found, dict)
        assert found.keys() == {field["name"] for field in schemas.load(name, read)["fields"]}, read
        assert shared, read
        if read == written:
            assert found == value


def next_version(schema: dict[str, Any]) -> dict[str, Any]:
    """Returns a next version as the README permits: every record has a field added and one removed, every enum a symbol
    added.
    """
    changed: dict[str, Any] = json.loads(json.dumps(schema))
    for record in records_in(changed):
        optional = [field for field in record["fields"] if "default" in field and not _names_a_type(field["type"])]
        record["fields"] = [field for field in record["fields"] if field not in optional[:1]]
        record["fields"].insert(0, {"name": "brand_new", "type": ["null", "string"], "default": None})
    for _, found in types_in(changed, ""):
        if isinstance(found, dict) and found["type"] == "enum":
            found["symbols"].append("BRAND_NEW")
    return changed


def _names_a_type(schema: Any) -> bool:
    return '"name"' in json.dumps(schema)


@pytest.mark.parametrize("name", schemas.NAMES)
@settings(max_examples=examples(20), suppress_health_check=LARGE_DATA)
@given(data=st.data())
def test_data_of_the_next_version_is_read_with_this_one_and_the_reverse(name: str, data: st.DataObject) -> None:
    this = schemas.load(name, schemas.newest(name))
    following = next_version(this)
    assert problems(Level.FULL_TRANSITIVE, following, [this]) == []

    for writer, reader in ((this, following), (following, this)):
        value = data.draw(values(writer))
        found = Decoder(reader, {1: json.dumps(writer)}.get).decode(frame(1) + library_bytes(writer, value))
        assert isinstance(found, dict)
        assert found.keys() == {field["name"] for field in reader["fields"]}


@pytest.mark.parametrize("name", [name for name in schemas.NAMES if name not in INPUTS])
def test_a_field_without_a_default_can_neither_come_nor_go(name: str) -> None:
    this = schemas.load(name, schemas.newest(name))
    more = {**this, "fields": [*this["fields"], {"name": "must", "type": "string"}]}

    assert cannot_read(reader=more, writer=this) == ["/must: is not written, and has no default"]
    assert problems(Level.FULL_TRANSITIVE, more, [this])
    assert problems(Level.FULL_TRANSITIVE, this, [more])


# ---- types that several schemas use ---------------------------------------------------------------------------------


def test_a_type_that_several_schemas_use_has_one_definition() -> None:
    """Otherwise code that is generated from all newest versions would have two classes of one name."""
    forms: dict[str, set[str]] = {}
    for name in schemas.NAMES:
        for kind in named_types(schemas.load(name, schemas.newest(name))):
            forms.setdefault(kind["name"], set()).add(json.dumps(without_docs(kind), sort_keys=True))

    assert {name: len(found) for name, found in forms.items() if len(found) > 1} == {}
    assert len(forms) > len(schemas.NAMES)


def named_types(schema: Any) -> Iterator[dict[str, Any]]:
    """Yields each record and enum that a schema defines."""
    match schema:
        case list():
            for branch in schema:
                yield from named_types(branch)
        case dict():
            if schema.get("type") in ("record", "enum"):
                yield schema
            for part in schema.values():
                yield from named_types(part)
        case _:
            return


def without_docs(schema: Any) -> Any:
    """Returns what code is generated from: everything but documentation and the mark of the state's readers."""
    match schema:
        case list():
            return [without_docs(branch) for branch in schema]
        case dict():
            return {key: without_docs(part) for key, part in schema.items() if key not in ("doc", "may_be_lost")}
        case plain:
            return plain


# ---- one shape for where --------------------------------------------------------------------------------------------

WHERE = ("target_id", "account", "storefront", "condition", "ean", "offer_id", "unit_id")
ABOUT_ONE_OFFER = ("offer_result", "offer_field_result", "offer_not_found", "unit_observed", "offer_drifted")
LACKS = {
    "offer_changed": ["account", "storefront"],  # what a producer says by target_id
    "offer_state/UnitState": ["target_id", "ean"],  # account and storefront stand for the target; the EAN is the key
    "offer_state/Undone": ["account", "storefront", "ean"],  # target_id stands for them
}
"""Records about one offer that have a part of the shape."""


def shape_of_where(record: dict[str, Any]) -> dict[str, Any]:
    """Returns the type of each field that says where an offer is, without null."""
    found = {}
    for field in record["fields"]:
        if field["name"] in WHERE:
            (found[field["name"]],) = (branch for branch in _branches(field["type"]) if branch != "null")
    return found


def _branches(avro: Any) -> list[Any]:
    return avro if isinstance(avro, list) else [avro]


@pytest.mark.parametrize("name", ABOUT_ONE_OFFER)
def test_a_record_about_an_offer_says_where_it_is_in_one_shape(name: str) -> None:
    shape = shape_of_where(schemas.load(name, schemas.newest(name)))

    assert shape == {field: "long" if field == "unit_id" else "string" for field in WHERE}


def test_a_part_of_the_shape_has_the_same_names_and_types_and_is_known_here() -> None:
    lacking = {}
    for name in schemas.NAMES:
        schema = schemas.load(name, schemas.newest(name))
        for record in records_in(schema):
            shape, is_whole = shape_of_where(record), record["name"] == schema["name"]
            place = name if is_whole else f"{name}/{record['name']}"
            assert all(kind == ("long" if field == "unit_id" else "string") for field, kind in shape.items()), place
            if place in LACKS or (is_whole and {"condition", "offer_id"} <= shape.keys()):
                lacking[place] = [field for field in WHERE if field not in shape]

    assert lacking == LACKS | {name: [] for name in ABOUT_ONE_OFFER}
