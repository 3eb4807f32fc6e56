"""Attempt number -> wait, with a budget. Pure: the jitter comes from what waits, so that a history can be repeated."""

from dataclasses import dataclass
from zlib import crc32


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Exponential with full jitter: between nothing and ``base_s`` x 2^(attempt - 1), never above ``cap_s``."""

    base_s: float
    cap_s: float
    budget: int  # attempts that count, after which it is given up

    def __post_init__(self) -> None:
        if not 0 < self.base_s <= self.cap_s:
            raise ValueError(f"base_s must be above 0 and not above cap_s, got {self.base_s} and {self.cap_s}")
        if self.budget < 1:
            raise ValueError(f"budget must be at least 1, got {self.budget}")

    def wait_s(self, attempt: int, spread: float) -> float:
        """Seconds to wait after the attempt of this number (1 is the first) failed; ``spread`` in (0, 1]."""
        doublings = min(attempt - 1, 60)  # beyond that a float only grows
        return float(min(self.cap_s, self.base_s * 2**doublings) * spread)

    def used_up(self, counted: int) -> bool:
        return counted >= self.budget


def spread(*what: object) -> float:
    """A number in (0, 1] that is even over what waits, and the same for the same."""
    return (crc32("\0".join(map(str, what)).encode()) + 1) / 2**32
