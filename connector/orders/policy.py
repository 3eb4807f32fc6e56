"""The settings of the order flow; invalid values raise ValueError when the policy is built. Pure."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from connector.contracts.microseconds import us
from connector.marketplace.offers import Currency

_DAY_S = 24 * 3600.0
SHORTEST_INTERVAL_S = 5.0
LONGEST_INTERVAL_S = _DAY_S
LONGEST_LOOKBACK_DAYS = 3650


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderPolicy:
    """The settings of the flow; times in seconds. ``accounts``: those whose orders are polled.

    ``create_sales_orders`` requests one sales order for each order that is read while it is on, past orders that the
    first poll finds included, unless all units of the order are cancelled.
    """

    accounts: frozenset[str]
    interval_s: float = 60.0  # from the start of a poll to that of the next, varied by up to a tenth
    intervals_s: Mapping[str, float] = field(default_factory=dict)  # by account, where it differs
    overlap_s: float = 300.0  # how far behind the cursor a poll begins, to find changes that became visible late
    lookback_days: int = 30  # of the very first poll
    contacts: bool = False  # whether buyers' data is written
    create_sales_orders: bool = False
    customer_number: str | None = None  # of sales orders
    returns: bool = False  # whether returns are polled
    sales_order_memory_s: float = 400 * _DAY_S  # how long it is remembered that an order has its sales order

    def __post_init__(self) -> None:
        for account in self.accounts:
            if not account or "/" in account:
                raise ValueError(f"an account's name must not be empty nor hold a slash, got {account!r}")
        for name, interval_s in (("interval_s", self.interval_s), *self.intervals_s.items()):
            if not SHORTEST_INTERVAL_S <= interval_s <= LONGEST_INTERVAL_S:
                bounds = f"{SHORTEST_INTERVAL_S:.0f}..{LONGEST_INTERVAL_S:.0f}"
                raise ValueError(f"interval_s must be in {bounds}, got {interval_s} for {name}")
        if not 0 <= self.overlap_s <= 7 * _DAY_S:
            raise ValueError(f"overlap_s must be in 0..{7 * _DAY_S:.0f}, got {self.overlap_s}")
        if not 1 <= self.lookback_days <= LONGEST_LOOKBACK_DAYS:
            raise ValueError(f"lookback_days must be in 1..{LONGEST_LOOKBACK_DAYS}, got {self.lookback_days}")
        if self.customer_number is not None and not self.customer_number.strip():
            raise ValueError("customer_number must not be empty; leave it out where there is none")
        if not self.sales_order_memory_s >= self.memory_s:
            raise ValueError(f"sales_order_memory_s must be at least {self.memory_s}, got {self.sales_order_memory_s}")

    def interval_of(self, account: str) -> float:
        """Returns the account's poll interval in seconds."""
        return self.intervals_s.get(account, self.interval_s)

    @property
    def memory_s(self) -> float:
        """How many seconds a finished lane is kept after a list has last shown it.

        A lane that polls still show must not be deleted: it would be read and written again. Twice the time between two
        polls is enough, because the deadline is extended when half of this time is over. At least a day, to cover
        outages.
        """
        return max(_DAY_S, 4 * max(self.interval_s, *self.intervals_s.values(), 0.0), 2 * self.overlap_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheduled:
    """What commands may ask for: the accounts that are polled, and the accounts and storefronts that are swept."""

    accounts: Collection[str]
    places: Collection[tuple[str, str]] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderTerms:
    """What every turn depends on, besides the lane and the time."""

    policy: OrderPolicy
    currencies: Mapping[str, Currency]  # by code


def wait_us(base_s: float, cap_s: float, tries: int) -> int:
    """Returns the wait in microseconds after ``tries`` consecutive failures: doubled each time, up to ``cap_s``."""
    return us(min(cap_s, base_s * 2.0 ** min(tries - 1, 30)))
