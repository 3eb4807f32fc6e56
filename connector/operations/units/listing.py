"""The units that sweeps have seen last, and why one is not live. Pure."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from connector.reconciliation.events import UnitObserved


class Liveness(StrEnum):
    """Whether customers can buy a unit, and why not."""

    LIVE = "LIVE"
    ON_HOLD = "ON_HOLD"
    INCOMPLETE = "INCOMPLETE"
    NO_STOCK = "NO_STOCK"
    OTHER = "OTHER"
    NOT_TOLD = "NOT_TOLD"


@dataclass(frozen=True, slots=True, kw_only=True)
class SweptOffer:
    """A unit as the newest sweep saw it. ``eans``: of its product, sorted."""

    newest: UnitObserved
    eans: tuple[str, ...]

    @property
    def liveness(self) -> Liveness:
        return liveness_of(self.newest)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitListing:
    """Units in order of account, storefront, reason and number. ``counts``: of all that were asked for."""

    units: tuple[SweptOffer, ...]
    counts: Counter[Liveness]
    oldest_sweep_us: int | None


def listing(rows: Iterable[UnitObserved], *, storefront: str | None = None, only_not_live: bool = False) -> UnitListing:
    """Returns each unit once, though it has a row for every EAN. ``storefront`` None: of all."""
    newest: dict[tuple[str, int], UnitObserved] = {}
    eans: dict[tuple[str, int], set[str]] = {}
    for row in rows:
        if storefront not in (None, row.storefront):
            continue
        key = (row.account, row.unit_id)
        eans.setdefault(key, set()).add(row.ean)
        if key not in newest or newest[key].observed_at_us < row.observed_at_us:
            newest[key] = row
    units = [SweptOffer(newest=row, eans=tuple(sorted(eans[key]))) for key, row in newest.items()]
    units.sort(key=lambda one: (one.newest.account, one.newest.storefront, one.liveness, one.newest.unit_id))
    return UnitListing(
        units=tuple(one for one in units if not only_not_live or one.liveness is not Liveness.LIVE),
        counts=Counter(one.liveness for one in units),
        oldest_sweep_us=min((one.newest.sweep_at_us for one in units), default=None),
    )


def liveness_of(row: UnitObserved) -> Liveness:
    """Returns whether a unit is live; if it is not, the first reason that its row tells."""
    if row.is_live is None:
        return Liveness.NOT_TOLD
    if row.is_live:
        return Liveness.LIVE
    match row.status:
        case "ONHOLD":
            return Liveness.ON_HOLD
        case "INCOMPLETE":
            return Liveness.INCOMPLETE
        case _:
            return Liveness.NO_STOCK if row.stock == 0 else Liveness.OTHER
