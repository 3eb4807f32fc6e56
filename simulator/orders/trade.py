"""Simulates buyers and the seller's portal: orders are placed, confirmed, cancelled, sent by hand, received, returned.

Everything is drawn from a seed and the number of the order or order unit, so the same plan gives the same history
except for its times. Pure: the owner of the clock calls ``run`` periodically.
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
_ID_STRIDE: Final = 1_000_003  # coprime to the number of letters, so ids are unique
_TRIES: Final = 20
_CANCEL_REASON: Final = "BuyerCancelled"

_Step: TypeAlias = Callable[[CallContext], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class TradePlan:
    """What is generated. Shares are of order units, from 0 to 1; ``None`` for a wait = never."""

    seed: int = 1
    at_start: int = 0  # orders that exist when the simulator starts
    at_start_over_s: float = 3600.0  # they are spread evenly over so many seconds before the start
    per_second: float = 0.0  # new orders per second
    total: int | None = None  # maximum number of generated orders, including those at the start
    units_min: int = 1
    units_max: int = 5  # order units per order
    same_offer: float = 0.5  # a further unit is of the same offer as the one before
    confirm_delay_s: float = 1.0  # open -> need_to_be_sent
    cancelled: float = 0.0  # cancelled before they are sent
    changed: float = 0.0  # marked as sent by other means, such as by hand in the portal
    change_within_s: float = 10.0  # both happen within so many seconds after the order, returns after delivery
    delivery_s: float | None = None  # sent -> received
    autopaid: float = 0.0  # sent_and_autopaid instead of received
    returned: float = 0.0  # returned after delivery
    unusual: float = 0.0  # get ``unusual_status`` instead of need_to_be_sent
    unusual_status: str = "in_clarification"
    discounted: float = 0.0  # bought with a voucher for a tenth of the price
    sales_lower_stock: bool = False
    defects: tuple[tuple[int, Defect], ...] = ()  # order number, and the defect of its first unit's row


@dataclass(frozen=True, slots=True, kw_only=True)
class SellingAccount:
    """A seller and the storefronts on which orders are generated."""

    seller: str
    storefronts: tuple[str, ...]


@dataclass(slots=True, kw_only=True)
class Trade:
    """Generates orders and advances them. Not thread-safe."""

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
        """Creates the orders that exist at the start, the oldest first."""
        self._started_us = context.now.mono_us
        for index in range(self.plan.at_start if self.shops else 0):
            age_us = round(self.plan.at_start_over_s * 1e6 * (1 - index / self.plan.at_start))
            self._made_by_plan += 1
            self.make(context, created=_earlier(context.now, age_us))

    def run(self, context: CallContext) -> None:
        """Carries out everything that is due. All of it is dated with the context's time."""
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

    # ---- creating orders --------------------------------------------------------------------------------------------

    def make(
        self,
        context: CallContext,
        *,
        seller: str | None = None,
        pieces: int | None = None,
        unit_ids: Sequence[int] = (),
        created: Moment | None = None,
    ) -> SimulatedOrder | None:
        """Creates an order of these offers, or of drawn ones. Returns None if nothing is for sale.

        Raises ValueError for an offer that does not exist, or offers of several sellers or storefronts.
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
        """Returns the offer of the next piece: with probability ``same_offer`` the one before, else a drawn one."""
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
        """Whether a unit can be added to an order: it is available, has the same fulfillment type as the pieces
        ``before`` it, and, if sales lower the stock, has stock left for this piece.
        """
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

    # ---- life cycle of an order unit --------------------------------------------------------------------------------

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
        """Schedules the delivery of a unit that was just sent, by a call or by hand."""
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

    # ---- actions by people ------------------------------------------------------------------------------------------

    def cancel(self, unit: SimulatedOrderUnit, context: CallContext) -> bool:
        """Cancels a unit, as the seller's portal or customer service does. Returns False if its status forbids it."""
        if SimulatedUnitStatus.CANCELLED not in WAYS.get(unit.status, ()):
            return False
        self.book.move(unit, SimulatedUnitStatus.CANCELLED, context, reason=_CANCEL_REASON)
        return True

    def advance(self, unit: SimulatedOrderUnit, context: CallContext) -> bool:
        """Moves a unit to its usual next status, from an unknown one to need_to_be_sent. Returns False at the end."""
        ways = WAYS.get(unit.status, (SimulatedUnitStatus.NEED_TO_BE_SENT,))
        if not ways:
            return False
        self.book.move(unit, ways[0], context)
        self.follow(unit, context)
        return True

    def advance_return(self, one: SimulatedReturn, context: CallContext) -> bool:
        """Moves a return to its next status; the last one sets its order units to returned. Returns False if there is
        no next status.
        """
        if one.status not in NEXT:
            return False
        self.returns.move(one, NEXT[one.status], context)
        if one.status not in NEXT:
            for unit in one.units:
                self.book.move(unit.order_unit, SimulatedUnitStatus.RETURNED, context)
        return True


def order_id(number: int) -> str:
    """Returns the id of the order with this number: unique, seven letters and digits as in the document's example."""
    rest = number * _ID_STRIDE % len(_ID_LETTERS) ** _ID_LENGTH
    letters = ""
    for _ in range(_ID_LENGTH):
        rest, place = divmod(rest, len(_ID_LETTERS))
        letters += _ID_LETTERS[place]
    return f"M{letters}"


def _earlier(moment: Moment, by_us: int) -> Moment:
    return Moment(mono_us=moment.mono_us - by_us, wall_us=moment.wall_us - by_us)
