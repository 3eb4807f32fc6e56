"""Parses requests about orders, parcels and returns into tasks. Pure."""

from collections.abc import Callable, Mapping
from typing import Final

from simulator.call_context import Task
from simulator.exchange import Endpoint, HttpRequest
from simulator.orders.fulfilment import Fulfilment
from simulator.orders.rules import (
    LiveQuery,
    further_parcel,
    order_embedded,
    order_unit_embedded,
    order_units_query,
    orders_query,
    parcel_sent,
    return_embedded,
    return_unit_embedded,
    return_units_query,
    returns_query,
)
from simulator.problems import ProblemDetails, not_found

_LISTS: Final[Mapping[Endpoint, Callable[[str, frozenset[str]], LiveQuery | ProblemDetails]]] = {
    Endpoint.ORDER_UNITS: order_units_query,
    Endpoint.ORDERS: orders_query,
    Endpoint.RETURNS: returns_query,
    Endpoint.RETURN_UNITS: return_units_query,
}
_EMBEDDED: Final[Mapping[Endpoint, Callable[[str], frozenset[str] | ProblemDetails]]] = {
    Endpoint.ORDER_UNIT: order_unit_embedded,
    Endpoint.ORDER: order_embedded,
    Endpoint.RETURN: return_embedded,
    Endpoint.RETURN_UNIT: return_unit_embedded,
}


class OrderApi:
    """Parses requests; ``Fulfilment`` carries them out."""

    def __init__(self, fulfilment: Fulfilment) -> None:
        self._fulfilment = fulfilment

    def understand(
        self, kind: Endpoint, key: str, seller: str, storefronts: frozenset[str], request: HttpRequest
    ) -> Task | ProblemDetails:
        """Returns the task or the refusal. ``key`` is the id in the path, ``storefronts`` are those of the seller."""
        if kind in _LISTS:
            return self._list(kind, seller, storefronts, request)
        if kind in _EMBEDDED:
            return self._one(kind, key, seller, request)
        if kind is Endpoint.CARRIERS:
            return Task(act=lambda _: self._fulfilment.carriers())
        if kind is Endpoint.SEND:
            return self._send(int(key), seller, request)
        if kind is Endpoint.SHIPMENT:
            return self._shipment(seller, request)
        return not_found("Resource")

    def _list(
        self, kind: Endpoint, seller: str, storefronts: frozenset[str], request: HttpRequest
    ) -> Task | ProblemDetails:
        query = _LISTS[kind](request.query, storefronts)
        if isinstance(query, ProblemDetails):
            return query
        pages = {
            Endpoint.ORDER_UNITS: self._fulfilment.order_units,
            Endpoint.ORDERS: self._fulfilment.orders,
            Endpoint.RETURNS: self._fulfilment.return_list,
            Endpoint.RETURN_UNITS: self._fulfilment.return_units,
        }
        return Task(act=lambda _: pages[kind](seller, query))

    def _one(self, kind: Endpoint, key: str, seller: str, request: HttpRequest) -> Task | ProblemDetails:
        embedded = _EMBEDDED[kind](request.query)
        if isinstance(embedded, ProblemDetails):
            return embedded
        if kind is Endpoint.ORDER:
            return Task(act=lambda _: self._fulfilment.order(seller, key, embedded))
        by_id = {
            Endpoint.ORDER_UNIT: self._fulfilment.order_unit,
            Endpoint.RETURN: self._fulfilment.one_return,
            Endpoint.RETURN_UNIT: self._fulfilment.return_unit,
        }
        return Task(act=lambda _: by_id[kind](seller, int(key), embedded))

    def _send(self, id_order_unit: int, seller: str, request: HttpRequest) -> Task | ProblemDetails:
        parcel = parcel_sent(request.body)
        if isinstance(parcel, ProblemDetails):
            return parcel
        body = request.body.decode()
        return Task(
            act=lambda context: self._fulfilment.send(seller, id_order_unit, parcel, body, context),
            unit_ids=(id_order_unit,),
        )

    def _shipment(self, seller: str, request: HttpRequest) -> Task | ProblemDetails:
        further = further_parcel(request.body)
        if isinstance(further, ProblemDetails):
            return further
        body = request.body.decode()
        return Task(
            act=lambda context: self._fulfilment.add_parcel(seller, further, body, context),
            unit_ids=(further.id_order_unit,),
        )
