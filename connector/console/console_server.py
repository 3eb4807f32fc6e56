"""Serves the console: pages for people, from threads that only read snapshots."""

import threading
from collections.abc import Callable, Collection
from typing import Final

from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from connector.console import overview
from connector.console.facts import ProcessFacts
from connector.console.guard import BoundedWork, ProtectedApp
from connector.console.html import element, joined
from connector.console.page import PageFrame, page, section
from connector.console.trends import EVERY_S, Trends
from connector.web_server import WebServer
from streams.clock import SystemClock

_VIEWS: Final = (("", "Overview"),)


class ConsoleServer(WebServer):
    """Serves the pages. Listens as soon as it is created; raises OSError if the port is in use."""

    def __init__(
        self,
        facts: Callable[[], ProcessFacts],
        *,
        host: str,
        port: int,
        host_names: Collection[str] = (),
        every_s: float = EVERY_S,
    ) -> None:
        self._facts = facts
        self._clock = SystemClock()
        self._trends = Trends()
        self._work = BoundedWork()
        self._closing = threading.Event()
        routes = [Route("/", self._overview), Route("/{rest:path}", self._missing)]
        super().__init__(
            routes, host=host, port=port, name="console", middleware=[Middleware(ProtectedApp, names=host_names)]
        )
        self._sampler = threading.Thread(target=self._sample, args=(every_s,), name="console-samples", daemon=True)
        self._sampler.start()

    def show(self, facts: Callable[[], ProcessFacts]) -> None:
        """Replaces the facts that are shown."""
        self._facts = facts

    def close(self) -> None:
        """Stops the server and its threads. Safe to call twice."""
        self._closing.set()
        super().close()
        self._work.close()

    def _sample(self, every_s: float) -> None:
        while not self._closing.wait(every_s):
            self._trends.add(self._facts(), self._now_us())

    def _now_us(self) -> int:
        return self._clock.now().wall_us

    def _frame(self, facts: ProcessFacts, now_us: int) -> PageFrame:
        return PageFrame(
            group=str(facts.about.get("group", "")),
            instance=str(facts.about.get("instance_id", "")),
            views=_VIEWS,
            now_us=now_us,
        )

    # ---- pages ------------------------------------------------------------------------------------------------------

    async def _overview(self, _: Request) -> Response:
        return await self._work.run(self._overview_page)

    def _overview_page(self) -> Response:
        facts, now_us = self._facts(), self._now_us()
        samples = (*self._trends.snapshot(),)
        content = (
            overview.first_line(facts, samples, self._trends.slow_downs_today(facts, now_us), now_us),
            overview.attention(facts),
            overview.replays_here(facts),
            overview.poll_section(facts, now_us),
            overview.trend_section(samples),
            overview.process_counts(facts),
            overview.partitions(facts),
        )
        return HTMLResponse(page(self._frame(facts, now_us), "Overview", *content, here=""))

    async def _missing(self, _: Request) -> Response:
        facts = self._facts()
        said = section("There is no such page", element("p", "The address may be mistyped."), joined(()))
        return HTMLResponse(page(self._frame(facts, self._now_us()), "Not found", said), 404)
