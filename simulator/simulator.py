"""A simulator that runs: a scenario, an API and a server in a thread of its own.

``Simulator`` is the in-process face for tests, demo and benchmarks::

    with Simulator(Scenario()) as simulator:
        ...                                 # talk to simulator.url
        simulator.journal.worst_second("demo")

What it hands out are values that stay as they are; what it is told is done in the server's own thread.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from simulator.api import Seller, SellerApi
from simulator.clock import read_clocks
from simulator.control import PREFIX, Control, PolicyChange
from simulator.faults.mishaps import InjectedFault
from simulator.journal import Journal, Recorder
from simulator.journal_file import JournalFile
from simulator.offers.catalogue import Catalogue, SimulatedUnit, Stock, make, state
from simulator.offers.market import Market
from simulator.orders.api import OrderApi
from simulator.orders.control import Lines, NewOrders
from simulator.orders.fulfilment import Fulfilment
from simulator.orders.orders import OrderBook
from simulator.orders.returns import ReturnBook
from simulator.orders.trade import SellingAccount, Trade
from simulator.push.delivery import Pusher
from simulator.push.subscriptions import Subscriptions
from simulator.routes import BASE_PATH
from simulator.scenario import KeyChangeSection, Scenario
from simulator.server import Inspector, Server

T = TypeVar("T")
_FLUSH_S: Final = 0.5
_TRADE_S: Final = 0.02
"""How often is asked for what buyers do and what subscribers are to be told."""
_START_S: Final = 60.0


class Simulator:
    """A marketplace on a local socket. Single use: start, close. A context manager."""

    def __init__(
        self,
        scenario: Scenario | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        journal_path: Path | None = None,
        inspector: Inspector | None = None,
    ) -> None:
        """``port`` 0 = any free one. ``journal_path``: also written there, as lines."""
        self.scenario = scenario or Scenario()
        self._host = host
        self._port = port
        self._journal_path = journal_path
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="simulator", daemon=True)
        self._journal_file: JournalFile | None = None
        self._closed = False
        self.stocks: dict[str, Stock] = {}
        """What was made up for each seller: EANs offered, missing and ambiguous."""
        self._subscriptions = Subscriptions(self.scenario.push.terms(self.scenario.seed))
        self._trade = self._build_trade()
        self._api = self._build()
        self._control = Control(self._api, self._trade, read_clocks)
        self._pusher = Pusher(self._subscriptions, self._api.sellers, self._api.recorder)
        self._server = Server(self._api, self._control, self._pusher, inspector=inspector)

    # ---- life -------------------------------------------------------------------------------------------------------

    def start(self) -> Self:
        """Returns once it listens. Raises OSError when port or journal file can't be had."""
        if self._journal_path is not None:
            self._journal_file = self._api.recorder.copyist = JournalFile(self._journal_path)
        self._thread.start()
        try:
            self._port = self._run(self._begin())
        except OSError:
            self.close()
            raise
        return self

    def close(self) -> None:
        """Stop, and raise what the inspector found (an ExceptionGroup). Safe to call twice."""
        if self._closed:
            return
        self._closed = True
        if self._thread.is_alive():
            self._run(self._end())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
        self._loop.close()
        if self._journal_file is not None:
            self._journal_file.close()
        if self._server.complaints:
            raise ExceptionGroup("answers that should not have been", self._server.complaints)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    # ---- what it is -------------------------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """The base address, as an adapter is given it."""
        return f"{self._root}{BASE_PATH}"

    @property
    def control_url(self) -> str:
        return f"{self._root}{PREFIX}"

    @property
    def _root(self) -> str:
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._port}"

    @property
    def sellers(self) -> Mapping[str, Seller]:
        return self._api.sellers

    @property
    def catalogue(self) -> Catalogue:
        """The live catalogue: for single look-ups; for all of it take ``state``."""
        return self._api.market.catalogue

    @property
    def journal(self) -> Journal:
        """Everything that has happened so far."""
        return self._in_thread(self._api.recorder.view)

    @property
    def complaints(self) -> tuple[Exception, ...]:
        """What the inspector found so far, and the simulator's own mistakes."""
        return tuple(self._server.complaints)

    def state(self) -> Mapping[int, dict[str, object]]:
        """Every unit as answers show it, by id."""
        return self._in_thread(lambda: state(self._api.market.catalogue))

    def orders(self) -> Lines:
        """Every order with its units and parcels, as ``GET orders`` at the control address tells it."""
        return self._in_thread(self._control.orders.orders)

    # ---- what it is told --------------------------------------------------------------------------------------------

    def set_fault(self, fault: InjectedFault) -> None:
        """Its times count from now; one of the same name is replaced."""
        self._in_thread(lambda: self._api.faults.set(fault, read_clocks().mono_us))

    def clear_faults(self, name: str | None = None) -> None:
        """Take back the fault of this name, or all."""
        self._in_thread(lambda: self._api.faults.clear(name))

    def change_keys(self, seller: str, client_key: str, secret_key: str) -> None:
        """The old keys are refused from now on. Raises KeyError for an unknown seller."""
        self._in_thread(lambda: self._control.change_keys(seller, client_key, secret_key))

    def change_unit(self, unit_id: int, **change: Any) -> None:
        """Change fields as if the marketplace did it by itself. Raises ValueError when it can't be."""
        problem = self._in_thread(lambda: self._control.change_unit(unit_id, change))
        if problem is not None:
            raise ValueError(f"unit {unit_id}: {problem.message}")

    def add_unit(self, unit: SimulatedUnit) -> None:
        """A unit that the seller makes by other means; lists show it after the visibility delay."""

        def add() -> None:
            unit.listed_from_us = read_clocks().wall_us + self._api.market.visibility_delay_us
            self._api.market.catalogue.add(unit)

        self._in_thread(add)

    def add_orders(
        self, count: int = 1, *, seller: str | None = None, pieces: int | None = None, unit_ids: Sequence[int] = ()
    ) -> list[str]:
        """Buyers order now; the ids of the orders. Raises ValueError for offers that can't be in one order."""
        new = NewOrders(count=count, seller=seller, pieces=pieces, unit_ids=list(unit_ids))
        return [order.id for order in self._in_thread(lambda: self._control.orders.make(new))]

    def change_policy(self, change: PolicyChange) -> None:
        """Limits, headers and clock, from now on."""
        self._in_thread(lambda: change.apply(self._api.policy))

    # ---- inside -----------------------------------------------------------------------------------------------------

    def _build_trade(self) -> Trade:
        """The catalogue with what is made up for each seller, and buyers who order from it."""
        scenario, orders = self.scenario, self.scenario.orders
        section = scenario.catalogue
        catalogue = Catalogue()
        first = 0
        for seller in scenario.sellers:
            eans = section.eans if seller.eans is None else seller.eans
            plan = section.model_copy(update={"eans": eans}).plan(scenario.seed)
            stock = make(plan, seller.name, first=first)
            catalogue.add_stock(stock)
            self.stocks[seller.name] = stock
            first += eans
        return Trade(
            plan=orders.plan(scenario.seed),
            market=Market(catalogue, scenario.strictness(), round(section.visibility_delay_s * 1e6)),
            book=OrderBook(),
            returns=ReturnBook(),
            shops=tuple(
                SellingAccount(seller=seller.name, storefronts=seller.storefronts or section.storefronts)
                for seller in scenario.sellers
                if not orders.sellers or seller.name in orders.sellers
            ),
        )

    def _build(self) -> SellerApi:
        scenario, trade = self.scenario, self._trade
        return SellerApi(
            trade.market,
            {seller.name: seller.seller(scenario.catalogue.storefronts) for seller in scenario.sellers},
            scenario.policy(),
            Recorder(),
            orders=OrderApi(Fulfilment(trade.book, trade.returns, after_send=trade.follow)),
            subscriptions=self._subscriptions,
        )

    async def _begin(self) -> int:
        now_us = read_clocks().mono_us
        for section in self.scenario.faults:
            self._api.faults.set(section.fault(self.scenario.seed), now_us)
        for change in self.scenario.key_changes:
            self._loop.call_later(change.at_s, self._change_keys_as_planned, change)
        context = self._control.context()
        self._trade.start(context)
        self._api.note(context)
        self._trade_again()
        self._flush_again()
        return await self._server.listen(self._host, self._port)

    def _change_keys_as_planned(self, change: KeyChangeSection) -> None:
        self._control.change_keys(change.seller, change.client_key, change.secret_key)

    async def _end(self) -> None:
        await self._pusher.stop()
        await self._server.close()
        await self._pusher.close()

    def _trade_again(self) -> None:
        """A mistake of the simulator's own is told at its close, and ends the trade."""
        try:
            context = self._control.context()
            self._trade.run(context)
            self._api.note(context)
            self._pusher.send_due()
        except Exception as mistake:  # noqa: BLE001 - nobody above could handle it
            self._server.complaints.append(mistake)
            return
        self._loop.call_later(_TRADE_S, self._trade_again)

    def _flush_again(self) -> None:
        if self._journal_file is not None:
            self._journal_file.flush()
            self._loop.call_later(_FLUSH_S, self._flush_again)

    def _run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(_START_S)

    def _in_thread(self, question: Callable[[], T]) -> T:
        """Have it done, or asked, by the thread that owns everything; after ``close`` nobody owns it any more."""
        if self._closed:
            return question()

        async def ask() -> T:
            return question()

        return self._run(ask())
