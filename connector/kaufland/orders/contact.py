"""Reads the contact of an order: names and addresses, as the API returns them. Pure.

No other module of the adapter reads personal data.
"""

from collections.abc import Mapping
from typing import Any

from connector.marketplace.orders import Contact


def contact_of(data: Mapping[str, Any]) -> Contact | None:
    """Returns texts and numbers as the API returns them, or None if there are none.

    Other values are ignored: an invalid contact never makes an order unreadable.
    """
    buyer, billing, shipping = (_texts(data.get(name)) for name in ("buyer", "billing_address", "shipping_address"))
    return Contact(buyer=buyer, billing=billing, shipping=shipping) if buyer or billing or shipping else None


def _texts(values: Any) -> dict[str, str]:
    """Returns the texts and numbers of an object by name; other values are left out."""
    if not isinstance(values, dict):
        return {}
    return {
        name: str(value)
        for name, value in values.items()
        if isinstance(value, str | int) and not isinstance(value, bool) and _is_unicode(f"{name}{value}")
    }


def _is_unicode(text: str) -> bool:
    """Whether the text is valid Unicode: JSON may hold a lone surrogate, which cannot be encoded in UTF-8."""
    return not any("\ud800" <= character <= "\udfff" for character in text)
