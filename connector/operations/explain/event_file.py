"""Reads one offer change from JSON, with the fields of ``OfferChanged``. Pure."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from connector.offers.events import OfferChanged, Price
from streams.errors import SettingsError


def parse_event(text: str, *, topic: str, partition: int, offset: int, now_us: int) -> OfferChanged:
    """Returns the event as if it were read now from this position, where its record was just written.

    Missing fields are null; ``event_id`` and ``source`` default to "explain", ``occurred_at`` to now, and ``key``, the
    record's key, to the EAN. ``occurred_at`` is a number of microseconds or a time such as 2026-01-31T06:00:00Z,
    ``price`` a text such as "19.99 EUR" or an object of amount and currency. Raises SettingsError for anything else.
    """
    try:
        given = json.loads(text, parse_float=Decimal)
    except ValueError as error:
        raise SettingsError(f"the event is not JSON: {error}") from error
    if not isinstance(given, dict):
        raise SettingsError("the event is not a JSON object")
    if unknown := sorted(given.keys() - _READERS.keys()):
        raise SettingsError(f"the event has no field {unknown[0]}; its fields are {', '.join(sorted(_READERS))}")
    said = {name: _read(name, value) for name, value in given.items() if value is not None}
    if not said.get("ean"):
        raise SettingsError("the event has no ean")
    occurred_at_us = said.pop("occurred_at", now_us)
    filled = {"event_id": "explain", "source": "explain", "key": said["ean"], "attributes": {}, **said}
    return OfferChanged(
        **filled,
        occurred_at_us=occurred_at_us,
        input_topic=topic,
        partition=partition,
        offset=offset,
        record_time_us=now_us,
    )


def _read(name: str, value: Any) -> Any:
    try:
        return _READERS[name](value)
    except (TypeError, ValueError) as error:
        raise SettingsError(f"the event's {name} {value!r} is not valid: {error}") from None


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("expected a text")
    return value


def _whole(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError("expected a whole number")
    return value


def _time(value: Any) -> int:
    if isinstance(value, str):
        moment = datetime.fromisoformat(value)
        aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
        return int((aware - _EPOCH).total_seconds()) * 1_000_000 + aware.microsecond
    return _whole(value)


def _price(value: Any) -> Price:
    if isinstance(value, str):
        amount, _, currency = value.strip().partition(" ")
    elif isinstance(value, dict) and value.keys() == {"amount", "currency"}:
        amount, currency = str(value["amount"]), _text(value["currency"])
    else:
        raise TypeError("expected a text such as 19.99 EUR, or amount and currency")
    try:
        exact = Decimal(amount)
    except InvalidOperation:
        raise ValueError(f"{amount!r} is not an amount") from None
    if not exact.is_finite():
        raise ValueError(f"{amount!r} is not an amount")
    return Price(amount=exact, currency=currency.strip())


def _attributes(value: Any) -> Mapping[str, str]:
    if not isinstance(value, dict):
        raise TypeError("expected an object of texts")
    return {name: _text(text) for name, text in value.items()}


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_READERS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "event_id": _text,
    "occurred_at": _time,
    "sequence": _whole,
    "source": _text,
    "target_id": _text,
    "condition": _text,
    "ean": _text,
    "offer_id": _text,
    "unit_id": _whole,
    "price": _price,
    "stock": _whole,
    "location": _text,
    "handling_time_days": _whole,
    "attributes": _attributes,
    "key": _text,
}
