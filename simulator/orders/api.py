"""From a request about orders, parcels or returns to the task that it asks for. Pure."""

from collections.abc import Callable, Mapping
from typing import Final

from simulator.call_context import Task
from simulator.exchange import Kind, Request
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
from simulator.problems import Problem, not_found

_LISTS: Final[Mapping[Kind, Callable[[str, frozenset[str]], LiveQuery | Problem]]] = {
    Kind.ORDER_UNITS: order_units_query,
    Kind.ORDERS: orders_query,
    Kind.RETURNS: returns_query,
    Kind.RETURN_UNITS: return_units_query,
}
_EMBEDDED: Final[Mapping[Kind, Callable[[str], frozenset[str] | Problem]]] = {
    Kind.ORDER_UNIT: order_unit_embedded,
    Kind.ORDER: order_embedded,
    Kind.RETURN: return_embedded,
    Kind.RETURN_UNIT: return_unit_embedded,
}


class OrderApi:
    """Understands; what is done is ``Fulfilment``'s."""

    def __init__(self, fulfilment: Fulfilment) -> None:
        self._fulfilment = fulfilment

    def understand(
        self, kind: Kind, key: str, seller: str, storefronts: frozenset[str], request: Request
    ) -> Task | Problem:
        """``key`` is the id in the path, ``storefronts`` where the seller sells."""
        if kind in _LISTS:
            return self._list(kind, seller, storefronts, request)
        if kind in _EMBEDDED:
            return self._one(kind, key, seller, request)
        if kind is Kind.CARRIERS:
            return Task(act=lambda _: self._fulfilment.carriers())
        if kind is Kind.SEND:
            return self._send(int(key), seller, request)
        if kind is Kind.SHIPMENT:
            return self._shipment(seller, request)
        return not_found("Resource")

    def _list(self, kind: Kind, seller: str, storefronts: frozenset[str], request: Request) -> Task | Problem:
        query = _LISTS[kind](request.query, storefronts)
        if isinstance(query, Problem):
            return query
        pages = {
            Kind.ORDER_UNITS: self._fulfilment.order_units,
            Kind.ORDERS: self._fulfilment.orders,
            Kind.RETURNS: self._fulfilment.return_list,
            Kind.RETURN_UNITS: self._fulfilment.return_units,
        }
        return Task(act=lambda _: pages[kind](seller, query))

    def _one(self, kind: Kind, key: str, seller: str, request: Request) -> Task | Problem:
        embedded = _EMBEDDED[kind](request.query)
        if isinstance(embedded, Problem):
            return embedded
        if kind is Kind.ORDER:
            return Task(act=lambda _: self._fulfilment.order(seller, key, embedded))
        by_id = {
            Kind.ORDER_UNIT: self._fulfilment.order_unit,
            Kind.RETURN: self._fulfilment.one_return,
            Kind.RETURN_UNIT: self._fulfilment.return_unit,
        }
        return Task(act=lambda _: by_id[kind](seller, int(key), embedded))

    def _send(self, id_order_unit: int, seller: str, request: Request) -> Task | Problem:
        parcel = parcel_sent(request.body)
        if isinstance(parcel, Problem):
            return parcel
        body = request.body.decode()
        return Task(
            act=lambda occasion: self._fulfilment.send(seller, id_order_unit, parcel, body, occasion),
            unit_ids=(id_order_unit,),
        )

    def _shipment(self, seller: str, request: Request) -> Task | Problem:
        further = further_parcel(request.body)
        if isinstance(further, Problem):
            return further
        body = request.body.decode()
        return Task(
            act=lambda occasion: self._fulfilment.add_parcel(seller, further, body, occasion),
            unit_ids=(further.id_order_unit,),
        )
