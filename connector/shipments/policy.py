"""The numbers and switches of the shipment flow; what makes no sense is refused when built. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

_HOUR_S = 3600.0
_DAY_S = 24 * _HOUR_S

REJECT: Final = "reject"
"""As ``unknown_carrier``: an event with a carrier that nobody knows is refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShipmentPolicy:
    """``accounts`` are all that are configured; those of ``disabled`` confirm nothing."""

    accounts: frozenset[str]
    disabled: frozenset[str] = frozenset()
    wait_open_s: float = _DAY_S  # how long a unit that is still open is waited for, since its event was read
    recheck_s: float = 60.0  # how soon its status is read again; later, when it has waited for a quarter longer
    recheck_max_s: float = 900.0  # and at least this often, if that is not sooner than recheck_s
    require_units: bool = True  # an event that says nothing of its units is refused where there are several
    unknown_carrier: str = REJECT  # or the marketplace's code for carriers that are in no table
    untracked_carriers: frozenset[str] = frozenset({"Other", "Other Hauler"})  # codes that need no tracking number
    aliases: Mapping[str, str] = field(default_factory=dict)  # the seller's name of a carrier -> the marketplace's
    carriers_s: float = _DAY_S  # how long the marketplace's table of carriers is believed
    carriers_again_s: float = _HOUR_S  # and how long, when a name is not in it
    keep_s: float = 45 * _DAY_S  # how long an order is remembered after its last change
    future_limit_s: float = 300.0
    dry_run: bool = False

    def __post_init__(self) -> None:
        if not self.accounts:
            raise ValueError("accounts must name at least one")
        if strangers := self.disabled - self.accounts:
            raise ValueError(f"disabled names accounts that are not configured: {', '.join(sorted(strangers))}")
        if not self.unknown_carrier:
            raise ValueError(f"unknown_carrier must be a carrier's code or {REJECT!r}")
        for alias, code in self.aliases.items():
            if not alias.strip() or not code.strip():
                raise ValueError(f"an alias and its carrier must not be empty, got {alias!r} = {code!r}")
        for name in ("recheck_s", "recheck_max_s", "carriers_s", "carriers_again_s", "keep_s"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be above 0, got {getattr(self, name)}")
        for name in ("wait_open_s", "future_limit_s"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)}")

    def recheck_after_s(self, waited_s: float) -> float:
        """How long after a reading the next one is due, when the event had waited for so long by then."""
        return max(self.recheck_s, min(self.recheck_max_s, waited_s / 4))

    def is_unknown(self, carrier: str, code: str) -> bool:
        """Whether a carrier went out under the code for those that are in no table, and no alias says so."""
        meant = {loosened(carrier), *(loosened(of) for name, of in self.aliases.items() if _same(name, carrier))}
        return _same(code, self.unknown_carrier) and loosened(code) not in meant

    def may_go_untracked(self, code: str) -> bool:
        """Whether parcels of a carrier, by the marketplace's code, may go without a tracking number."""
        return any(_same(code, allowed) for allowed in self.untracked_carriers)

    @property
    def only_account(self) -> str | None:
        """The one that is meant where an event names none; None where several are configured."""
        return next(iter(self.accounts)) if len(self.accounts) == 1 else None


def loosened(name: str) -> str:
    """A carrier's name without white space, in one case."""
    return "".join(name.split()).casefold()


def _same(one: str, other: str) -> bool:
    return loosened(one) == loosened(other)


def us(seconds: float) -> int:
    """Seconds as microseconds."""
    return int(seconds * 1_000_000)
