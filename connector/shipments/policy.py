"""The settings of the shipment flow; invalid values raise ValueError when the policy is built. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from connector.contracts.event_traces import EventTraces

_HOUR_S = 3600.0
_DAY_S = 24 * _HOUR_S

REJECT: Final = "reject"
"""Value of ``unknown_carrier``: an event with an unknown carrier is rejected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShipmentPolicy:
    """The settings of the flow; times in seconds.

    ``accounts``: all that are configured. Nothing is sent for those in ``disabled``.
    """

    accounts: frozenset[str]
    disabled: frozenset[str] = frozenset()
    wait_open_s: float = _DAY_S  # how long an event waits for a unit that is still open, since the event was read
    recheck_s: float = 60.0  # first interval between readings of an open unit; later, a quarter of the time waited
    recheck_max_s: float = 900.0  # longest interval, unless recheck_s is longer
    require_units: bool = True  # rejects an event without units and items if the order has several units
    unknown_carrier: str = REJECT  # or the marketplace's code to send unknown carriers under
    untracked_carriers: frozenset[str] = frozenset({"Other", "Other Hauler"})  # codes that need no tracking number
    aliases: Mapping[str, str] = field(default_factory=dict)  # the seller's name of a carrier -> the marketplace's
    carriers_s: float = _DAY_S  # how long the marketplace's table of carriers is used
    carriers_again_s: float = _HOUR_S  # how old it may be when a name is not in it
    keep_s: float = 45 * _DAY_S  # how long an order is remembered after its last change
    future_limit_s: float = 300.0  # how far an event may be ahead of its record, and a record ahead of the clock
    dry_run: bool = False

    def __post_init__(self) -> None:
        if not self.accounts:
            raise ValueError("accounts must name at least one")
        if unknown := self.disabled - self.accounts:
            raise ValueError(f"disabled names accounts that are not configured: {', '.join(sorted(unknown))}")
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
        """Returns the seconds from one reading of an open unit to the next, if its event had waited ``waited_s``."""
        return max(self.recheck_s, min(self.recheck_max_s, waited_s / 4))

    def is_unknown(self, carrier: str, code: str) -> bool:
        """Whether ``code`` is the code for unknown carriers, and neither the carrier's own name nor its alias."""
        meant = {loosened(carrier), *(loosened(of) for name, of in self.aliases.items() if _same(name, carrier))}
        return _same(code, self.unknown_carrier) and loosened(code) not in meant

    def may_go_untracked(self, code: str) -> bool:
        """Whether parcels of a carrier, by the marketplace's code, need no tracking number."""
        return any(_same(code, allowed) for allowed in self.untracked_carriers)

    @property
    def only_account(self) -> str | None:
        """The account of events that name none; None if several are configured."""
        return next(iter(self.accounts)) if len(self.accounts) == 1 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShipmentTerms:
    """What every turn depends on, besides the lane, the time, and what the process shares.

    ``topic`` is the input topic; with ``cluster_id``, result ids are computed from it.
    """

    policy: ShipmentPolicy
    cluster_id: str
    topic: str
    traces: EventTraces | None = None  # None: events are not traced


def loosened(name: str) -> str:
    """Returns a carrier's name without white space, case-folded."""
    return "".join(name.split()).casefold()


def _same(one: str, other: str) -> bool:
    return loosened(one) == loosened(other)
