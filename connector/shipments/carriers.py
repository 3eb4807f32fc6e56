"""Which of the marketplace's carriers a name means: exactly, but for case and white space, or by alias. Pure.

Nothing is guessed: a name that is merely similar is unknown.
"""

from collections.abc import Callable, Iterable, Mapping
from enum import Enum, auto

from connector.shipments.policy import REJECT, ShipmentPolicy, loosened, us

_PATIENCE_US = us(10.0)
"""Longest that lanes wait for one of them to read the table."""
_LOOK_AGAIN_US = us(0.5)


class Unmatched(Enum):
    """Why a name has no code."""

    UNKNOWN = auto()
    NOT_YET = auto()  # the table must be read first, or again


class CarrierNames:
    """One table of the marketplace's exact codes, with the seller's aliases."""

    def __init__(self, codes: Iterable[str], aliases: Mapping[str, str]) -> None:
        self._codes = frozenset(codes)
        self._loose = _unambiguous((loosened(code), code) for code in self._codes)
        self._aliases = _unambiguous((loosened(alias), code) for alias, code in aliases.items())
        self._exact_aliases = dict(aliases)

    def match(self, name: str) -> str | None:
        """The marketplace's own code, or None. The table comes before the aliases."""
        found = self._of_table(name)
        if found is not None:
            return found
        meant = self._exact_aliases.get(name) or self._aliases.get(loosened(name))
        return self._of_table(meant) if meant is not None else None

    def lacks(self, codes: Iterable[str]) -> tuple[str, ...]:
        """Those of the codes that the table has not, ascending."""
        return tuple(sorted({code for code in codes if self._of_table(code) is None}))

    def _of_table(self, name: str) -> str | None:
        return name if name in self._codes else self._loose.get(loosened(name))


def _unambiguous(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """What two different codes would answer to answers to none."""
    found: dict[str, set[str]] = {}
    for key, code in pairs:
        found.setdefault(key, set()).add(code)
    return {key: codes.pop() for key, codes in found.items() if len(codes) == 1}


Unlisted = Mapping[str, tuple[str, ...]]
"""Setting of [shipments] -> the carrier codes in it that the marketplace's table has not."""
SayUnlisted = Callable[[str, Unlisted], None]
"""Told an account and what its table has not, whenever that changes."""


def _say_nothing(account: str, unlisted: Unlisted) -> None:
    """Where nobody listens."""


class Carriers:
    """The table of each account, as this process read it last. Kept beside the lanes: it is the marketplace's."""

    def __init__(self, policy: ShipmentPolicy, say_unlisted: SayUnlisted = _say_nothing) -> None:
        self._policy = policy
        self._say_unlisted = say_unlisted
        self._unlisted: dict[str, Unlisted] = {}
        self._tables: dict[str, CarrierNames] = {}
        self._read_at_us: dict[str, int] = {}
        self._asked: dict[str, tuple[str, int]] = {}  # account -> the lane that asks, since when

    def learn(self, account: str, codes: Iterable[str], now_us: int) -> None:
        table = self._tables[account] = CarrierNames(codes, self._policy.aliases)
        self._read_at_us[account] = now_us
        self._asked.pop(account, None)
        unlisted = self._unlisted_of(table)
        if unlisted != self._unlisted.get(account, {}):
            self._say_unlisted(account, unlisted)
        self._unlisted[account] = unlisted

    def _unlisted_of(self, table: CarrierNames) -> Unlisted:
        """A code that the marketplace does not know does nothing where it is configured."""
        policy = self._policy
        codes = {
            "untracked_carriers": table.lacks(policy.untracked_carriers),
            "carriers": table.lacks(policy.aliases.values()),
            "unknown_carrier": table.lacks({policy.unknown_carrier} - {REJECT}),
        }
        return {setting: lacking for setting, lacking in codes.items() if lacking}

    def not_learned(self, account: str, now_us: int) -> bool:
        """The table could not be read: the one before holds for another while. False: there is none."""
        self._asked.pop(account, None)
        if account in self._tables:
            self._read_at_us[account] = now_us
        return account in self._tables

    def code(self, account: str, name: str, now_us: int) -> str | Unmatched:
        """The marketplace's code of a carrier, that for unknown ones included."""
        table = self._tables.get(account)
        if table is None or not self._is_believed(account, self._policy.carriers_s, now_us):
            return Unmatched.NOT_YET
        found = table.match(name)
        if found is not None:
            return found
        if not self._is_believed(account, self._policy.carriers_again_s, now_us):
            return Unmatched.NOT_YET
        fallback = self._policy.unknown_carrier
        return (table.match(fallback) if fallback != REJECT else None) or Unmatched.UNKNOWN

    def shown(self, account: str, name: str) -> str | None:
        """The code as far as it is known now, for a person; asks for nothing."""
        table = self._tables.get(account)
        if table is None:
            return None
        fallback = self._policy.unknown_carrier
        return table.match(name) or (table.match(fallback) if fallback != REJECT else None)

    def wait_until_us(self, account: str, lane: str, now_us: int) -> int | None:
        """When to look again for a table that another lane reads; None: this one shall read it."""
        asking = self._asked.get(account)
        if asking is not None and asking[0] != lane and 0 <= now_us - asking[1] < _PATIENCE_US:
            return now_us + _LOOK_AGAIN_US
        if asking is None or asking[0] != lane:
            self._asked[account] = (lane, now_us)
        return None

    def _is_believed(self, account: str, for_s: float, now_us: int) -> bool:
        return now_us - self._read_at_us[account] < us(for_s)
