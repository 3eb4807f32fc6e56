"""Keys of the lanes in the scheduler partition. Pure."""

from dataclasses import dataclass

RETURN = "return/"
"""Precedes the return id in the key of a return's lane."""
SWEEP = "units/"
"""Precedes the storefront in the key of a sweep's lane."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneKey:
    """A parsed key: of the lane of an account or, with an id, of one of its orders, returns or sweeps."""

    account: str
    order_id: str | None = None
    return_id: int | None = None
    storefront: str | None = None  # of a sweep


def order_key(account: str, order_id: str) -> str:
    """Returns the key of an order's lane."""
    return f"{account}/{order_id}"


def return_key(account: str, return_id: int) -> str:
    """Returns the key of a return's lane."""
    return f"{account}/{RETURN}{return_id}"


def sweep_key(account: str, storefront: str) -> str:
    """Returns the key of a sweep's lane."""
    return f"{account}/{SWEEP}{storefront}"


def parse_key(key: str) -> LaneKey:
    """Parses a key; account names contain no slash."""
    account, slash, rest = key.partition("/")
    if not slash:
        return LaneKey(account=account)
    if rest.startswith(SWEEP):
        return LaneKey(account=account, storefront=rest.removeprefix(SWEEP))
    number = rest.removeprefix(RETURN)
    if number != rest and number.isdecimal():
        return LaneKey(account=account, return_id=int(number))
    return LaneKey(account=account, order_id=rest)
