"""Durations in microseconds, the unit of every time in the contracts. Pure."""


def us(seconds: float) -> int:
    """Converts seconds to microseconds."""
    return int(seconds * 1_000_000)
