"""States of several schema versions: the newest reads all; an older one refuses a state if it would lose a part."""

from collections.abc import Callable
from functools import cache
from io import BytesIO
from typing import Any

import fastavro
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import schemas
from connector.contracts import state_versions
from connector.contracts.codec import SchemaIds
from connector.offers.codec import OfferCodecs
from connector.offers.events import OfferState
from connector.orders.codec import OrderCodecs
from connector.orders.events import SchedulerState
from connector.shipments.codec import ShipmentCodecs
from connector.shipments.events import ShipmentState
from streams.avro.codec import Decoder, frame
from streams.avro.versions import MAY_BE_LOST, Needs
from streams.flow import BadRecord, NotYet, Unreadable
from tests.unit.schemas.data import as_object, values

STATES: dict[str, type] = {
    "offer_state": OfferState,
    "shipment_state": ShipmentState,
    "scheduler_state": SchedulerState,
}
EVERY = [(name, version) for name in STATES for version in schemas.versions(name)]
OLDER = [(name, version) for name, version in EVERY if version < schemas.newest(name)]
IDS = SchemaIds(values={name: 100 * number + schemas.newest(name) for number, name in enumerate(schemas.NAMES, 1)})
TEXTS = {
    100 * number + version: schemas.text(name, version)
    for number, name in enumerate(schemas.NAMES, 1)
    for version in schemas.versions(name)
}


def id_of(name: str, version: int) -> int:
    """Returns the registry's id of a schema version."""
    return IDS.values[name] - schemas.newest(name) + version


@cache
def decoder(name: str) -> Callable[[bytes], Any]:
    """Returns the function of the connector that decodes this state."""
    codecs: dict[str, Callable[..., Any]] = {
        "offer_state": OfferCodecs,
        "shipment_state": ShipmentCodecs,
        "scheduler_state": OrderCodecs,
    }
    decode: Callable[[bytes], Any] = codecs[name](IDS, TEXTS.get).decode_state
    return decode


@cache
def some(name: str, version: int) -> st.SearchStrategy[Any]:
    """Returns a strategy for values of a schema version."""
    return values(schemas.load(name, version))


@cache
def parsed(name: str, version: int) -> Any:
    return fastavro.parse_schema(schemas.load(name, version))


@cache
def reader_of(name: str, version: int) -> Decoder:
    """Returns the decoder of a connector with that schema version; it reads values of any version."""
    return Decoder(schemas.load(name, version), TEXTS.get)


@cache
def needed_by(name: str) -> Needs:
    return state_versions.needs_of(STATES[name])


def written(name: str, version: int, value: Any) -> bytes:
    """Encodes a value of a schema version with the fastavro library."""
    out = BytesIO()
    fastavro.schemaless_writer(out, parsed(name, version), value)
    return out.getvalue()


def read(name: str, by: int, value: Any, of: int) -> Any:
    """Returns what a connector of version ``by`` reads of a value that has version ``of``."""
    return reader_of(name, by).decode(frame(id_of(name, of)) + written(name, of, value))


def passed_through(name: str, value: Any, version: int) -> Any:
    """Returns a value of the newest version after a connector with an older one has read it and written it back."""
    newest = schemas.newest(name)
    return read(name, newest, read(name, version, value, newest), version)


def kept(part: Any) -> Any:
    """Returns a schema without the fields that may be lost."""
    if isinstance(part, list):
        return [kept(one) for one in part]
    if not isinstance(part, dict):
        return part
    inner = {key: kept(value) for key, value in part.items()}
    if "fields" in inner:
        inner["fields"] = [field for field in inner["fields"] if not field.get(MAY_BE_LOST)]
    return inner


@cache
def reader_of_what_counts(name: str) -> Decoder:
    """Returns a decoder that reads only the fields that must not be lost."""
    return Decoder(kept(schemas.load(name, schemas.newest(name))), TEXTS.get)


def is_lossless(name: str, value: Any, version: int) -> bool:
    """Whether a connector with an older version keeps all fields that must not be lost."""
    newest = schemas.newest(name)
    before, after = (
        reader_of_what_counts(name).decode(frame(id_of(name, newest)) + written(name, newest, one))
        for one in (value, passed_through(name, value, version))
    )
    return bool(before == after)


@pytest.mark.parametrize(("name", "version"), EVERY)
@settings(max_examples=10)
@given(data=st.data())
def test_state_of_every_version_is_read_by_the_newest(name: str, version: int, data: st.DataObject) -> None:
    value = data.draw(some(name, version))

    state = decoder(name)(frame(id_of(name, version)) + written(name, version, value))

    assert isinstance(state, STATES[name]), state


@pytest.mark.parametrize(("name", "version"), OLDER)
@settings(max_examples=15)
@given(data=st.data())
def test_a_state_needs_a_version_exactly_where_an_older_one_would_lose_something(
    name: str, version: int, data: st.DataObject
) -> None:
    newest = schemas.load(name, schemas.newest(name))
    value = data.draw(some(name, schemas.newest(name)))
    if data.draw(st.booleans()):
        value = passed_through(name, value, version)  # uses no newer field

    needed = needed_by(name)(as_object(newest, value))

    assert (needed <= version) == is_lossless(name, value, version)


@pytest.mark.parametrize("name", [name for name in STATES if schemas.newest(name) > 1])
@given(data=st.data())
@settings(max_examples=10)
def test_the_previous_version_reads_the_newest_unless_it_would_lose_something(name: str, data: st.DataObject) -> None:
    newest = schemas.load(name, schemas.newest(name))
    value = data.draw(some(name, schemas.newest(name)))

    old = schemas.newest(name) - 1

    found = read(name, old, value, schemas.newest(name))

    assert isinstance(found, dict), found
    header = state_versions.reader(needed_by(name)(as_object(newest, value)))
    assert (header > old) == (not is_lossless(name, value, old))


def test_what_any_version_carries_on_needs_no_header() -> None:
    assert [state_versions.reader(needed) for needed in (1, 2, 3)] == [0, 2, 3]


@pytest.mark.parametrize(
    "said", [BadRecord(code="X", text="not Avro"), NotYet(need=6, text="schema 6 is not here yet")]
)
def test_a_state_that_cannot_be_read_says_which_and_the_remedy(said: BadRecord | NotYet) -> None:
    with pytest.raises(Unreadable, match=rf"{said.text}.*connector state forget 4006381333931"):
        state_versions.made("4006381333931", said, lambda state: state)


def test_a_readable_state_with_invalid_content_is_unreadable_too() -> None:
    def make(_state: object) -> None:
        raise KeyError("UNKNOWN")

    with pytest.raises(Unreadable, match="KeyError"):
        state_versions.made("4006381333931", object(), make)
