"""State handling that all flows share: the schema version that a state needs, and errors for unreadable states."""

from collections.abc import Callable
from typing import Final, TypeVar

import schemas
from connector.contracts.codec import schema_name
from streams.avro.versions import Needs, needs
from streams.flow import BadRecord, NotYet, Unreadable

L = TypeVar("L")
S = TypeVar("S")

UNREADABLE: Final = "STATE_UNREADABLE"


def state_version(event: type) -> int:
    """Returns the newest version of a state's schema, which this connector writes."""
    return schemas.newest(schema_name(event))


def needs_of(event: type) -> Needs:
    """Returns a function that computes the lowest schema version that holds a state without loss."""
    name = schema_name(event)
    return needs([schemas.load(name, version) for version in schemas.versions(name)])


def reader(needed: int) -> int:
    """Returns the value of ``Stored.reader`` for a schema version: 0 (any reader) for the first version."""
    return needed if needed > 1 else 0


def made(key: str, state: S | BadRecord | NotYet, make: Callable[[S], L]) -> L:
    """Builds a lane from a decoded state. Raises Unreadable if the state cannot be read or ``make`` fails."""
    if isinstance(state, BadRecord | NotYet):
        raise Unreadable(unreadable(key, state.text).text)
    try:
        return make(state)
    except Exception as error:
        raise Unreadable(unreadable(key, f"{type(error).__name__}: {error}").text) from error


def unreadable(key: str, why: str) -> BadRecord:
    """Returns the problem of a state that cannot be read, with its remedy."""
    text = f"{why}. Remedy: with all processes stopped, connector state forget {key}"
    return BadRecord(code=UNREADABLE, text=text)
