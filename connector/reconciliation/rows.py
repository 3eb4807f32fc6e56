"""From a unit of the marketplace to the records of the units topic, one for each EAN. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeAlias

from connector.marketplace.offers import Currency, Field, Unit
from connector.reconciliation.events import UnitObserved
from connector.reconciliation.recent_sales import NONE_KNOWN, Ordered

NormalForm: TypeAlias = Callable[[str], str]
"""Returns the normal form of an EAN, by which its lane is keyed. Raises ValueError for a text that is not an EAN."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageTimes:
    """The times of a page: when its call was sent and answered, and when its sweep began."""

    requested_us: int
    observed_us: int
    sweep_us: int


def rows_of_unit(
    account: str,
    unit: Unit,
    times: PageTimes,
    *,
    normal_form: NormalForm,
    storefronts: Mapping[str, Currency],
    ordered: Ordered = NONE_KNOWN,
    target_id: str | None = None,
) -> tuple[UnitObserved, ...]:
    """Returns a record for each EAN of a unit; none if the marketplace shows no EAN.

    An EAN with several spellings, such as with and without a leading zero, has one record.
    """
    eans = sorted({_normal(ean, normal_form) for ean in unit.eans})
    currency = storefronts.get(unit.storefront)
    price = unit.values.get(Field.PRICE)
    return tuple(
        UnitObserved(
            ean=ean,
            account=account,
            storefront=unit.storefront,
            unit_id=unit.unit_id,
            condition=unit.condition.value,
            offer_id=unit.offer_id,
            other_eans=tuple(other for other in eans if other != ean),
            status=unit.status,
            is_live=unit.is_live,
            fulfilled_by_marketplace=unit.fulfilled_by_marketplace,
            price=None if price is None or currency is None else Decimal(price).scaleb(-currency.exponent),
            currency=None if price is None or currency is None else currency.code,
            stock=unit.values.get(Field.STOCK),
            handling_time_days=unit.values.get(Field.HANDLING_TIME),
            changed_at_us=unit.changed_us,
            ordered_at=ordered.at_us,
            orders_read_at_us=ordered.read_at_us,
            orders_known_from_us=ordered.known_from_us,
            requested_at_us=times.requested_us,
            observed_at_us=times.observed_us,
            sweep_at_us=times.sweep_us,
            target_id=target_id,
        )
        for ean in eans
    )


def _normal(ean: str, normal_form: NormalForm) -> str:
    try:
        return normal_form(ean)
    except ValueError:
        return ean
