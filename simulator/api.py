"""Plans the response to one request: authentication, rate limit, faults, endpoint. Pure.

Order: the call is counted against its seller's limit; then headers and signature are checked (401), then the limit
(429), then faults are applied, then the endpoint's own rules. A call with an unknown client key counts against no
limit.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

import orjson

from simulator.call_context import Callback, CallContext, Task
from simulator.exchange import Endpoint, HttpRequest, HttpResponse, Moment
from simulator.faults.injector import FaultInjector, IncomingCall
from simulator.faults.mishaps import CallMishap
from simulator.journal import CallRow, Recorder
from simulator.offers.market import PING_MESSAGE, Market
from simulator.offers.rules import (
    bulk_items,
    change_of,
    list_query,
    new_unit,
    product_query,
    status_ids,
    unit_query,
)
from simulator.orders.api import OrderApi
from simulator.problems import ProblemDetails, ProblemType, not_found, too_many_requests
from simulator.push.api import SubscriptionApi
from simulator.push.subscriptions import Subscriptions
from simulator.routes import inner_path, route
from simulator.signature import (
    CLIENT_KEY,
    DEFAULT_CLOCK_WINDOW_S,
    header_problem,
    signature_problem,
)
from simulator.window import SPAN_US, Admission, SlidingWindow

DEFAULT_REQUESTS_PER_SECOND: Final = 111


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitGroup:
    """A limit for some endpoints, in addition to the limit for all."""

    name: str
    requests_per_second: int
    kinds: frozenset[Endpoint]


@dataclass(slots=True, kw_only=True)
class SimulatorPolicy:
    """Settings that may be changed while the server runs."""

    requests_per_second: int = DEFAULT_REQUESTS_PER_SECOND
    groups: tuple[LimitGroup, ...] = ()
    count_refused: bool = False  # a refused call (429) counts in the window as well
    retry_after: bool = False  # send Retry-After with a 429; not documented
    rate_headers: bool = False  # send X-RateLimit-*; not documented
    clock_window_s: int = DEFAULT_CLOCK_WINDOW_S  # how far Shop-Timestamp may be from the server's clock
    clock_offset_s: float = 0.0  # simulated server's clock minus the machine's clock
    scheme: str = "http"  # of the URIs that callers sign; "https" behind a proxy that terminates TLS
    keep_bodies: bool = False  # record request bodies in the journal


@dataclass(slots=True, kw_only=True)
class Seller:
    """A seller account: one pair of keys, valid on all its storefronts."""

    name: str
    client_key: str
    secret_key: str = field(repr=False)
    storefronts: frozenset[str]
    active: bool = True


@dataclass(slots=True, kw_only=True)
class PlannedResponse:
    """How to respond to a call. ``settle`` carries out the request and returns the response; call it once, and only
    after the ``callback``, if there is one, has been verified."""

    row: CallRow
    settle: Callable[[Moment], HttpResponse]
    mishap: CallMishap | None = None
    callback: Callback | None = None


class SellerApi:
    """The seller API for all sellers. Not thread-safe."""

    def __init__(
        self,
        market: Market,
        sellers: Mapping[str, Seller],
        policy: SimulatorPolicy,
        recorder: Recorder,
        *,
        orders: OrderApi,
        subscriptions: Subscriptions,
    ) -> None:
        self.market = market
        self.sellers = sellers
        self.policy = policy
        self.recorder = recorder
        self.faults = FaultInjector()
        self._orders = orders
        self._subscriptions = subscriptions
        self._subscription_api = SubscriptionApi(subscriptions)
        self._windows: dict[tuple[str, str], SlidingWindow] = {}

    def arrive(self, request: HttpRequest, now: Moment) -> PlannedResponse:
        """Records a complete request in the journal and plans its response; ``settle`` of the plan carries it out."""
        kind, key = route(request.method, request.path)
        seller = self._seller(request)
        row = self._row(request, kind, seller, now)
        self.recorder.call(row)
        standing = None if seller is None else self._count(seller, kind, now)
        headers = self._rate_headers(standing, now)
        if (refusal := self._refusal(request, seller, standing, now)) is not None:
            return _refused(row, refusal.answer(self._retry_after(refusal, standing) + headers))
        assert seller is not None  # noqa: S101 - an unknown seller was refused
        task = self._understand(kind, key, seller, request)
        if isinstance(task, Task):
            row.unit_ids, row.fields = task.unit_ids, task.fields
        call_faults = self.faults.strike(
            IncomingCall(
                method=request.method,
                path=inner_path(request.path),
                seller=seller.name,
                unit_ids=row.unit_ids,
                moment=now,
            )
        )
        row.faults = call_faults.names

        def settle(moment: Moment) -> HttpResponse:
            if isinstance(task, ProblemDetails):
                return _with_headers(task.answer(), headers)
            context = CallContext(now=self.server_time(moment), call_id=row.id, unit_faults=call_faults)
            answer = task.act(context)
            if context.has_changed_something:
                row.applied_us = moment.mono_us
            self.note(context)
            return _with_headers(answer, headers)

        callback = task.callback if isinstance(task, Task) else None
        return PlannedResponse(row=row, settle=settle, mishap=call_faults.mishap, callback=callback)

    def note(self, context: CallContext) -> None:
        """Records the changes and notifies subscribers. Call it once for each context, after the last change."""
        self.recorder.writes(context.writes)
        if context.order_rows:
            self.recorder.order_rows(context.order_rows)
        self._subscriptions.hear(context.notices, context.now)

    def server_time(self, now: Moment) -> Moment:
        """Returns the same moment by the simulated server's clock."""
        return Moment(mono_us=now.mono_us, wall_us=now.wall_us + round(self.policy.clock_offset_s * 1e6))

    # ---- authentication and limits ----------------------------------------------------------------------------------

    def _seller(self, request: HttpRequest) -> Seller | None:
        key = request.headers.get(CLIENT_KEY)
        return next((seller for seller in self.sellers.values() if seller.client_key == key), None)

    def _count(self, seller: Seller, kind: Endpoint, now: Moment) -> Admission:
        """Counts an arrival in the seller's window and in that of each group; returns the most restrictive result."""
        standings = [self._window(seller, "", self.policy.requests_per_second).arrive(now.mono_us)]
        for group in self.policy.groups:
            if kind in group.kinds:
                window = self._window(seller, group.name, group.requests_per_second)
                standings.append(window.arrive(now.mono_us))
        return min(standings, key=lambda standing: (standing.admitted, standing.remaining))

    def _window(self, seller: Seller, group: str, limit: int) -> SlidingWindow:
        window = self._windows.setdefault((seller.name, group), SlidingWindow(limit))
        window.limit, window.count_refused = limit, self.policy.count_refused
        return window

    def _refusal(
        self, request: HttpRequest, seller: Seller | None, standing: Admission | None, now: Moment
    ) -> ProblemDetails | None:
        now_s = self.server_time(now).wall_us / 1e6
        problem = header_problem(request, now_s=now_s, clock_window_s=self.policy.clock_window_s)
        if problem is None:
            problem = signature_problem(request, {seller.client_key: seller.secret_key} if seller else {})
        if problem is None and seller is not None and not seller.active:
            problem = ProblemDetails(status=401, type=ProblemType.INACTIVE_ACCOUNT, message="Account is not active")
        if problem is None and standing is not None and not standing.admitted:
            problem = too_many_requests()
        return problem

    def _retry_after(self, refusal: ProblemDetails, standing: Admission | None) -> tuple[tuple[str, str], ...]:
        if refusal.status != 429 or standing is None or not self.policy.retry_after:
            return ()
        return (("Retry-After", str(_whole_seconds(standing.resets_in_us))),)

    def _rate_headers(self, standing: Admission | None, now: Moment) -> tuple[tuple[str, str], ...]:
        if standing is None or not self.policy.rate_headers:
            return ()
        resets_at_us = self.server_time(now).wall_us + standing.resets_in_us
        return (
            ("X-RateLimit-Limit", str(standing.limit)),
            ("X-RateLimit-Remaining", str(standing.remaining)),
            ("X-RateLimit-Reset", str(_whole_seconds(resets_at_us))),
        )

    def _row(self, request: HttpRequest, kind: Endpoint, seller: Seller | None, now: Moment) -> CallRow:
        body = request.body
        return CallRow(
            id=self.recorder.next_id(),
            mono_us=now.mono_us,
            wall_us=now.wall_us,
            seller=None if seller is None else seller.name,
            method=request.method,
            target=request.target,
            kind=kind,
            body_sha256=sha256(body).hexdigest() if body else None,
            body_bytes=len(body),
            body=body.decode("utf-8", "replace") if self.policy.keep_bodies else None,
            user_agent=request.headers.get("user-agent", ""),
            peer_port=request.peer_port,
        )

    # ---- endpoints --------------------------------------------------------------------------------------------------

    def _understand(self, kind: Endpoint, key: str, seller: Seller, request: HttpRequest) -> Task | ProblemDetails:
        match kind:
            case Endpoint.PING:
                return _constant({"message": PING_MESSAGE})
            case Endpoint.STOREFRONTS:
                return _constant(sorted(seller.storefronts))
            case Endpoint.LIST | Endpoint.BULK | Endpoint.STATUS | Endpoint.CREATE:
                return self._units(kind, seller, request)
            case Endpoint.PRODUCT:
                return self._product(key, seller, request)
            case Endpoint.UNIT | Endpoint.PATCH | Endpoint.DELETE:
                return self._one_unit(kind, int(key), seller, request)
            case (
                Endpoint.SUBSCRIPTIONS
                | Endpoint.SUBSCRIBE
                | Endpoint.SUBSCRIPTION
                | Endpoint.RESUBSCRIBE
                | Endpoint.UNSUBSCRIBE
            ):
                return self._subscription_api.understand(kind, key, seller.name, seller.storefronts, request)
            case Endpoint.UNKNOWN:
                return not_found("Resource")
            case _:
                return self._orders.understand(kind, key, seller.name, seller.storefronts, request)

    def _units(self, kind: Endpoint, seller: Seller, request: HttpRequest) -> Task | ProblemDetails:
        """Parses a request about several units, or about one that is created."""
        match kind:
            case Endpoint.LIST:
                return self._list(seller, request)
            case Endpoint.BULK:
                return self._bulk(seller, request)
            case Endpoint.STATUS:
                return self._status(seller, request)
            case _:
                return self._create(seller, request)

    def _list(self, seller: Seller, request: HttpRequest) -> Task | ProblemDetails:
        query = list_query(request.query, seller.storefronts)
        if isinstance(query, ProblemDetails):
            return query
        return Task(act=lambda context: self.market.page(seller.name, query, context.now))

    def _product(self, ean: str, seller: Seller, request: HttpRequest) -> Task | ProblemDetails:
        query = product_query(ean, request.query, seller.storefronts)
        if isinstance(query, ProblemDetails):
            return query
        return Task(act=lambda _: self.market.product(query))

    def _one_unit(self, kind: Endpoint, unit_id: int, seller: Seller, request: HttpRequest) -> Task | ProblemDetails:
        query = unit_query(request.query, seller.storefronts, reads=kind is Endpoint.UNIT)
        if isinstance(query, ProblemDetails):
            return query
        if kind is Endpoint.UNIT:
            return Task(act=lambda _: self.market.unit(seller.name, unit_id, query), unit_ids=(unit_id,))
        if kind is Endpoint.DELETE:
            return Task(act=lambda _: self.market.delete(seller.name, unit_id, query), unit_ids=(unit_id,))
        change = change_of(request.body)
        if isinstance(change, ProblemDetails):
            return change
        return Task(
            act=lambda context: self.market.patch(seller.name, unit_id, query, change, context),
            unit_ids=(unit_id,),
            fields=tuple(sorted(change)),
        )

    def _bulk(self, seller: Seller, request: HttpRequest) -> Task | ProblemDetails:
        query = unit_query(request.query, seller.storefronts, reads=False)
        if isinstance(query, ProblemDetails):
            return query
        items = bulk_items(request.body)
        if isinstance(items, ProblemDetails):
            return items
        return Task(
            act=lambda context: self.market.bulk(seller.name, query, items, context),
            unit_ids=tuple(item.unit_id for item in items),
            fields=tuple(sorted({name for item in items for name in item.data})),
        )

    def _status(self, seller: Seller, request: HttpRequest) -> Task | ProblemDetails:
        query = unit_query(request.query, seller.storefronts, reads=False)
        if isinstance(query, ProblemDetails):
            return query
        ids = status_ids(request.body)
        if isinstance(ids, ProblemDetails):
            return ids
        return Task(
            act=lambda _: self.market.live_statuses(seller.name, query.storefront, ids),
            unit_ids=tuple(ids),
        )

    def _create(self, seller: Seller, request: HttpRequest) -> Task | ProblemDetails:
        query = unit_query(request.query, seller.storefronts, reads=False)
        if isinstance(query, ProblemDetails):
            return query
        new = new_unit(request.body, query.storefront, self.market.strictness)
        if isinstance(new, ProblemDetails):
            return new
        return Task(
            act=lambda context: self.market.create(seller.name, query, new, context),
            fields=tuple(sorted(new.change)),
        )


def _constant(data: object) -> Task:
    answer = HttpResponse(status=200, body=orjson.dumps({"data": data}))
    return Task(act=lambda _: answer)


def _refused(row: CallRow, answer: HttpResponse) -> PlannedResponse:
    return PlannedResponse(row=row, settle=lambda _: answer)


def _with_headers(answer: HttpResponse, headers: tuple[tuple[str, str], ...]) -> HttpResponse:
    if not headers:
        return answer
    return HttpResponse(
        status=answer.status,
        body=answer.body,
        headers=answer.headers + headers,
        content_type=answer.content_type,
        problem=answer.problem,
        item_statuses=answer.item_statuses,
    )


def _whole_seconds(duration_us: int) -> int:
    return -(-duration_us // SPAN_US)
