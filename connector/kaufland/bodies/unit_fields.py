"""The names that the API gives to the fields of a unit. Pure."""

from collections.abc import Mapping
from types import MappingProxyType

from connector.marketplace.offers import Field

API_FIELDS: Mapping[Field, str] = MappingProxyType(
    {Field.PRICE: "listing_price", Field.STOCK: "amount", Field.HANDLING_TIME: "handling_time"}
)
_OUR_FIELDS: Mapping[str, Field] = {name: field for field, name in API_FIELDS.items()} | {
    "listingPrice": Field.PRICE,  # as an example in the API's document spells it
    "handlingTime": Field.HANDLING_TIME,
}


def field_of(name: str) -> Field | None:
    """Returns the field that an error message names, or None for any other name."""
    return _OUR_FIELDS.get(name)
