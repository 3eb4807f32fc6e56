"""The lanes of the scheduler partition: whose they are, by their keys. Pure."""

from dataclasses import dataclass

RETURN = "return/"


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneKey:
    """Whose a lane is: an account's own, or that of one of its orders or returns."""

    account: str
    order_id: str | None = None
    return_id: int | None = None


def order_key(account: str, order_id: str) -> str:
    return f"{account}/{order_id}"


def return_key(account: str, return_id: int) -> str:
    return f"{account}/{RETURN}{return_id}"


def parse_key(key: str) -> LaneKey:
    """Reads a key; account names hold no slash."""
    account, slash, rest = key.partition("/")
    if not slash:
        return LaneKey(account=account)
    number = rest.removeprefix(RETURN)
    if number != rest and number.isdecimal():
        return LaneKey(account=account, return_id=int(number))
    return LaneKey(account=account, order_id=rest)
