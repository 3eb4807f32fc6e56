"""Reads when the certificates of a PEM file end. Pure: the parts of X.509 that say it, and no others."""

import re
from base64 import b64decode
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

_PEM: Final = re.compile(r"-----BEGIN CERTIFICATE-----(.+?)-----END CERTIFICATE-----", re.DOTALL)
_VERSION: Final = 0xA0
_BEFORE_THE_VALIDITY: Final = 3  # serial number, signature algorithm, issuer
_UTC_TIME: Final = 0x17
_CENTURY: Final = 50
"""UTCTime has two digits for the year: from 50 on they are of the last century (RFC 5280, 4.1.2.5.1)."""


def ends(pem: str) -> tuple[datetime, ...]:
    """Returns when each certificate of a file ends, in the file's order. Raises ValueError for one that is damaged."""
    return tuple(_end(b64decode(block)) for block in _PEM.findall(pem))


def _end(der: bytes) -> datetime:
    try:
        [(_, certificate), *_] = _elements(der)
        [(_, signed), *_] = _elements(certificate)
        fields = [content for tag, content in _elements(signed) if tag != _VERSION]
        _, (tag, text) = _elements(fields[_BEFORE_THE_VALIDITY])
    except (IndexError, ValueError):
        raise ValueError("not a certificate of X.509") from None
    return _moment(tag, text.decode("ascii"))


def _elements(der: bytes) -> Iterator[tuple[int, bytes]]:
    """Yields tag and content of each element. Raises IndexError or ValueError for what is cut off."""
    while der:
        tag, size, begin = der[0], der[1], 2
        if size & 0x80:
            begin += size & 0x7F
            size = int.from_bytes(der[2:begin])
        if begin + size > len(der):
            raise ValueError("cut off")
        yield tag, der[begin : begin + size]
        der = der[begin + size :]


def _moment(tag: int, text: str) -> datetime:
    if tag == _UTC_TIME:
        text = ("19" if int(text[:2]) >= _CENTURY else "20") + text
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
