"""A mapping of key to bytes for sleeping lanes, in two thirds of the memory that a dictionary takes. Pure.

A dictionary spends 140 bytes on each entry in addition to the value's own bytes: its slot, the key and two object
headers. Here a few records share a *page* of bytes, which is found by the key's checksum and then scanned. Pages are
split one at a time as records are added, never all at once (linear hashing), so no single step takes long.
"""

from struct import Struct
from typing import Final
from zlib import crc32

from streams.lanes.record_headers import key_bytes

RECORDS_A_PAGE: Final = 2  # on average: more would save little, and make scans longer

_HEAD: Final = Struct("<II")  # before each record: the sizes of its key and value, which follow in that order


class PackedStore:
    """A mapping of ``str`` to ``bytes`` with the operations that ``Lanes`` needs. ``room``: the expected number of
    records."""

    def __init__(self, room: int = 0) -> None:
        size = max(1, room // RECORDS_A_PAGE)
        self._pages: list[bytes] = [b""] * size
        self._round = 1 << size.bit_length() - 1  # number of pages when this round of splits began: a power of two
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __contains__(self, key: str) -> bool:
        raw = key_bytes(key)
        return _find(self._pages[self._place(raw)], raw) is not None

    def add(self, key: str, value: bytes) -> None:
        """Adds a key that must not be in the store yet; this is not checked."""
        raw = key_bytes(key)
        self._pages[self._place(raw)] += _HEAD.pack(len(raw), len(value)) + raw + value
        self._count += 1
        if self._count > RECORDS_A_PAGE * len(self._pages):
            self._split()

    def pop(self, key: str) -> bytes | None:
        """Removes a key and returns its value; None if it is not in the store."""
        raw = key_bytes(key)
        place = self._place(raw)
        page = self._pages[place]
        found = _find(page, raw)
        if found is None:
            return None
        begin, end = found
        self._pages[place] = page[:begin] + page[end:]
        self._count -= 1
        return page[begin + _HEAD.size + len(raw) : end]

    def _place(self, raw: bytes) -> int:
        """Returns the page of a key. The keys of a page that was already split in this round are in that page or in the
        one that it was split into."""
        checksum = crc32(raw)
        place = checksum & (2 * self._round - 1)
        return place if place < len(self._pages) else checksum & (self._round - 1)

    def _split(self) -> None:
        """Adds a page, and distributes the records of the next page to be split over the two."""
        place = len(self._pages) - self._round
        page, self._pages[place] = self._pages[place], b""
        self._pages.append(b"")
        if len(self._pages) == 2 * self._round:
            self._round *= 2
        begin = 0
        while begin < len(page):
            key_size, value_size = _HEAD.unpack_from(page, begin)
            key_at = begin + _HEAD.size
            end = key_at + key_size + value_size
            self._pages[self._place(page[key_at : key_at + key_size])] += page[begin:end]
            begin = end


def _find(page: bytes, raw: bytes) -> tuple[int, int] | None:
    """Returns where the record of a key begins and ends in a page; None if it is not in there."""
    begin, size = 0, len(raw)
    while begin < len(page):
        key_size, value_size = _HEAD.unpack_from(page, begin)
        key_at = begin + _HEAD.size
        end = key_at + key_size + value_size
        if key_size == size and page.startswith(raw, key_at):
            return begin, end
        begin = end
    return None
