"""The settings of the sweeps; invalid values raise ValueError when the policy is built. Pure."""

from dataclasses import dataclass

PAGE = 100
"""Units that one call of a sweep reads, at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepPolicy:
    """``places``: the accounts and storefronts that are swept; empty = reconciliation is off. Times in seconds.

    ``tells_owners``: whether owners are told when a sweep begins and ends, so that its units need not be looked up.
    """

    places: frozenset[tuple[str, str]] = frozenset()
    interval_s: float = 6 * 3600.0  # from the start of a sweep to that of the next
    tells_owners: bool = False

    def __post_init__(self) -> None:
        if not 5 <= self.interval_s <= 24 * 3600:
            raise ValueError(f"interval_s must be in 5..86400, got {self.interval_s}")


NO_SWEEPS = SweepPolicy()


def calls_for(units: int) -> int:
    """Returns the calls that a sweep of so many units of one storefront takes.

    The list of units that the marketplace fulfils takes one call more, if it is empty.
    """
    return max(1, -(-units // PAGE)) + 1
