"""The marketplace's error envelope: which of our fields it means."""

from connector.kaufland.verdict.error_body import field_errors, read_error
from connector.marketplace.offers import Field


def test_an_error_names_our_field_or_keeps_the_marketplaces_name() -> None:
    error = read_error(
        b'{"type":"/problems/validation-error","message":"m","errors":'
        b'[{"field":"listing_price","message":"a"},{"field":"vat","message":"b"}]}'
    )
    assert error is not None

    price, vat = field_errors(error.errors)

    assert (price.field, price.name, price.message) == (Field.PRICE, "listing_price", "a")
    assert (vat.field, vat.name, vat.message) == (None, "vat", "b")
