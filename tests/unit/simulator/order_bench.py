"""Orders without sockets: a small catalogue, buyers and the endpoints, with a clock that tests advance."""

from typing import Any

import orjson

from simulator.call_context import CallContext
from simulator.exchange import HttpResponse, Moment
from simulator.journal import OrderRow
from simulator.offers.catalogue import Catalogue, CataloguePlan, make
from simulator.offers.market import Market
from simulator.orders.fulfilment import Fulfilment
from simulator.orders.orders import OrderBook, SimulatedParcel
from simulator.orders.returns import ReturnBook
from simulator.orders.trade import SellingAccount, Trade, TradePlan

EPOCH_S = 1_750_000_000
STOREFRONTS = ("de", "at", "pl")


class OrderBench:
    """Records the changes in ``rows`` and the events in ``events``. ``now_s`` is in seconds since ``EPOCH_S``."""

    def __init__(self, *, eans: int = 20, **plan: Any) -> None:
        catalogue = Catalogue()
        catalogue.add_stock(
            make(
                CataloguePlan(eans=eans, storefronts=STOREFRONTS, missing=0, linked=1, by_marketplace=0.2, on_hold=0),
                "demo",
            )
        )
        self.now_s = 0.0
        self.rows: list[OrderRow] = []
        self.events: list[str] = []
        self.trade = Trade(
            plan=TradePlan(**plan),
            market=Market(catalogue),
            book=OrderBook(),
            returns=ReturnBook(),
            shops=(SellingAccount(seller="demo", storefronts=STOREFRONTS),),
        )
        self.book = self.trade.book
        self.endpoints = Fulfilment(self.book, self.trade.returns, after_send=self.trade.follow)
        self.act(self.trade.start)

    def context(self, call_id: int | None = None) -> CallContext:
        moment = Moment(mono_us=round(self.now_s * 1e6), wall_us=round((EPOCH_S + self.now_s) * 1e6))
        return CallContext(now=moment, call_id=call_id)

    def act(self, what: Any, *arguments: Any, call_id: int | None = None, **options: Any) -> Any:
        """Calls ``what`` with a context of the current time and records its changes."""
        context = self.context(call_id)
        result = what(*arguments, context, **options) if arguments else what(context, **options)
        self.rows += context.order_rows
        self.events += [notice.event_name for notice in context.notices]
        return result

    def wait(self, wait_s: float) -> None:
        """Advances the time and carries out what is due."""
        self.now_s += wait_s
        self.act(self.trade.run)

    def send(self, id_order_unit: int, number: str = "T1", call_id: int = 1) -> HttpResponse:
        parcel = SimulatedParcel(carrier_code="DHL", tracking_numbers=(number,))
        answer: HttpResponse = self.act(self.endpoints.send, "demo", id_order_unit, parcel, "{}", call_id=call_id)
        return answer


def body(answer: HttpResponse) -> Any:
    return orjson.loads(answer.body)
