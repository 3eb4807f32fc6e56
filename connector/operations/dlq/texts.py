"""Formats keys, bytes and places for people and for JSON. Pure."""

from collections.abc import Iterator
from typing import Final

from connector.contracts.codec import STRING_SCHEMA
from streams.avro.codec import Decoder

_A_LINE: Final = 16  # bytes of a hexadecimal dump


def key_text(key: bytes | None, *, avro: bool) -> str:
    """Returns a key as text: decoded if it is UTF-8, or with ``avro`` an Avro string; in hexadecimal digits otherwise.

    The schema registry is not asked: that a key is an Avro string is tried with any schema id.
    """
    if key is None:
        return "(none)"
    if avro:
        decoded = Decoder(STRING_SCHEMA, lambda _: f'"{STRING_SCHEMA}"').decode(key)
        if isinstance(decoded, str) and decoded.isprintable():
            return decoded
    return bytes_text(key)


def bytes_text(data: bytes) -> str:
    """Returns UTF-8 that can be printed as it is, anything else as ``0x`` and hexadecimal digits."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return f"0x{data.hex()}"
    return text if text.isprintable() else f"0x{data.hex()}"


def printable(text: str) -> str:
    """Returns the text with an escape sequence for each character that a terminal could take for a command."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


def hex_lines(data: bytes) -> Iterator[str]:
    """Yields the lines of a hexadecimal dump: offset, bytes, and the ASCII characters among them."""
    for begin in range(0, len(data), _A_LINE):
        line = data[begin : begin + _A_LINE]
        shown = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in line)
        yield f"{begin:06x}  {line.hex(' '):<{3 * _A_LINE - 1}}  {shown}"
