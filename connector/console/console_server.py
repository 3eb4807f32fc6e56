"""Serves the console: pages for people, from threads that only read snapshots and the projection."""

import threading
from collections.abc import Awaitable, Callable, Collection
from functools import partial
from typing import Final

import structlog
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from connector.console.facts import ProcessFacts
from connector.console.guard import BoundedWork, ProtectedApp
from connector.console.html import element, link
from connector.console.page import PageFrame, page
from connector.console.trends import EVERY_S, Trends
from connector.console.views import (
    OVERVIEW,
    VIEWS,
    ConsoleViews,
    MakeView,
    NoSuchPage,
    PageRequest,
    ReadsProjection,
    View,
)
from connector.console.write_requests import Form, RequestRefused, WriteRequests
from connector.console.writing import NotAccepted, sign_in_form, signed_in
from connector.settings.model import Settings
from connector.web_server import WebServer
from streams.clock import SystemClock
from streams.errors import StreamError

_WRITING_S: Final = 30.0
"""How long a command may take to be written."""
_LATE: Final = (
    f"It took more than {_WRITING_S:.0f} s, and may still be written: look at the page Held, or at `connector hold "
    "list --all`, before you try again.\n"
)
_log = structlog.get_logger("connector")


class ConsoleServer(WebServer):
    """Serves the pages. Listens as soon as it is created; raises OSError if the port is in use."""

    def __init__(
        self,
        facts: Callable[[], ProcessFacts],
        configured: Settings,
        projection: ReadsProjection | None = None,
        *,
        host: str,
        port: int,
        host_names: Collection[str] = (),
        every_s: float = EVERY_S,
    ) -> None:
        self._facts = facts
        self._projection = projection
        self._clock = SystemClock()
        self._trends = Trends()
        self._work = BoundedWork()
        self._closing = threading.Event()
        self._writing = BoundedWork(limit_s=_WRITING_S, late=_LATE)
        self._requests = WriteRequests(configured)
        views = ConsoleViews(configured, self._trends, projection, writes=self._requests.people is not None)
        routes = [
            Route("/", self._page(views.overview)),
            Route("/search", self._page(views.current(views.search))),
            Route("/offers/{key:path}", self._page(views.current(views.offer))),
            Route("/orders", self._page(views.current(views.orders))),
            Route("/orders/{key:path}", self._page(views.current(views.order))),
            Route("/units", self._page(views.current(views.units))),
            Route("/not-found", self._page(views.current(views.not_found))),
            Route("/held", self._page(views.current(views.held))),
            *self._write_routes(),
            Route("/{key:path}", self._page(_missing)),
        ]
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
        self._writing.close()
        if self._projection is not None:
            self._projection.close()

    def _sample(self, every_s: float) -> None:
        while not self._closing.wait(every_s):
            try:
                self._trends.add(self._facts(), self._clock.now().wall_us)
            except Exception as error:  # noqa: BLE001 - the next sample is taken all the same
                _log.error("the console could not take a sample", reason=repr(error))

    def _write_routes(self) -> list[Route]:
        """Returns the routes with which people write; none where nobody may."""
        if self._requests.people is None:
            return []
        return [
            Route("/sign-in", self._page(_sign_in)),
            Route("/sign-in", self._form(self._requests.sign_in), methods=["POST"]),
            Route("/sign-out", self._form(self._requests.sign_out), methods=["POST"]),
            Route("/holds", self._form(self._requests.hold), methods=["POST"]),
            Route("/holds/release", self._form(self._requests.release), methods=["POST"]),
        ]

    def _form(self, carry_out: Callable[[Form], Response]) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            asked = self._asked(request)
            try:
                form = await self._requests.form(request)
            except RequestRefused as error:
                return self._shown(_refused(error), asked)
            return await self._writing.run(partial(self._carried_out, carry_out, form, asked))

        return answer

    def _carried_out(self, carry_out: Callable[[Form], Response], form: Form, asked: PageRequest) -> Response:
        try:
            return carry_out(form)
        except RequestRefused as error:
            return self._shown(_refused(error), asked)
        except NotAccepted as error:
            return self._shown(_told("Not accepted", f"Not accepted: {error}.", 400), asked)
        except StreamError as error:
            return self._shown(_told("Not written", str(error), 503), asked)

    def _page(self, make: MakeView) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            return await self._work.run(partial(self._answer, make, self._asked(request)))

        return answer

    def _asked(self, request: Request) -> PageRequest:
        return PageRequest(
            facts=self._facts(),
            now_us=self._clock.now().wall_us,
            person=self._requests.person(request),
            key=request.path_params.get("key", ""),
            chosen=dict(request.query_params),
        )

    def _answer(self, make: MakeView, asked: PageRequest) -> Response:
        try:
            view = make(asked)
        except NoSuchPage as error:
            view = _nowhere(str(error))
        except StreamError as error:
            view = View(title="Not now", content=(element("p", str(error)),), status=503)
        except Exception as error:  # noqa: BLE001 - a fault of a page must not stay silent, nor show itself to everybody
            _log.error("a page of the console failed", reason=repr(error))
            view = View(title="Fault", content=(element("p", "The page failed; the log has the reason."),), status=500)
        if view.leads_to is not None:
            return RedirectResponse(view.leads_to, 303)
        return self._shown(view, asked)

    def _shown(self, view: View, asked: PageRequest) -> Response:
        return HTMLResponse(page(self._frame(asked), view.title, *view.content, here=view.here), view.status)

    def _frame(self, asked: PageRequest) -> PageFrame:
        return PageFrame(
            group=str(asked.facts.about.get("group", "")),
            instance=str(asked.facts.about.get("instance_id", "")),
            views=OVERVIEW if self._projection is None else VIEWS,
            now_us=asked.now_us,
            user=None if asked.person is None else signed_in(asked.person),
        )


def _sign_in(_: PageRequest) -> View:
    return View(title="Sign in", content=(sign_in_form(),))


def _refused(error: RequestRefused) -> View:
    if error.status == 401:
        return View(title="Sign in", content=(sign_in_form(str(error)),), status=401)
    return _told("Not done", str(error), error.status)


def _told(title: str, text: str, status: int) -> View:
    back = element("p", link("Holds", "held"))
    return View(title=title, content=(element("p", text, role="alert"), back), status=status)


def _missing(asked: PageRequest) -> View:
    raise NoSuchPage(asked.key)


def _nowhere(what: str) -> View:
    told = element("p", "There is no such page: ", element("code", what))
    return View(title="Not found", content=(told, element("p", link("Overview", ""))), status=404)
