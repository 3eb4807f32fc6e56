"""Reads the headers of a message as the client returns it."""

from collections.abc import Iterable
from typing import cast

from confluent_kafka import Message

from streams.flow import Headers


def headers_of(message: Message) -> Headers:
    """Returns the headers; a null value becomes empty. If a name is not UTF-8, returns none of them."""
    try:
        headers = message.headers()
    except UnicodeDecodeError:
        return ()
    pairs = cast("Iterable[tuple[str, bytes | None]]", headers or ())
    return tuple((name, text or b"") for name, text in pairs)
