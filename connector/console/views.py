"""What each page of the console reads and shows. Every function here may block for as long as a page may take."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from connector.console import lists_view, overview, standing_view, timeline_view, writing
from connector.console.facts import ProcessFacts
from connector.console.html import Child, Html, address, copied, element, link, listed
from connector.console.minute_trends import KEPT, midnight_us, slow_downs_today
from connector.console.page import lines, search_form
from connector.console.people import ConsoleUser
from connector.console.trends import Trends
from connector.controls.commands import ControlCommand
from connector.operations.standing import Standing
from connector.operations.why import asking
from connector.projection.facets import LIVE, NOT_LIVE, NOT_TOLD
from connector.projection.listings import ListingReader
from connector.projection.minutes import Minute, minute_of
from connector.settings.model import Settings
from streams.errors import StreamError

_DRIFTS: Final = 10
_DIGITS: Final = 19
_STATES: Final[Mapping[str, tuple[str, str]]] = {
    "live": (LIVE, "live"),
    "off-sale": (NOT_LIVE, "accepted, but not on sale"),
    "not-live": (NOT_LIVE, "not live"),
    "not-told": (NOT_TOLD, "no sweep could tell"),
}
"""The states of units in addresses: their facet, and their name."""
OVERVIEW: Final = (("", "Overview"),)
VIEWS: Final = (
    *OVERVIEW,
    ("units", "Units"),
    ("not-found", "Not found"),
    ("held", "Held"),
    ("orders", "Orders"),
)
"""The pages in the navigation, without and with a projection: path and name."""


class ReadsProjection(Protocol):
    """The projection as pages read it. Raises StreamError if it cannot be read now."""

    def state(self) -> str:
        """Returns what keeps it from being up to date; empty: it is."""
        ...

    def open(self) -> AbstractContextManager[ListingReader]: ...

    def standing(self) -> Standing | None:
        """Returns what was counted last; None if nothing was yet."""
        ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PageRequest:
    """A request for a page: the parameters of its address, and the process as it is now."""

    facts: ProcessFacts
    now_us: int
    person: ConsoleUser | None = None  # who is signed in
    key: str = ""  # in the path
    chosen: Mapping[str, str] = field(default_factory=dict)

    def choice(self, name: str) -> str | None:
        """Returns a parameter; None if it is missing or empty."""
        return self.chosen.get(name) or None


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What a page shows. ``leads_to``: the address that answers instead."""

    title: str
    content: Sequence[Child] = ()
    here: str | None = None
    status: int = 200
    leads_to: str | None = None


MakeView = Callable[[PageRequest], View]


class NoSuchPage(Exception):
    """An address that no page has, or a parameter that means nothing."""


class ConsoleViews:
    """Makes the pages. Raises StreamError if the projection cannot be read, and NoSuchPage."""

    def __init__(
        self, configured: Settings, trends: Trends, projection: ReadsProjection | None, *, writes: bool
    ) -> None:
        """``writes``: people who are signed in may hold and release."""
        self._writes = writes
        self._configured = configured
        self._trends = trends
        self._projection = projection

    def overview(self, asked: PageRequest) -> View:
        """Returns the first page."""
        facts, now_us, samples = asked.facts, asked.now_us, self._trends.snapshot()
        minutes = self._minutes(now_us)
        today = self._trends.slow_downs_today(facts, now_us) if minutes is None else slow_downs_today(minutes, now_us)
        content = (
            overview.first_line(facts, samples, minutes, today, now_us),
            overview.attention(facts),
            *self._projected(now_us),
            overview.replays_here(facts),
            overview.poll_section(facts, now_us),
            overview.trend_section(samples, minutes, now_us),
            overview.process_counts(facts),
            overview.partitions(facts),
        )
        return View(title="Overview", content=content, here="")

    def search(self, asked: PageRequest) -> View:
        """Leads to the page of an EAN or an order; shows the EANs of an offer id."""
        text = (asked.choice("q") or "").strip()
        if not text:
            return View(title="Search", content=(search_form(),))
        with self._reading().open() as reader:
            normal = asking.as_stored(text)
            if reader.history(normal, asking.other_forms(normal)).is_empty:
                if reader.order(text) is not None:
                    return View(title="Search", leads_to=address("orders", text))
                eans = reader.eans_of(text)
                return _found_eans(text, eans)
        return View(title="Search", leads_to=address("offers", normal))

    def offer(self, asked: PageRequest) -> View:
        """Returns what is known of an EAN."""
        with self._reading().open() as reader:
            found = asking.answer(self._configured, reader, asked.key, now_us=asked.now_us, at_us=None, target=None)
        status = 200 if found.is_known else 404
        return View(title=f"EAN {found.ean}", content=tuple(timeline_view.offer_content(found)), status=status)

    def order(self, asked: PageRequest) -> View:
        """Returns an order."""
        with self._reading().open() as reader:
            found = reader.order(asked.key)
        if found is None:
            said = element("p", "The topic of orders does not have ", copied(asked.key), ".")
            return View(title=f"Order {asked.key}", content=(said,), status=404)
        return View(title=f"Order {asked.key}", content=tuple(timeline_view.order_content(found)))

    def units(self, asked: PageRequest) -> View:
        """Returns units by state and target."""
        state = asked.choice("state") or "live"
        if state not in _STATES:
            raise NoSuchPage(f"state={state}")
        facet, name = _STATES[state]
        with self._reading().open() as reader:
            part = reader.listed_units(facet, asked.choice("target"), _after(asked), accepted=state == "off-sale")
        chosen = {**asked.chosen, "state": state}
        options = {"state": ("State", [(value, text) for value, (_, text) in _STATES.items()]), **self._targets()}
        content = (lists_view.filters("units", options, chosen), lists_view.unit_table(part.rows))
        return _listed(f"Units: {name}", "units", content, lists_view.further(part, "units", _kept(chosen)))

    def not_found(self, asked: PageRequest) -> View:
        """Returns offers that are not found, by code and target."""
        with self._reading().open() as reader:
            codes = sorted(reader.counts("offers_not_found").items())
            part = reader.listed_not_found(asked.choice("code"), asked.choice("target"), _after(asked))
        options = {
            "code": ("Code", [("", "every code"), *((code, f"{code} ({count:,})") for code, count in codes)]),
            **self._targets(),
        }
        content = (
            lists_view.filters("not-found", options, asked.chosen),
            lists_view.not_found_table(part.rows, asked.now_us),
        )
        return _listed("Not found", "not-found", content, lists_view.further(part, "not-found", _kept(asked.chosen)))

    def held(self, asked: PageRequest) -> View:
        """Returns the events that are held, and what holds them."""
        with self._reading().open() as reader:
            part, commands = reader.held_results(_after(asked)), reader.commands()
        content = (
            *self._in_force(asked, commands),
            element("h2", "Events"),
            lists_view.held_table(part.rows),
        )
        return _listed("Held", "held", content, lists_view.further(part, "held", {}))

    def orders(self, asked: PageRequest) -> View:
        """Returns the open orders."""
        with self._reading().open() as reader:
            part = reader.open_orders(asked.choice("target"), _after(asked))
        content = (
            lists_view.filters("orders", self._targets(), asked.chosen),
            lists_view.order_table(part.rows, asked.now_us),
        )
        return _listed("Open orders", "orders", content, lists_view.further(part, "orders", _kept(asked.chosen)))

    def _in_force(self, asked: PageRequest, commands: Sequence[ControlCommand]) -> Iterable[Child]:
        """Yields the commands in force, and what the person who asks may do about them."""
        if (done := asked.choice("done")) is not None and done.replace("-", "").isalnum() and done.isascii():
            yield element("p", "Written: ", copied(done), ". It is shown below within seconds.", role="status")
        told = list(standing_view.command_lines(commands, asked.now_us))
        yield element("h2", "In force")
        if not told:
            yield element("p", "No hold, pause or stop is in force.")
        elif asked.person is not None and self._writes:
            yield writing.release_list(standing_view.holding(commands, asked.now_us), asked.person)
        else:
            yield lines(told)
        if self._writes and asked.person is not None:
            yield element("h2", "Hold changes")
            yield writing.hold_form(self._configured, asked.person)
        elif self._writes:
            yield writing.sign_in_link()

    def current(self, make: MakeView) -> MakeView:
        """Returns a page that says first what keeps the projection from being up to date.

        Else a list that is not read yet would be taken for one without entries.
        """

        def told(asked: PageRequest) -> View:
            view = make(asked)
            return replace(view, content=(*self._not_up_to_date(), *view.content))

        return told

    # ---- what they share --------------------------------------------------------------------------------------------

    def _reading(self) -> ReadsProjection:
        if self._projection is None:
            raise NoSuchPage("the console has no projection: set [console] projection")
        return self._projection

    def _projected(self, now_us: int) -> Iterable[Child]:
        """Yields the parts of the first page that come from the projection, or why there are none."""
        if self._projection is None:
            yield element(
                "p",
                "Offers, orders and holds are shown where [console] projection names a directory for them.",
                class_="quiet",
            )
            return
        yield search_form()
        yield from self._not_up_to_date()
        try:
            standing = self._projection.standing()
            if standing is not None:
                yield from self._standing(standing, now_us)
        except StreamError as error:  # the rest of the page is needed most when something does not work
            yield element("p", f"Offers, orders and holds cannot be shown now: {error}", class_="warn", role="status")

    def _minutes(self, now_us: int) -> Sequence[Minute] | None:
        """Returns the minutes of this day and of the charts, to now; None where the projection does not have them."""
        if self._projection is None or self._projection.state():
            return None
        try:
            with self._projection.open() as reader:
                now = minute_of(now_us)
                return reader.minutes(min(now - KEPT, minute_of(midnight_us(now_us))), now + 1)
        except StreamError:  # the page says why where the offers would be
            return None

    def _not_up_to_date(self) -> Iterable[Child]:
        if self._projection is not None and (state := self._projection.state()):
            told = f"Not up to date: {state}. What this page does not show may exist."
            yield element("p", told, class_="warn", role="status")

    def _standing(self, standing: Standing, now_us: int) -> Iterable[Child]:
        yield standing_view.numbers(standing, swept=self._configured.reconcile.enabled)
        yield standing_view.fix_first(standing, now_us)
        if self._configured.orders.enabled:
            yield standing_view.orders_line(standing, now_us)
        with self._reading().open() as reader:
            commands, progress, drifts = reader.commands(), reader.replays(), reader.newest_drifts(_DRIFTS)
        told = list(standing_view.command_lines(commands, now_us))
        if told:
            yield element("section", element("h2", link("Holds and stops in force", "held")), lines(told))
        yield standing_view.replay_section(commands, progress, now_us)
        yield standing_view.drift_section(drifts)

    def _targets(self) -> dict[str, tuple[str, Sequence[tuple[str, str]]]]:
        names = sorted(self._configured.targets)
        return {"target": ("Target", [("", "every target"), *((name, name) for name in names)])}


def _listed(title: str, here: str, content: Sequence[Child], more: Html) -> View:
    return View(title=title, content=(*content, more), here=here)


def _found_eans(text: str, eans: Sequence[str]) -> View:
    if len(eans) == 1:
        return View(title="Search", leads_to=address("offers", eans[0]))
    told: Child = (
        listed(link(ean, "offers", ean) for ean in eans)
        if eans
        else element("p", "No topic knows ", copied(text), " as an EAN, an offer id or an order id.")
    )
    title = f"EANs with offer id {text}" if eans else "Nothing found"
    return View(title=title, content=(search_form(text), told), status=200 if eans else 404)


def _after(asked: PageRequest) -> str | None:
    """Returns where a list begins. Raises NoSuchPage for what is no position in a list."""
    after = asked.choice("after")
    parts = () if after is None else after.split(".")
    if after is not None and not (len(parts) == 2 and all(map(_is_position, parts))):
        raise NoSuchPage(f"after={after}")
    return after


def _is_position(text: str) -> bool:
    """Whether a text is a number that the projection can hold."""
    return text.isascii() and text.isdigit() and len(text) <= _DIGITS and int(text) < 2**63


def _kept(chosen: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in chosen.items() if name in ("state", "code", "target")}
