"""The control endpoints ``/_simulator/...``: inspect and change a running simulator. Loopback callers only.

========================================  ============================================================================
``GET health``                            readiness and the number of units
``GET summary``                           the journal in numbers: see ``summary``
``GET journal``                           every row of the journal, as JSON lines
``GET units``                             every unit as responses show it, with its EANs and seller, as JSON lines
``GET sellers``                           names, keys and storefronts
``POST faults``                           set a fault, in JSON with the fields of a scenario file
``DELETE faults`` or ``faults?name=``     remove all faults, or one
``POST sellers/{name}/keys``              ``{"client_key", "secret_key"}``: the old ones are refused from now on
``POST units/{id_unit}``                  fields to change, as if the marketplace itself did it
``POST policy``                           any fields of ``PolicyChange``
``POST rules``                            any fields of ``RulesChange``
========================================  ============================================================================

Orders, parcels and returns: ``simulator.orders.control``.
"""

import ipaddress
from collections.abc import Callable
from dataclasses import replace
from typing import Final
from urllib.parse import parse_qs

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from simulator.api import Seller, SellerApi, SimulatorPolicy
from simulator.call_context import CallContext
from simulator.exchange import LINES, HttpRequest, HttpResponse, Moment
from simulator.journal import Journal
from simulator.offers.rules import Change, change_of
from simulator.orders.control import OrderControl
from simulator.orders.trade import Trade
from simulator.problems import ProblemDetails, ProblemType, not_found
from simulator.scenario import FaultSection

PREFIX: Final = "/_simulator/"


class Keys(BaseModel):
    """A seller's new pair of keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    client_key: str = Field(min_length=1)
    secret_key: str = Field(min_length=1, repr=False)


class PolicyChange(BaseModel):
    """New values for ``api.SimulatorPolicy``; omitted ones stay as they are."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    requests_per_second: int | None = Field(default=None, ge=1)
    count_refused: bool | None = None
    retry_after: bool | None = None
    rate_headers: bool | None = None
    clock_window_s: int | None = Field(default=None, ge=0)
    clock_offset_s: float | None = None
    keep_bodies: bool | None = None

    def apply(self, policy: SimulatorPolicy) -> None:
        for name, value in self.model_dump(exclude_none=True).items():
            setattr(policy, name, value)


class RulesChange(BaseModel):
    """New values for ``offers.rules.Strictness``; omitted ones stay as they are."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    listing_price_required: bool | None = None
    max_amount: int | None = Field(default=None, ge=0, lt=2**31)


class Control:
    """Answers control requests. Must be called in the thread that owns the API."""

    def __init__(self, api: SellerApi, trade: Trade, clocks: Callable[[], Moment]) -> None:
        self._api = api
        self._clocks = clocks
        self.orders = OrderControl(trade, self.context, api.note)

    def answer(self, request: HttpRequest, peer: str) -> HttpResponse:
        """Returns the response to a control request. ``peer`` is the caller's IP address; 403 unless it is loopback."""
        if not ipaddress.ip_address(peer.partition("%")[0]).is_loopback:
            return ProblemDetails(status=403, type="/problems/forbidden", message="Only from this machine").answer()
        try:
            return self._dispatch(request)
        except ValidationError as error:
            return ProblemDetails(status=400, type=ProblemType.BAD_REQUEST, message=str(error)).answer()

    def _dispatch(self, request: HttpRequest) -> HttpResponse:
        parts = request.path.removeprefix(PREFIX).strip("/").split("/")
        match (request.method, *parts):
            case ("GET", "health"):
                return _json({"status": "ready", "units": len(self._api.market.catalogue)})
            case ("GET", "summary"):
                return _json(summary(self._api.recorder.view(), list(self._api.sellers)))
            case ("GET", "journal"):
                return _lines(b"".join(self._api.recorder.view().lines()))
            case ("GET", "units"):
                return _lines(b"".join(self._unit_lines()))
            case ("GET", "sellers"):
                return _json([_seller_body(seller) for seller in self._api.sellers.values()])
            case (_, "orders" | "order-units" | "returns", *_):
                return self.orders.answer(request.method, parts, request.body)
            case ("POST", *_):
                return self._change(parts, request.body)
            case ("DELETE", "faults"):
                self._api.faults.clear(parse_qs(request.query).get("name", [None])[0])
                return HttpResponse(status=204)
            case _:
                return not_found("Control").answer()

    def _change(self, parts: list[str], body: bytes) -> HttpResponse:
        match parts:
            case ["faults"]:
                fault = FaultSection.model_validate_json(body).fault()
                self._api.faults.set(fault, self._clocks().mono_us)
            case ["sellers", name, "keys"] if name in self._api.sellers:
                keys = Keys.model_validate_json(body)
                self.change_keys(name, keys.client_key, keys.secret_key)
            case ["units", unit_id] if unit_id.isascii() and unit_id.isdigit():
                change = change_of(body)
                problem = change if isinstance(change, ProblemDetails) else self.change_unit(int(unit_id), change)
                return problem.answer() if problem else HttpResponse(status=204)
            case ["policy"]:
                PolicyChange.model_validate_json(body).apply(self._api.policy)
            case ["rules"]:
                rules = RulesChange.model_validate_json(body).model_dump(exclude_none=True)
                self._api.market.strictness = replace(self._api.market.strictness, **rules)
            case _:
                return not_found("Control").answer()
        return HttpResponse(status=204)

    def change_keys(self, seller: str, client_key: str, secret_key: str) -> None:
        """Replaces a seller's keys; the old ones are refused from now on. Raises KeyError for an unknown seller."""
        account = self._api.sellers[seller]
        account.client_key, account.secret_key = client_key, secret_key

    def change_unit(self, unit_id: int, change: Change) -> ProblemDetails | None:
        """Changes a unit as if the marketplace itself did it. Returns why the change is refused, or None."""
        context = self.context()
        problem = self._api.market.change_by_itself(unit_id, change, context)
        self._api.note(context)
        return problem

    def context(self) -> CallContext:
        """Returns a context for a change at the current time that no call causes."""
        return CallContext(now=self._api.server_time(self._clocks()))

    def _unit_lines(self) -> list[bytes]:
        return [
            orjson.dumps({"seller": unit.seller, "eans": unit.product.eans, **unit.body()}) + b"\n"
            for unit in self._api.market.catalogue
        ]


def summary(journal: Journal, sellers: list[str]) -> dict[str, object]:
    """Returns the journal in numbers: calls by kind and status, worst second by seller, changes, notifications."""
    return {
        "calls": len(journal.calls),
        "by_kind": {kind.value: count for kind, count in journal.by_kind.items()},
        "by_status": {str(status): count for status, count in journal.by_status.items()},
        "worst_second": {seller: journal.worst_second(seller) for seller in sellers},
        "created": journal.created,
        "deleted": journal.deleted,
        "overlaps": len(journal.overlaps()),
        "written_fields": sorted(journal.written_fields),
        "order_units": {deed.value: count for deed, count in journal.by_deed.items()},
        "pushes": len(journal.pushes),
        "dropped": journal.dropped,
    }


def _seller_body(seller: Seller) -> dict[str, object]:
    return {
        "name": seller.name,
        "client_key": seller.client_key,
        "secret_key": seller.secret_key,
        "storefronts": sorted(seller.storefronts),
        "active": seller.active,
    }


def _json(data: object) -> HttpResponse:
    return HttpResponse(status=200, body=orjson.dumps(data))


def _lines(data: bytes) -> HttpResponse:
    return HttpResponse(status=200, body=data, content_type=LINES)
