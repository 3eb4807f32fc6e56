"""Exponential back-off with a budget. Pure: the jitter is derived from what waits, so that a run can be repeated."""

from dataclasses import dataclass
from zlib import crc32


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Exponential back-off with full jitter: between 0 and ``base_s`` x 2^(attempt - 1), never above ``cap_s``."""

    base_s: float
    cap_s: float
    budget: int  # counted attempts, after which it is given up

    def __post_init__(self) -> None:
        if not 0 < self.base_s <= self.cap_s:
            raise ValueError(f"base_s must be above 0 and not above cap_s, got {self.base_s} and {self.cap_s}")
        if self.budget < 1:
            raise ValueError(f"budget must be at least 1, got {self.budget}")

    def wait_s(self, attempt: int, spread: float) -> float:
        """Returns the seconds to wait after attempt number ``attempt`` (1 is the first) failed.

        ``spread``, in (0, 1], is the jitter.
        """
        doublings = min(attempt - 1, 60)  # beyond that a float only grows
        return float(min(self.cap_s, self.base_s * 2**doublings) * spread)

    def used_up(self, counted: int) -> bool:
        return counted >= self.budget


def spread(*what: object) -> float:
    """Returns a hash of the arguments, spread evenly over (0, 1]."""
    return (crc32("\0".join(map(str, what)).encode()) + 1) / 2**32
