"""Makes valid offer changes from plain values, for demos, tests, and a first producer. An example:

kit = ProducerKit(schema_id)  # of OfferChanged under <topic>-value
key, value = kit.message(
    {
        "event_id": "4711",  # unique per source
        "occurred_at_us": time.time_ns() // 1000,
        "ean": "4006381333931",
        "target_id": "shop-de",
        "price": "19.99 EUR",
        "stock": 5,
    }
)
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final, Self

import schemas
from connector.contracts.codec import encoder_of_strings
from connector.offers.events import Price
from streams.avro.codec import encoder


@dataclass(frozen=True, slots=True, kw_only=True)
class ProducedChange:
    """An offer change as a producer writes it; the fields are those of the record ``OfferChanged``."""

    event_id: str
    occurred_at_us: int
    source: str
    ean: str
    sequence: int | None = None
    target_id: str | None = None
    condition: str | None = None
    offer_id: str | None = None
    unit_id: int | None = None
    price: Price | None = None
    stock: int | None = None
    location: str | None = None
    handling_time_days: int | None = None
    attributes: Mapping[str, str]
    listing: str | None = None

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """Returns the change for values by field; ``price`` is ``"19.99 EUR"``, a tuple of both, or a ``Price``.

        ``source`` defaults to "producer-kit" and ``condition`` to NEW. Raises ``ValueError`` that names missing and
        unknown fields, or an invalid price.
        """
        known = cls.__dataclass_fields__.keys()
        unknown = sorted(values.keys() - known)
        missing = sorted({"event_id", "occurred_at_us", "ean"} - values.keys())
        if unknown or missing:
            raise ValueError(f"unknown: {', '.join(unknown) or '-'}; missing: {', '.join(missing) or '-'}")
        filled: dict[str, Any] = {"source": "producer-kit", "condition": "NEW", "attributes": {}, **values}
        return cls(**{**filled, "price": _price(filled.get("price"))})


def _price(value: object) -> Price | None:
    if value is None or isinstance(value, Price):
        return value
    parts = value if isinstance(value, tuple) else tuple(str(value).split())
    try:
        amount, currency = parts
        return Price(amount=Decimal(amount), currency=str(currency))
    except (InvalidOperation, ValueError, TypeError):
        raise ValueError(f"{value!r} is no price; an example: 19.99 EUR") from None


class ProducerKit:
    """Makes keys and values for the input topic. ``key_schema_id`` None: keys are plain UTF-8."""

    def __init__(self, schema_id: int, key_schema_id: int | None = None) -> None:
        self._value: Final = encoder(schemas.load("offer_changed", schemas.newest("offer_changed")), schema_id)
        self._key: Final = str.encode if key_schema_id is None else encoder_of_strings(key_schema_id)

    def message(self, values: Mapping[str, Any], key: str | None = None) -> tuple[bytes, bytes]:
        """Returns key (the EAN, unless ``key`` is given) and value.

        Raises like ``ProducedChange.of``, and ``ArithmeticError`` for a number that its field cannot carry.
        """
        change = ProducedChange.of(values)
        return self._key(change.ean if key is None else key), self._value(change)

    def tombstone(self, ean: str) -> tuple[bytes, None]:
        """Returns the tombstone that ends the management of every target of the EAN."""
        return self._key(ean), None
