"""Seeded draws: the same seed and subject give the same number, in any order and any process. Pure."""

from collections.abc import Sequence
from hashlib import blake2b
from typing import Final, TypeVar

T = TypeVar("T")
_SPAN: Final = 2**64


def draw(seed: int, *subject: object) -> int:
    """A number from 0 to 2**64 - 1."""
    text = "\x1f".join(map(str, (seed, *subject)))
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big")


def fraction(seed: int, *subject: object) -> float:
    """A number from 0 up to, not including, 1. Holds 53 bits, as a float does: more would round up to 1."""
    return (draw(seed, *subject) >> 11) / (_SPAN >> 11)


def happens(share: float, seed: int, *subject: object) -> bool:
    """True for this share of all subjects."""
    return fraction(seed, *subject) < share


def between(low: int, high: int, seed: int, *subject: object) -> int:
    """A number from ``low`` to ``high``, both included."""
    return low + draw(seed, *subject) % (high - low + 1)


def pick(items: Sequence[T], seed: int, *subject: object) -> T:
    return items[draw(seed, *subject) % len(items)]
