"""Validates offer events before anything is sent; each rule has a code. Pure.

A rule for events rejects the whole event. A rule for fields rejects one field; the other fields are processed.
"""

from dataclasses import dataclass
from decimal import Decimal

from connector.contracts.codes import Code
from connector.contracts.event_time import time_fault
from connector.contracts.microseconds import us
from connector.contracts.problem import Problem
from connector.marketplace.offers import Condition, Currency, Field
from connector.offers.conversion import Converted
from connector.offers.converted_events import converted_before, is_converted, price_of
from connector.offers.event_order import EventOrder
from connector.offers.events import FieldStatus, ListingAct, OfferChanged, Price
from connector.offers.gtin import GtinError, normal_form
from connector.offers.ledger import Asked, FieldOutcome, OfferLane
from connector.offers.policy import Locations, OfferTerms
from connector.offers.refusal import Refusal, refuse
from connector.offers.stock import refused_above, refused_below
from connector.routing.table import Target
from streams.frozen import quick, replace

CONDITIONS = frozenset(condition.value for condition in Condition if condition is not Condition.UNKNOWN)


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """A validated event: its target and condition, its fields, and the fields that were rejected."""

    target_id: str | None
    condition: str | None
    asked: tuple[Asked, ...]
    ended: tuple[FieldOutcome, ...]
    refusal: Refusal | None  # of the event as a whole
    problem: Problem | None  # of the first rejected field, or of the event


def examine(event: OfferChanged, terms: OfferTerms, now_us: int, before: OfferLane | None = None) -> Examined:
    """Applies all rules to an event, with the configured default target and condition where it names none.

    ``before``: the lane of an event that is read again, whose price is converted as when it was accepted.
    """
    policy = terms.policy
    target_id = event.target_id or policy.default_target
    condition = event.condition or policy.default_condition
    target = terms.routing.find(target_id)
    refusal = _of_event(event, target_id, target, condition, terms, now_us)
    asked, ended, problem = [], [], None
    known = converted_before(before, event, target) if before is not None else None
    for one, fault in _fields(event, target, terms, now_us, known):
        asked.append(one)
        if refusal is not None:
            ended.append(FieldOutcome(field=one.field, status=FieldStatus.REJECTED, code=refusal.code))
        elif fault is not None:
            ended.append(FieldOutcome(field=one.field, status=FieldStatus.REJECTED, code=fault.code))
            problem = problem or fault.problem
    return Examined(
        target_id=target_id,
        condition=condition,
        asked=tuple(asked),
        ended=tuple(ended),
        refusal=refusal,
        problem=refusal.problem if refusal is not None else problem,
    )


def key_fault(key: str, ean: str) -> Refusal | None:
    """Returns why a record is rejected whose key is not its EAN in normal form; None if it is.

    Order is kept per key, so one EAN must not have two.
    """
    if key == ean:
        try:
            normal = normal_form(ean)
        except GtinError as error:
            return refuse(Code.EAN_INVALID, reason=error)
        return None if normal == key else refuse(Code.KEY_NOT_NORMAL, key=key, ean=normal)
    if not ean:
        return refuse(Code.EAN_MISSING)
    try:
        normal = normal_form(ean)
    except GtinError as error:
        return refuse(Code.EAN_INVALID, reason=error)
    if key == normal:
        return None
    try:
        same = normal_form(key) == normal
    except GtinError:
        same = False
    return refuse(Code.KEY_NOT_NORMAL if same else Code.KEY_CONTRADICTS_EAN, key=key, ean=normal)


def date_fault(occurred_at_us: int, record_time_us: int, terms: OfferTerms, now_us: int) -> Refusal | None:
    """Returns why an event's time is rejected, such as one too far in the future; None if it is valid."""
    limit_us = us(terms.policy.future_limit_s)
    fault = time_fault(occurred_at_us, record_time_us, limit_us=limit_us, now_us=now_us)
    return None if fault is None else Refusal(*fault)


def selector_fault(
    target_id: str | None, target: Target | None, condition: str | None, terms: OfferTerms
) -> Refusal | None:
    """Returns why an event with this target and condition, defaults included, selects no offer; None if it does.

    ``target``: None if ``target_id`` is not configured.
    """
    if target_id is None:
        return refuse(Code.TARGET_MISSING)
    if target is None or target.storefront not in terms.reference.storefronts:
        return refuse(
            Code.TARGET_UNKNOWN, target_id=target_id, known=", ".join(sorted(terms.routing.targets)) or "none"
        )
    if condition is None:
        return refuse(Code.CONDITION_MISSING)
    if condition not in CONDITIONS:
        return refuse(Code.CONDITION_UNKNOWN, condition=condition, known=", ".join(sorted(CONDITIONS)))
    return None


def _of_event(
    event: OfferChanged,
    target_id: str | None,
    target: Target | None,
    condition: str | None,
    terms: OfferTerms,
    now_us: int,
) -> Refusal | None:
    if fault := key_fault(event.key, event.ean):
        return fault
    order = terms.policy.ordered_by(event.source)
    if order is not EventOrder.LOG and (fault := date_fault(event.occurred_at_us, event.record_time_us, terms, now_us)):
        return fault
    if event.sequence is None and order is EventOrder.SEQUENCE:
        return refuse(Code.SEQUENCE_MISSING, source=event.source)
    if fault := selector_fault(target_id, target, condition, terms):
        return fault
    if event.price is None and event.stock is None and event.handling_time_days is None:
        return refuse(Code.NOTHING_CARRIED)
    return _listing_fault(event)


def _listing_fault(event: OfferChanged) -> Refusal | None:
    """Returns why an event with a listing is rejected; None if it is not."""
    match event.listing:
        case None | ListingAct.CREATE:
            return None
        case ListingAct.DELETE:
            others = event.price is not None or event.handling_time_days is not None or event.location
            return refuse(Code.DELETE_WITHOUT_ZERO) if others or event.stock != 0 else None
        case unknown:
            return refuse(Code.LISTING_UNKNOWN, listing=unknown, known=", ".join(ListingAct))


def _fields(
    event: OfferChanged, target: Target | None, terms: OfferTerms, now_us: int, known: Converted | None
) -> list[tuple[Asked, Refusal | None]]:
    """Returns each field that the event carries, and why it is rejected, if it is.

    ``known``: how its price was converted before.
    """
    fields: list[tuple[Asked, Refusal | None]] = []
    if (stock := event.stock) is not None:
        fault = _stock_fault(stock, event.location, terms)
        fields.append((Asked(field=Field.STOCK, value=stock, requested=Decimal(stock)), fault))
    if event.price is not None:
        fields.append(_price(event.price, target, terms, now_us, known))
    if (days := event.handling_time_days) is not None:
        fault = None
        if not 0 <= days <= terms.reference.max_handling_time_days:
            fault = refuse(Code.HANDLING_TIME_OUT_OF_RANGE, days=days, maximum=terms.reference.max_handling_time_days)
        fields.append((Asked(field=Field.HANDLING_TIME, value=days, requested=Decimal(days)), fault))
    return fields


def _stock_fault(stock: int, location: str | None, terms: OfferTerms) -> Refusal | None:
    """Returns why a stock is rejected: its location, or its range; None if it is valid."""
    policy, ceiling = terms.policy, terms.reference.max_stock
    if location and policy.locations is Locations.REFUSE:
        return refuse(Code.LOCATION_NOT_CONFIGURED, location=location)
    if refused_below(policy, stock, of_location=bool(location)):
        maximum = policy.max_stock if policy.max_stock is not None else ceiling
        return refuse(Code.STOCK_OUT_OF_RANGE, stock=stock, maximum=maximum)
    if (top := refused_above(policy, stock, ceiling)) is not None:
        return refuse(Code.STOCK_OUT_OF_RANGE, stock=stock, maximum=top)
    return None


def _price(
    price: Price, target: Target | None, terms: OfferTerms, now_us: int, known: Converted | None
) -> tuple[Asked, Refusal | None]:
    """Returns the price in minor units of the target's currency, and why it is rejected, if it is."""
    currency = terms.reference.storefronts.get(target.storefront) if target is not None else None
    asked = Asked(field=Field.PRICE, value=None, requested=price.amount, currency=price.currency)
    if target is None or currency is None:
        return asked, None
    if is_converted(price, target, currency):
        found = price_of(price, target, currency, terms, now_us, known)
        if isinstance(found, Refusal):
            return asked, found
        bounds = _bounds_fault(found.value or 0, found.requested, currency)
        return (asked, bounds) if bounds is not None else (found, None)
    value, fault = _minor_units(price, target.storefront, currency)
    return replace(asked, value=value), fault


def _minor_units(price: Price, storefront: str, currency: Currency) -> tuple[int | None, Refusal | None]:
    """Returns the price in minor units, and why it is rejected, if it is.

    Rejects a wrong currency, a price that minor units cannot express exactly (it is never rounded), and one that is
    not positive or above the currency's ceiling. The amount is None in the first two cases.
    """
    if price.currency != currency.code:
        return None, refuse(
            Code.CURRENCY_MISMATCH, storefront=storefront, expected=currency.code, got=price.currency or "none"
        )
    scaled = price.amount.scaleb(currency.exponent)
    value = int(scaled)
    if value != scaled:
        shown = {"price": price.amount, "currency": currency.code}
        return None, refuse(Code.PRICE_NOT_IN_MINOR_UNITS, exponent=currency.exponent, **shown)
    return value, _bounds_fault(value, price.amount, currency)


def _bounds_fault(value: int, amount: Decimal, currency: Currency) -> Refusal | None:
    """Returns why a price is rejected that is not positive, or above the currency's ceiling; None if it is neither."""
    shown = {"price": amount, "currency": currency.code}
    if value <= 0:
        return refuse(Code.PRICE_NOT_POSITIVE, **shown)
    if value > currency.ceiling:
        ceiling = Decimal(currency.ceiling).scaleb(-currency.exponent)
        return refuse(Code.PRICE_ABOVE_CEILING, ceiling=ceiling, **shown)
    return None
