"""Buyers at work: orders that are made, confirmed, cancelled, shipped by hand, received and sent back by themselves.

Everything that happens is drawn from a seed, by the number of the order unit, so the same plan gives the same history
apart from its moments. Pure: whoever has a clock calls ``run`` again and again.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Final, TypeAlias

from simulator.call_context import CallContext
from simulator.chance import between, fraction, happens, pick
from simulator.exchange import Moment
from simulator.offers.catalogue import SimulatedUnit
from simulator.offers.market import Market
from simulator.orders.buyers import Buyer
from simulator.orders.orders import WAYS, Defect, OrderBook, SimulatedOrder, SimulatedOrderUnit, SimulatedUnitStatus
from simulator.orders.returns import NEXT, ReturnBook, SimulatedReturn
from simulator.reference import VAT_PCT

_FIRST_ORDER_UNIT_ID: Final = 314_000_000_000_000
_ID_LETTERS: Final = "0123456789ABCDEFGHJKLMNPQRSTUVWXYZ"
_ID_LENGTH: Final = 6
_ID_STRIDE: Final = 1_000_003  # has no divisor in common with the number of letters, so no id comes twice
_TRIES: Final = 20
_CANCEL_REASON: Final = "BuyerCancelled"

_Step: TypeAlias = Callable[[CallContext], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class TradePlan:
    """What happens by itself. Shares are of order units, 0 to 1; ``None`` of a wait = never."""

    seed: int = 1
    at_start: int = 0  # orders that are there when the simulator starts
    at_start_over_s: float = 3600.0  # made evenly over so long before it
    per_second: float = 0.0  # new orders
    total: int | None = None  # orders made by the plan in all, those at the start included
    units_min: int = 1
    units_max: int = 5  # order units of an order
    same_offer: float = 0.5  # a further unit is of the offer of the one before
    confirm_delay_s: float = 1.0  # open -> need_to_be_sent
    cancelled: float = 0.0  # cancelled before they are sent
    changed: float = 0.0  # marked as sent by other means, as by hand in the portal
    change_within_s: float = 10.0  # either of both happens within so long after the order
    delivery_s: float | None = None  # sent -> received
    autopaid: float = 0.0  # sent_and_autopaid instead of received
    returned: float = 0.0  # sent back after they were received
    unusual: float = 0.0  # go to ``unusual_status`` instead of need_to_be_sent
    unusual_status: str = "in_clarification"
    discounted: float = 0.0  # bought with a voucher of a tenth of the price
    sales_lower_stock: bool = False
    defects: tuple[tuple[int, Defect], ...] = ()  # order number, and what is wrong with the row of its first unit


@dataclass(frozen=True, slots=True, kw_only=True)
class SellingAccount:
    """A seller on its storefronts."""

    seller: str
    storefronts: tuple[str, ...]


@dataclass(slots=True, kw_only=True)
class Trade:
    """Makes orders and moves them on. Owned by one thread."""

    plan: TradePlan
    market: Market
    book: OrderBook
    returns: ReturnBook
    shops: Sequence[SellingAccount]
    _agenda: list[tuple[int, int, _Step]] = field(default_factory=list)
    _noted: int = 0
    _made_units: int = 0
    _made_by_plan: int = 0
    _started_us: int = 0
    _offers: dict[tuple[str, str], tuple[int, ...]] = field(default_factory=dict)

    # ---- time -------------------------------------------------------------------------------------------------------

    def start(self, context: CallContext) -> None:
        """Make the orders that are there from the start, the oldest first."""
        self._started_us = context.now.mono_us
        for index in range(self.plan.at_start if self.shops else 0):
            age_us = round(self.plan.at_start_over_s * 1e6 * (1 - index / self.plan.at_start))
            self._made_by_plan += 1
            self.make(context, created=_earlier(context.now, age_us))

    def run(self, context: CallContext) -> None:
        """Everything that is due. The context's moment is the one that all of it happens at."""
        self._make_due(context)
        while self._agenda and self._agenda[0][0] <= context.now.mono_us:
            heappop(self._agenda)[2](context)

    def _make_due(self, context: CallContext) -> None:
        age_s = (context.now.mono_us - self._started_us) / 1e6
        wanted = self.plan.at_start + int(age_s * self.plan.per_second)
        if self.plan.total is not None:
            wanted = min(wanted, self.plan.total)
        while self._made_by_plan < wanted and self.shops:
            self._made_by_plan += 1
            self.make(context)

    def _later(self, now_us: int, wait_s: float, step: _Step) -> None:
        self._noted += 1
        heappush(self._agenda, (now_us + round(wait_s * 1e6), self._noted, step))

    # ---- making -----------------------------------------------------------------------------------------------------

    def make(
        self,
        context: CallContext,
        *,
        seller: str | None = None,
        pieces: int | None = None,
        unit_ids: Sequence[int] = (),
        created: Moment | None = None,
    ) -> SimulatedOrder | None:
        """An order of these offers, or of offers that are drawn. None = nothing is for sale.

        Raises ValueError for an offer that is not there, or offers of several sellers or storefronts.
        """
        number = len(self.book)
        offers = self._asked(unit_ids, seller) if unit_ids else self._drawn(number, seller, pieces)
        if not offers:
            return None
        moment = created or context.now
        order = self._order(number, offers, moment.wall_us)
        if self.plan.sales_lower_stock:
            for offer in offers:
                self.market.sell(offer, context)
        self.book.add(order, context.at(moment))
        for unit in order.units:
            self._plan_life(unit, context, created=moment)
        return order

    def _asked(self, unit_ids: Sequence[int], seller: str | None) -> list[SimulatedUnit]:
        offers = [unit for unit_id in unit_ids if (unit := self.market.catalogue.unit(unit_id))]
        places = {(unit.seller, unit.storefront, unit.fulfillment_type) for unit in offers}
        if len(offers) != len(unit_ids) or len(places) != 1 or (seller and seller != offers[0].seller):
            raise ValueError("an order is of offers of one seller, storefront and way of fulfilment")
        return offers

    def _drawn(self, number: int, seller: str | None, pieces: int | None) -> list[SimulatedUnit]:
        plan = self.plan
        shops = [shop for shop in self.shops if seller in (None, shop.seller)]
        if not shops:
            return []
        shop = pick(shops, plan.seed, "shop", number)
        storefront = pick(shop.storefronts, plan.seed, "storefront", number)
        offers: list[SimulatedUnit] = []
        for piece in range(pieces or between(plan.units_min, plan.units_max, plan.seed, "pieces", number)):
            if (offer := self._offer(shop.seller, storefront, number, piece, offers)) is not None:
                offers.append(offer)
        return offers

    def _offer(
        self, seller: str, storefront: str, number: int, piece: int, before: list[SimulatedUnit]
    ) -> SimulatedUnit | None:
        """The next piece: often of the same offer as the one before."""
        plan = self.plan
        if before and happens(plan.same_offer, plan.seed, "same", number, piece) and self._for_sale(before[-1], before):
            return before[-1]
        unit_ids = self._unit_ids(seller, storefront)
        for attempt in range(_TRIES if unit_ids else 0):
            unit = self.market.catalogue.unit(pick(unit_ids, plan.seed, "offer", number, piece, attempt))
            if unit is not None and self._for_sale(unit, before):
                return unit
        return None

    def _for_sale(self, unit: SimulatedUnit, before: list[SimulatedUnit]) -> bool:
        """An order is fulfilled in one way; where sales take stock, there must be some for this piece as well."""
        if unit.status != "AVAILABLE" or (before and unit.fulfillment_type != before[0].fulfillment_type):
            return False
        taken = sum(other.id == unit.id for other in before)
        return not self.plan.sales_lower_stock or unit.amount > taken

    def _unit_ids(self, seller: str, storefront: str) -> tuple[int, ...]:
        if (seller, storefront) not in self._offers:
            self._offers[seller, storefront] = tuple(
                unit.id for unit in self.market.catalogue.units(seller, storefront)
            )
        return self._offers[seller, storefront]

    def _order(self, number: int, offers: Sequence[SimulatedUnit], created_us: int) -> SimulatedOrder:
        storefront = offers[0].storefront
        order = SimulatedOrder(
            id=order_id(number),
            number=number,
            seller=offers[0].seller,
            storefront=storefront,
            fulfillment_type=offers[0].fulfillment_type,
            buyer=Buyer(number=number, country=storefront.upper()),
            created_us=created_us,
        )
        order.units += [self._order_unit(order, offer) for offer in offers]
        order.units[0].defect = dict(self.plan.defects).get(number)
        return order

    def _order_unit(self, order: SimulatedOrder, offer: SimulatedUnit) -> SimulatedOrderUnit:
        self._made_units += 1
        standard, reduced = VAT_PCT[order.storefront]
        unit_id = _FIRST_ORDER_UNIT_ID + self._made_units
        discounted = happens(self.plan.discounted, self.plan.seed, "discounted", unit_id)
        return SimulatedOrderUnit(
            id=unit_id,
            order=order,
            unit_id=offer.id,
            product=offer.product,
            id_offer=offer.id_offer,
            condition=offer.condition,
            note=offer.note,
            price=offer.listing_price,
            shipping_rate=offer.shipping_rate,
            vat_pct=standard if offer.vat_indicator == "standard_rate" else reduced,
            eco_fee=offer.eco_participation,
            discount=offer.listing_price // 10 if discounted else 0,
            delivery_days_min=offer.handling_time + offer.transport_time_min,
            delivery_days_max=offer.handling_time + offer.transport_time_max,
            updated_us=order.created_us,
        )

    # ---- what becomes of an order unit ------------------------------------------------------------------------------

    def _plan_life(self, unit: SimulatedOrderUnit, context: CallContext, *, created: Moment) -> None:
        plan, now_us = self.plan, context.now.mono_us
        confirmed = _earlier(created, -round(plan.confirm_delay_s * 1e6))
        if confirmed.mono_us <= now_us:
            self._confirm(unit, context.at(confirmed))
        else:
            self._later(confirmed.mono_us, 0, lambda then: self._confirm(unit, then))
        wait_s = plan.change_within_s * fraction(plan.seed, "when", unit.id)
        if happens(plan.cancelled, plan.seed, "cancelled", unit.id):
            self._later(now_us, wait_s, lambda then: self._cancel(unit, then))
        elif happens(plan.changed, plan.seed, "changed", unit.id):
            self._later(now_us, plan.confirm_delay_s + wait_s, lambda then: self._ship_by_hand(unit, then))

    def _confirm(self, unit: SimulatedOrderUnit, context: CallContext) -> None:
        if unit.status == SimulatedUnitStatus.OPEN:
            is_unusual = happens(self.plan.unusual, self.plan.seed, "unusual", unit.id)
            status = self.plan.unusual_status if is_unusual else SimulatedUnitStatus.NEED_TO_BE_SENT
            self.book.move(unit, status, context)

    def _cancel(self, unit: SimulatedOrderUnit, context: CallContext) -> None:
        self.cancel(unit, context)

    def _ship_by_hand(self, unit: SimulatedOrderUnit, context: CallContext) -> None:
        if unit.status == SimulatedUnitStatus.NEED_TO_BE_SENT:
            self.book.move(unit, SimulatedUnitStatus.SENT, context)
            self.follow(unit, context)

    def follow(self, unit: SimulatedOrderUnit, context: CallContext) -> None:
        """The unit was sent, by a call or by hand: what comes of it by itself."""
        if self.plan.delivery_s is not None and unit.status == SimulatedUnitStatus.SENT:
            self._later(context.now.mono_us, self.plan.delivery_s, lambda then: self._deliver(unit, then))

    def _deliver(self, unit: SimulatedOrderUnit, context: CallContext) -> None:
        plan = self.plan
        if unit.status != SimulatedUnitStatus.SENT:
            return
        autopaid = happens(plan.autopaid, plan.seed, "autopaid", unit.id)
        self.book.move(
            unit, SimulatedUnitStatus.SENT_AND_AUTOPAID if autopaid else SimulatedUnitStatus.RECEIVED, context
        )
        if happens(plan.returned, plan.seed, "returned", unit.id):
            wait_s = plan.change_within_s * fraction(plan.seed, "return", unit.id)
            self._later(context.now.mono_us, wait_s, lambda then: self._ask_for_return(unit, then))

    def _ask_for_return(self, unit: SimulatedOrderUnit, context: CallContext) -> None:
        self.returns.open(unit, context)

    # ---- what people do ---------------------------------------------------------------------------------------------

    def cancel(self, unit: SimulatedOrderUnit, context: CallContext) -> bool:
        """The seller's portal or the customer service cancels the unit. False = too late."""
        if SimulatedUnitStatus.CANCELLED not in WAYS.get(unit.status, ()):
            return False
        self.book.move(unit, SimulatedUnitStatus.CANCELLED, context, reason=_CANCEL_REASON)
        return True

    def advance(self, unit: SimulatedOrderUnit, context: CallContext) -> bool:
        """One step on the ordinary way; from a status that is unknown here, back to it. False = it has ended."""
        ways = WAYS.get(unit.status, (SimulatedUnitStatus.NEED_TO_BE_SENT,))
        if not ways:
            return False
        self.book.move(unit, ways[0], context)
        self.follow(unit, context)
        return True

    def advance_return(self, one: SimulatedReturn, context: CallContext) -> bool:
        """One step on the ordinary way of a return; its order units are returned when it has arrived. False = ended."""
        if one.status not in NEXT:
            return False
        self.returns.move(one, NEXT[one.status], context)
        if one.status not in NEXT:
            for unit in one.units:
                self.book.move(unit.order_unit, SimulatedUnitStatus.RETURNED, context)
        return True


def order_id(number: int) -> str:
    """Seven letters and digits, as the document's example has them; each number has its own."""
    rest = number * _ID_STRIDE % len(_ID_LETTERS) ** _ID_LENGTH
    letters = ""
    for _ in range(_ID_LENGTH):
        rest, place = divmod(rest, len(_ID_LETTERS))
        letters += _ID_LETTERS[place]
    return f"M{letters}"


def _earlier(moment: Moment, by_us: int) -> Moment:
    return Moment(mono_us=moment.mono_us - by_us, wall_us=moment.wall_us - by_us)
