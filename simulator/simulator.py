"""Runs a scenario: the API and the server in a thread of their own.

``Simulator`` is the in-process interface for tests, demo and benchmarks::

    with Simulator(Scenario()) as simulator:
        ...                                 # talk to simulator.url
        simulator.journal.worst_second("demo")

Methods return immutable copies and may be called from any thread; changes are made in the server's thread.
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
"""Interval at which buyers' actions and push messages that have fallen due are carried out."""
_START_S: Final = 60.0


class Simulator:
    """A simulated marketplace on a local socket. A context manager; can be started once."""

    def __init__(
        self,
        scenario: Scenario | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        journal_path: Path | None = None,
        inspector: Inspector | None = None,
    ) -> None:
        """``port`` 0 = any free port. ``journal_path``: the journal is also written to this file, as JSON lines.
        ``inspector`` sees every response of the API before it is sent.
        """
        self.scenario = scenario or Scenario()
        self._host = host
        self._port = port
        self._journal_path = journal_path
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="simulator", daemon=True)
        self._journal_file: JournalFile | None = None
        self._closed = False
        self.stocks: dict[str, Stock] = {}
        """The generated catalogue of each seller: EANs offered, missing and ambiguous."""
        self._subscriptions = Subscriptions(self.scenario.push.terms(self.scenario.seed))
        self._trade = self._build_trade()
        self._api = self._build()
        self._control = Control(self._api, self._trade, read_clocks)
        self._pusher = Pusher(self._subscriptions, self._api.sellers, self._api.recorder)
        self._server = Server(self._api, self._control, self._pusher, inspector=inspector)

    # ---- start and close --------------------------------------------------------------------------------------------

    def start(self) -> Self:
        """Returns once it listens. Raises OSError when the port or the journal file can't be opened."""
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
        """Stops. Raises an ExceptionGroup of ``complaints``, if there are any. May be called twice."""
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

    # ---- state ------------------------------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """The base URL of the API, as clients are configured with it."""
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
        """The live catalogue, for single look-ups from any thread; use ``state`` to read all of it."""
        return self._api.market.catalogue

    @property
    def journal(self) -> Journal:
        """A copy of everything recorded so far."""
        return self._in_thread(self._api.recorder.view)

    @property
    def complaints(self) -> tuple[Exception, ...]:
        """The exceptions that the inspector raised so far, and those of bugs in the simulator itself."""
        return tuple(self._server.complaints)

    def state(self) -> Mapping[int, dict[str, object]]:
        """Returns every unit as responses show it, by id."""
        return self._in_thread(lambda: state(self._api.market.catalogue))

    def orders(self) -> Lines:
        """Returns every order with its units and parcels, as ``GET orders`` of the control endpoints does."""
        return self._in_thread(self._control.orders.orders)

    # ---- changes ----------------------------------------------------------------------------------------------------

    def set_fault(self, fault: InjectedFault) -> None:
        """Adds a fault, or replaces the one of the same name. The times of its match count from now."""
        self._in_thread(lambda: self._api.faults.set(fault, read_clocks().mono_us))

    def clear_faults(self, name: str | None = None) -> None:
        """Removes the fault of this name, or all faults."""
        self._in_thread(lambda: self._api.faults.clear(name))

    def change_keys(self, seller: str, client_key: str, secret_key: str) -> None:
        """Replaces a seller's keys; the old ones are refused from now on. Raises KeyError for an unknown seller."""
        self._in_thread(lambda: self._control.change_keys(seller, client_key, secret_key))

    def change_unit(self, unit_id: int, **change: Any) -> None:
        """Changes fields of a unit as if the marketplace itself did it. Raises ValueError for an invalid change."""
        problem = self._in_thread(lambda: self._control.change_unit(unit_id, change))
        if problem is not None:
            raise ValueError(f"unit {unit_id}: {problem.message}")

    def add_unit(self, unit: SimulatedUnit) -> None:
        """Adds a unit that the seller creates by other means; lists show it after the visibility delay."""

        def add() -> None:
            unit.listed_from_us = read_clocks().wall_us + self._api.market.visibility_delay_us
            self._api.market.catalogue.add(unit)

        self._in_thread(add)

    def add_orders(
        self, count: int = 1, *, seller: str | None = None, pieces: int | None = None, unit_ids: Sequence[int] = ()
    ) -> list[str]:
        """Places orders now and returns their ids. Raises ValueError for offers that can't be in one order."""
        new = NewOrders(count=count, seller=seller, pieces=pieces, unit_ids=list(unit_ids))
        return [order.id for order in self._in_thread(lambda: self._control.orders.make(new))]

    def change_policy(self, change: PolicyChange) -> None:
        """Changes limits, headers and clock from now on."""
        self._in_thread(lambda: change.apply(self._api.policy))

    # ---- internal ---------------------------------------------------------------------------------------------------

    def _build_trade(self) -> Trade:
        """Returns the buyers' side, with a catalogue generated for each seller."""
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
        """Carries out what is due and reschedules itself. An exception is a bug in the simulator: it is raised by
        ``close`` and ends the trade.
        """
        try:
            context = self._control.context()
            self._trade.run(context)
            self._api.note(context)
            self._pusher.send_due()
        except Exception as mistake:  # noqa: BLE001 - a bug here; kept and raised at close
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
        """Returns ``question()``, called in the server's thread, or in the caller's once ``close`` has ended it."""
        if self._closed:
            return question()

        async def ask() -> T:
            return question()

        return self._run(ask())
