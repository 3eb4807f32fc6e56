"""Seeded random draws: the same seed and subject give the same number, in any order and any process. Pure."""

from collections.abc import Sequence
from hashlib import blake2b
from typing import Final, TypeVar

T = TypeVar("T")
_SPAN: Final = 2**64


def draw(seed: int, *subject: object) -> int:
    """Returns a number from 0 to 2**64 - 1."""
    text = "\x1f".join(map(str, (seed, *subject)))
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big")


def fraction(seed: int, *subject: object) -> float:
    """Returns a number in [0, 1). It has 53 random bits, as many as a float holds: more could round up to 1."""
    return (draw(seed, *subject) >> 11) / (_SPAN >> 11)


def happens(share: float, seed: int, *subject: object) -> bool:
    """Returns True for this share (0 to 1) of all subjects."""
    return fraction(seed, *subject) < share


def between(low: int, high: int, seed: int, *subject: object) -> int:
    """Returns a number from ``low`` to ``high``, both included."""
    return low + draw(seed, *subject) % (high - low + 1)


def pick(items: Sequence[T], seed: int, *subject: object) -> T:
    return items[draw(seed, *subject) % len(items)]
