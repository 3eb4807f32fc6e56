"""Each account's carriers, as this process read them last. Not pure: all shipment lanes share one object.

The tables belong to the marketplace and are not stored; a new process reads them again. ``ShipmentFlow`` has them read
and changed in turns only, in the engine's thread.
"""

from collections.abc import Callable, Iterable, Mapping
from enum import Enum, auto

from connector.contracts.microseconds import us
from connector.shipments.carrier_names import CarrierNames
from connector.shipments.policy import REJECT, ShipmentPolicy

_PATIENCE_US = us(10.0)
"""Longest time that lanes wait for another lane to read the table."""
_LOOK_AGAIN_US = us(0.5)
"""How often waiting lanes check whether the table was read."""


class Unmatched(Enum):
    """Why a name has no code."""

    UNKNOWN = auto()  # the table has neither the name nor the configured fallback
    NOT_YET = auto()  # the table must be read first, or again


Unlisted = Mapping[str, tuple[str, ...]]
"""The configured carrier codes that the marketplace's table lacks, by setting of [shipments]."""
ReportUnlisted = Callable[[str, Unlisted], None]
"""Called with an account and the configured codes that its table lacks, whenever these change."""


def _report_nothing(account: str, unlisted: Unlisted) -> None:
    """The default of ``CarrierTables``: reports nothing."""


class CarrierTables:
    """One carrier table per account, with the time when it was read and the lane that is reading it."""

    def __init__(self, policy: ShipmentPolicy, report_unlisted: ReportUnlisted = _report_nothing) -> None:
        self._policy = policy
        self._report_unlisted = report_unlisted
        self._unlisted: dict[str, Unlisted] = {}
        self._tables: dict[str, CarrierNames] = {}
        self._read_at_us: dict[str, int] = {}
        self._reading: dict[str, tuple[str, int]] = {}  # by account: the lane that reads the table, and since when

    def apply_policy(self, policy: ShipmentPolicy) -> None:
        """Uses another policy from now on; its aliases apply to the tables that were read already."""
        self._policy = policy
        for account, table in self._tables.items():
            self._tables[account] = CarrierNames(table.codes, policy.aliases)
            self._note_unlisted(account)

    def replace(self, account: str, codes: Iterable[str], now_us: int) -> None:
        """Stores a table that was just read; reports the configured codes that it lacks if these have changed."""
        self._tables[account] = CarrierNames(codes, self._policy.aliases)
        self._read_at_us[account] = now_us
        self._reading.pop(account, None)
        self._note_unlisted(account)

    def _note_unlisted(self, account: str) -> None:
        unlisted = self._unlisted_of(self._tables[account])
        if unlisted != self._unlisted.get(account, {}):
            self._report_unlisted(account, unlisted)
        self._unlisted[account] = unlisted

    def _unlisted_of(self, table: CarrierNames) -> Unlisted:
        """Returns the configured codes that the table lacks; these have no effect."""
        policy = self._policy
        codes = {
            "untracked_carriers": table.lacks(policy.untracked_carriers),
            "carriers": table.lacks(policy.aliases.values()),
            "unknown_carrier": table.lacks({policy.unknown_carrier} - {REJECT}),
        }
        return {setting: lacking for setting, lacking in codes.items() if lacking}

    def keep(self, account: str, now_us: int) -> bool:
        """Keeps the last table for as long again, as it could not be read. Returns False if there is none."""
        self._reading.pop(account, None)
        if account in self._tables:
            self._read_at_us[account] = now_us
        return account in self._tables

    def code(self, account: str, name: str, now_us: int) -> str | Unmatched:
        """Returns the marketplace's code for a carrier name; for an unknown one, the configured code if there is one.

        An unknown name is not final before the table is younger than ``carriers_again_s``.
        """
        table = self._tables.get(account)
        if table is None or not self._is_fresh(account, self._policy.carriers_s, now_us):
            return Unmatched.NOT_YET
        found = table.match(name)
        if found is not None:
            return found
        if not self._is_fresh(account, self._policy.carriers_again_s, now_us):
            return Unmatched.NOT_YET
        fallback = self._policy.unknown_carrier
        return (table.match(fallback) if fallback != REJECT else None) or Unmatched.UNKNOWN

    def shown(self, account: str, name: str) -> str | None:
        """Returns the code by the present table, however old, for results; None if there is no table or no code."""
        table = self._tables.get(account)
        if table is None:
            return None
        fallback = self._policy.unknown_carrier
        return table.match(name) or (table.match(fallback) if fallback != REJECT else None)

    def wait_until_us(self, account: str, lane: str, now_us: int) -> int | None:
        """Returns when ``lane`` should check again for a table that another lane is reading.

        None: no other lane is reading it, or that lane has taken too long, so ``lane`` is to read it itself.
        """
        reading = self._reading.get(account)
        if reading is not None and reading[0] != lane and 0 <= now_us - reading[1] < _PATIENCE_US:
            return now_us + _LOOK_AGAIN_US
        return None

    def note_reader(self, account: str, lane: str, now_us: int) -> None:
        """Records that ``lane`` reads the table from now on. If it is reading the table already, nothing changes."""
        reading = self._reading.get(account)
        if reading is None or reading[0] != lane:
            self._reading[account] = (lane, now_us)

    def _is_fresh(self, account: str, for_s: float, now_us: int) -> bool:
        return now_us - self._read_at_us[account] < us(for_s)
