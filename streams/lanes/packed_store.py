"""Values of sleeping lanes by key, in two thirds of the memory that a dictionary takes. Pure.

A dictionary spends 140 bytes on each entry beside the value's own: its slot, the key and two headers of objects. Here
a few records lie together in a *page* of bytes, found by the key's checksum and a short walk. Pages are split one at a
time as records come, never all at once (linear hashing), so no step takes long.
"""

from struct import Struct
from typing import Final
from zlib import crc32

from streams.lanes.record_headers import key_bytes

RECORDS_A_PAGE: Final = 2  # on average: more would save little, and make walks longer

_HEAD: Final = Struct("<II")  # sizes of key and value, which follow


class PackedStore:
    """A mapping of ``str`` to ``bytes`` with what lanes need of one. ``room``: how many records are to come."""

    def __init__(self, room: int = 0) -> None:
        size = max(1, room // RECORDS_A_PAGE)
        self._pages: list[bytes] = [b""] * size
        self._round = 1 << size.bit_length() - 1  # pages when this round of splits began: a power of two
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __contains__(self, key: str) -> bool:
        raw = key_bytes(key)
        return _find(self._pages[self._place(raw)], raw) is not None

    def __setitem__(self, key: str, value: bytes) -> None:
        self.pop(key)
        self.add(key, value)

    def add(self, key: str, value: bytes) -> None:
        """Of a key that is not there: nothing is looked for."""
        raw = key_bytes(key)
        self._pages[self._place(raw)] += _HEAD.pack(len(raw), len(value)) + raw + value
        self._count += 1
        if self._count > RECORDS_A_PAGE * len(self._pages):
            self._split()

    def pop(self, key: str) -> bytes | None:
        """Removes the value and returns it; None where there is none."""
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
        """Pages that this round has split already share their records with one of the second half."""
        checksum = crc32(raw)
        place = checksum & (2 * self._round - 1)
        return place if place < len(self._pages) else checksum & (self._round - 1)

    def _split(self) -> None:
        """The next page in turn shares its records with a new one."""
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
    """Where the record of this key begins and ends."""
    begin, size = 0, len(raw)
    while begin < len(page):
        key_size, value_size = _HEAD.unpack_from(page, begin)
        key_at = begin + _HEAD.size
        end = key_at + key_size + value_size
        if key_size == size and page.startswith(raw, key_at):
            return begin, end
        begin = end
    return None
