"""With which rate the price of an event is converted, whenever it is read. Pure.

A price is converted once, when its event is read; what becomes of the event later uses that value, with the rate of
that moment. An event that was accepted and is read again is converted as it was then, whatever the rate is now. A
price that a guard rail holds is the exception: no call carries it, so it is converted again when the rates have
changed (``connector.offers.decide``).

After a crash, a price may have been sent with another rate than the one with which its event is read again. So what is
known of the price counts as uncertain for events that another process may have read (``unsure``).
"""

from connector.contracts.capabilities import Capability
from connector.contracts.microseconds import us
from connector.marketplace.offers import Currency, Field
from connector.offers.conversion import DEFAULT_RULE, Converted, converted
from connector.offers.events import Conversion, OfferChanged, Price
from connector.offers.field_knowledge import doubted, wanted_by_event
from connector.offers.ledger import Asked, Fact, OfferLane, to_major
from connector.offers.policy import OfferTerms
from connector.offers.refusal import Refusal
from connector.routing.table import Target
from streams.frozen import replace


def is_converted(price: Price, target: Target, currency: Currency) -> bool:
    """Whether a price is converted; if not, it must be in the storefront's currency."""
    is_foreign = price.currency not in ("", currency.code)
    return is_foreign and Capability.PRICES_CONVERT in target.capabilities


def price_of(
    price: Price, target: Target, currency: Currency, terms: OfferTerms, now_us: int, before: Converted | None = None
) -> Asked | Refusal:
    """Returns the price of an event in the storefront's currency, or why its rate cannot be used.

    ``before``: how it was converted when it was accepted.
    """
    rule = terms.policy.conversions.get(target.id, DEFAULT_RULE)
    found = before or converted(price, currency, terms.rates, rule, now_us, us(terms.policy.future_limit_s))
    if isinstance(found, Refusal):
        return found
    value, conversion = found
    return Asked(
        field=Field.PRICE,
        value=value,
        requested=to_major(Field.PRICE, value, currency.exponent),
        currency=currency.code,
        conversion=conversion,
    )


def priced_again(of: Conversion, target: Target, terms: OfferTerms, now_us: int) -> Asked | None:
    """Returns a price that was converted before, converted with the rate in use; None if there is no usable one."""
    currency = terms.reference.storefronts.get(target.storefront)
    price = Price(amount=of.amount, currency=of.currency)
    if currency is None or not is_converted(price, target, currency):
        return None
    found = price_of(price, target, currency, terms, now_us)
    if isinstance(found, Refusal) or found.value is None or not 0 < found.value <= currency.ceiling:
        return None
    return found


def converted_before(lane: OfferLane, event: OfferChanged, target: Target | None) -> Converted | None:
    """Returns the price with which an event was accepted before, and how it was converted; None if it was not.

    Events are compared by offset as well: a producer may repeat an event_id.
    """
    if target is None or event.price is None:
        return None
    for unit in lane.units:
        fact = unit.facts.get(Field.PRICE)
        if fact is not None and (unit.account, unit.storefront) == (target.account, target.storefront):
            found = _accepted_with(event, event.price, fact)
            if found is not None:
                return found
    return None


def _accepted_with(event: OfferChanged, price: Price, fact: Fact) -> Converted | None:
    used, order, value = fact.conversion, fact.order, wanted_by_event(fact)
    if used is None or order is None or value is None:
        return None
    is_same = (fact.event_id, order.offset) == (event.event_id, event.offset)
    return (value, used) if is_same and (used.amount, used.currency) == (price.amount, price.currency) else None


def unsure(lane: OfferLane, target: Target, now_us: int) -> OfferLane:
    """Returns the lane with the prices of a target's units uncertain, so that an equal price is sent as well."""
    return replace(
        lane,
        units=tuple(
            replace(unit, facts={**unit.facts, Field.PRICE: doubted(unit.facts[Field.PRICE], now_us)})
            if (unit.account, unit.storefront) == (target.account, target.storefront) and Field.PRICE in unit.facts
            else unit
            for unit in lane.units
        ),
    )
