"""What all flows do with the states of their lanes: which version one needs, and what is said of one that is no use."""

from collections.abc import Callable
from typing import Final, TypeVar

import schemas
from connector.contracts.codec import schema_name
from streams.avro.versions import Needs, needs
from streams.flow import Bad, NotYet, Unreadable

L = TypeVar("L")
S = TypeVar("S")

UNREADABLE: Final = "STATE_UNREADABLE"


def state_version(event: type) -> int:
    """The newest version of a state: the one that this connector writes."""
    return schemas.newest(schema_name(event))


def needs_of(event: type) -> Needs:
    """The version that a state needs, so that nothing of it is lost."""
    name = schema_name(event)
    return needs([schemas.load(name, version) for version in schemas.versions(name)])


def reader(needed: int) -> int:
    """As ``Stored.reader``: the first version is any."""
    return needed if needed > 1 else 0


def made(key: str, state: S | Bad | NotYet, make: Callable[[S], L]) -> L:
    """The lane of a decoded state. Raises Unreadable, whatever ``make`` raises: the record's content did it."""
    if isinstance(state, Bad | NotYet):
        raise Unreadable(unreadable(key, state.text).text)
    try:
        return make(state)
    except Exception as error:
        raise Unreadable(unreadable(key, f"{type(error).__name__}: {error}").text) from error


def unreadable(key: str, why: str) -> Bad:
    text = f"{why}. Remedy: with all processes stopped, connector state forget {key}"
    return Bad(code=UNREADABLE, text=text)
