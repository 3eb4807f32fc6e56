"""Parses and carries out requests about push subscriptions. Pure.

A callback URL is verified before a subscription uses it: the task carries a ``Callback``, which the server verifies
before it carries out the task. Chosen: a subscription's event and storefront can't be changed.
"""

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

import orjson

from simulator.call_context import Callback, CallContext, Task
from simulator.exchange import Endpoint, HttpRequest, HttpResponse
from simulator.offers.rules import Query, parse, unless_wrong
from simulator.problems import ProblemDetails, ProblemType, RequestFieldError, invalid, not_found
from simulator.push.subscriptions import PushSubscription, Subscriptions
from simulator.reference import (
    DEFAULT_PAGE,
    EVENT_NAMES,
    INT32_MAX,
    MAX_CALLBACK_URL_CHARACTERS,
    MAX_SUBSCRIPTION_PAGE,
)

_NEW: Final = frozenset({"callback_url", "fallback_email", "event_name"})
_CHANGEABLE: Final = frozenset({"callback_url", "fallback_email", "is_active"})


class SubscriptionApi:
    """Parses requests about subscriptions, and carries them out."""

    def __init__(self, subscriptions: Subscriptions) -> None:
        self._subscriptions = subscriptions

    def understand(
        self, kind: Endpoint, key: str, seller: str, storefronts: frozenset[str], request: HttpRequest
    ) -> Task | ProblemDetails:
        """Returns the task or the refusal. ``key`` is the id in the path, ``storefronts`` are those of the seller."""
        if kind is Endpoint.SUBSCRIPTIONS:
            return self._list(seller, storefronts, request)
        if kind is Endpoint.SUBSCRIBE:
            return self._create(seller, storefronts, request)
        one = self._subscriptions.own(seller, int(key))
        if one is None:
            return not_found("Subscription")
        if kind is Endpoint.SUBSCRIPTION:
            return Task(act=lambda _: _data(200, one))
        if kind is Endpoint.UNSUBSCRIBE:
            return Task(act=lambda _: self._remove(one))
        return self._change(one, request)

    def _list(self, seller: str, storefronts: frozenset[str], request: HttpRequest) -> Task | ProblemDetails:
        query = Query(request.query)
        storefront, event_name = query.optional_storefront(), query.one_of("event_name", EVENT_NAMES)
        limit = query.number("limit", 0, MAX_SUBSCRIPTION_PAGE)
        page = DEFAULT_PAGE if limit is None else limit, query.number("offset", 0, INT32_MAX) or 0
        chosen = unless_wrong(query, storefronts, page, storefront)
        if isinstance(chosen, ProblemDetails):
            return chosen
        found = [
            one.body()
            for one in self._subscriptions.owned(seller)
            if storefront in (None, one.storefront) and event_name in (None, one.event_name)
        ]
        return Task(act=lambda _: _page(found, *chosen))

    def _create(self, seller: str, storefronts: frozenset[str], request: HttpRequest) -> Task | ProblemDetails:
        query = Query(request.query)
        storefront = query.storefront()
        refused = unless_wrong(query, storefronts, storefront, storefront)
        data = _fields(request.body, required=_NEW, allowed=_NEW)
        if isinstance(refused, ProblemDetails):
            return refused
        if isinstance(data, ProblemDetails):
            return data
        callback = self._callback(data)

        def act(_: CallContext) -> HttpResponse:
            event_name = str(data["event_name"])
            if self._subscriptions.has(seller, storefront, event_name):
                return _taken(event_name, storefront).answer()
            if not callback.is_verified:
                return _unverified().answer()
            one = self._subscriptions.add(
                seller=seller,
                storefront=storefront,
                event_name=event_name,
                callback_url=callback.url,
                fallback_email=str(data["fallback_email"]),
            )
            return _data(201, one)

        return Task(act=act, callback=callback)

    def _change(self, one: PushSubscription, request: HttpRequest) -> Task | ProblemDetails:
        data = _fields(request.body, required=frozenset(), allowed=_CHANGEABLE)
        if isinstance(data, ProblemDetails):
            return data
        callback = self._callback(data) if data.get("callback_url", one.callback_url) != one.callback_url else None

        def act(_: CallContext) -> HttpResponse:
            if callback is not None and not callback.is_verified:
                return _unverified().answer()
            for name, value in data.items():
                setattr(one, name, value)
            return _data(200, one)

        return Task(act=act, callback=callback)

    def _remove(self, one: PushSubscription) -> HttpResponse:
        if self._subscriptions.own(one.seller, one.id) is None:
            return not_found("Subscription").answer()
        self._subscriptions.remove(one)
        return HttpResponse(status=204)

    def _callback(self, data: Mapping[str, object]) -> Callback:
        return Callback(url=str(data["callback_url"]), challenge=self._subscriptions.challenge())


def _fields(body: bytes, *, required: frozenset[str], allowed: frozenset[str]) -> Mapping[str, object] | ProblemDetails:
    data = parse(body)
    if isinstance(data, ProblemDetails):
        return data
    if not isinstance(data, dict):
        return invalid(RequestFieldError("body", "must be an object"))
    errors = [RequestFieldError(name, f"{name} is required") for name in sorted(required - data.keys())]
    errors += [
        RequestFieldError(name, f"{name} is not a field that can be set") for name in sorted(data.keys() - allowed)
    ]
    errors += [
        RequestFieldError(name, f"{name} {wrong}")
        for name, value in data.items()
        if name in allowed and (wrong := _wrong(name, value))
    ]
    return invalid(*errors) if errors else data


def _wrong(name: str, value: object) -> str | None:
    if name == "is_active":
        return None if isinstance(value, bool) else "must be true or false"
    if name == "event_name":
        return None if value in EVENT_NAMES else f"must be one of {list(EVENT_NAMES)}"
    if name == "fallback_email":
        return None if isinstance(value, str) and "@" in value else "must be a mail address"
    return None if _is_address(value) else f"must be an address of at most {MAX_CALLBACK_URL_CHARACTERS} characters"


def _is_address(value: object) -> bool:
    if not isinstance(value, str) or len(value) > MAX_CALLBACK_URL_CHARACTERS or not value.isascii():
        return False
    try:
        parts = urlsplit(value)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        return False


def _taken(event_name: str, storefront: str) -> ProblemDetails:
    return ProblemDetails(
        status=400,
        type=ProblemType.ALREADY_EXISTS,
        message=f"Subscription for {event_name} on {storefront} exists already",
    )


def _unverified() -> ProblemDetails:
    return ProblemDetails(
        status=400, type=ProblemType.UNVERIFIED_CALLBACK, message="Callback address did not answer the challenge"
    )


def _data(status: int, one: PushSubscription) -> HttpResponse:
    return HttpResponse(status=status, body=orjson.dumps({"data": one.body()}))


def _page(found: list[dict[str, object]], limit: int, offset: int) -> HttpResponse:
    pagination = {"offset": offset, "limit": limit, "total": len(found)}
    return HttpResponse(
        status=200, body=orjson.dumps({"data": found[offset : offset + limit], "pagination": pagination})
    )
