"""The headers of a lane's record in its state topic; its value is encoded by the flow.

``undone`` = "1"; ``open`` and ``due`` = µs since the epoch; ``waits`` = "account rank since_us;..."; ``announced`` = a
slot, repeated for each one. From these a new owner knows of every lane whether and when to wake it, what is open and
which calls may have left, without decoding the values of idle lanes. ``reader`` = the lowest version of the state that
loses nothing of the record; absent if any version will do.
"""

from collections.abc import Iterable
from dataclasses import replace
from itertools import groupby

from streams.flow import Headers, Stored, Waits, Want


def headers_of(stored: Stored) -> Headers:
    """Returns the headers of a lane's record."""
    headers: list[tuple[str, bytes]] = []
    if stored.undone:
        headers.append(("undone", b"1"))
    if stored.open_since_us is not None:
        headers.append(("open", str(stored.open_since_us).encode()))
    if stored.due_us is not None:
        headers.append(("due", str(stored.due_us).encode()))
    if stored.waits:
        waits = ";".join(f"{w.account} {w.priority} {w.since_us}" for w in stored.waits)
        headers.append(("waits", waits.encode()))
    if stored.announced:
        headers += [("announced", slot.encode()) for slot in stored.announced]
    if stored.reader:
        headers.append(("reader", str(stored.reader).encode()))
    return tuple(headers)


def stored_of(value: bytes | None, headers: Headers) -> Stored:
    """Returns the lane of a record; the inverse of ``headers_of``. Raises ValueError for headers in another format."""
    by_name = dict(headers)
    due, since = by_name.get("due"), by_name.get("open")
    return Stored(
        value=value,
        undone=by_name.get("undone") == b"1",
        open_since_us=None if since is None else _int64(since),
        due_us=None if due is None else _int64(due),
        waits=tuple(map(_waits, filter(None, by_name.get("waits", b"").decode().split(";")))),
        announced=tuple(slot.decode() for name, slot in headers if name == "announced"),
        reader=_int64(by_name.get("reader", b"0")),
    )


def restored(value: bytes | None, headers: Headers, offset: int) -> Stored:
    """Returns the lane of a record that anyone may have written: if its headers cannot be read, ``fault`` says why."""
    try:
        return replace(stored_of(value, headers), offset=offset)
    except ValueError as error:
        return Stored(value=value, offset=offset, fault=f"its headers were not written by this connector: {error}")


def lane_key(raw: bytes) -> str:
    """Returns a record key as text; any bytes, also those that are not UTF-8, survive ``key_bytes``."""
    return raw.decode(errors="surrogateescape")


def key_bytes(key: str) -> bytes:
    """Returns the record key of a lane; the inverse of ``lane_key``."""
    return key.encode(errors="surrogateescape")


def waits_of(wants: Iterable[Want]) -> tuple[Waits, ...]:
    """Returns, for each account, the most urgent priority and the oldest age of the wants."""
    by_account = sorted(wants, key=lambda want: want.account)
    return tuple(
        Waits(account=account, priority=min(w.priority for w in group), since_us=min(w.since_us for w in group))
        for account, group in ((account, list(them)) for account, them in groupby(by_account, lambda w: w.account))
    )


def _waits(text: str) -> Waits:
    account, priority, since_us = text.rsplit(" ", 2)
    return Waits(account=account, priority=_int64(priority), since_us=_int64(since_us))


def _int64(text: str | bytes) -> int:
    """Parses a number. Raises ValueError for other text, and for a number that does not fit into 64 bits."""
    number = int(text)
    if not -(2**63) <= number < 2**63:
        raise ValueError(f"a number of {len(text)} digits does not fit into 64 bits")
    return number
