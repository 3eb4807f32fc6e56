"""Which order units an event means that names offers and quantities. Pure.

An order unit is one piece, and pieces of one offer are alike; so it does not matter which of them is chosen, only that
none is chosen twice. The order of the candidates decides, so that the same order gives the same choice.
"""

from collections.abc import Sequence

from connector.marketplace.orders import OrderUnitSummary
from connector.shipments.events import ShippedItem


def choose(items: Sequence[ShippedItem], candidates: Sequence[OrderUnitSummary]) -> tuple[int, ...] | ShippedItem:
    """A unit for each piece, ascending by id; or the first item for which there are too few.

    Who says most about a piece chooses first, so that an item that names an EAN alone does not take the only unit of an
    offer that another item names.
    """
    left = list(candidates)
    chosen: list[int] = []
    for item in sorted(items, key=lambda one: (one.offer_id is None, one.ean is None)):
        fitting = [unit for unit in left if is_meant(unit, item)][: item.quantity]
        if len(fitting) < item.quantity:
            return item
        left = [unit for unit in left if unit not in fitting]
        chosen += [unit.order_unit_id for unit in fitting]
    return tuple(sorted(chosen))


def is_meant(unit: OrderUnitSummary, item: ShippedItem) -> bool:
    """Whether a unit is a piece of this item; of an EAN, zeros on the left do not matter."""
    if item.offer_id is not None and unit.offer_id != item.offer_id:
        return False
    return item.ean is None or item.ean.lstrip("0") in (ean.lstrip("0") for ean in unit.eans)
