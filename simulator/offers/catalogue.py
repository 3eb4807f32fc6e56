"""The products and units of the marketplace, indexes over them, and a seeded generator. Pure.

A unit is changed in place, only by ``market`` and in the thread that owns the catalogue: creating a new object per
write would cost more than all the rest of a bulk call. Other threads may look up units and read single fields.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from simulator.chance import between, happens, pick
from simulator.reference import BY_MARKETPLACE, BY_MERCHANT, CURRENCIES, INT32_MAX

_GTIN_PREFIX: Final = "952"  # reserved by GS1 for demonstrations and examples
_SECOND_EANS = 500_000_000
_FIRST_UNIT_ID: Final = 1_000_000
_FIRST_PRODUCT_ID: Final = 500_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """A product. ``complete`` False = its data are insufficient, so its units are INCOMPLETE."""

    id: int
    eans: tuple[str, ...]
    title: str
    complete: bool = True


@dataclass(slots=True, kw_only=True)
class SimulatedUnit:
    """One seller's offer of one product, in one condition, on one storefront. Prices are in minor units."""

    id: int
    seller: str
    product: Product
    storefront: str
    condition: str
    id_offer: str | None
    listing_price: int
    amount: int
    handling_time: int
    minimum_price: int | None = None  # None = smart pricing is off
    on_hold: bool = False
    note: str | None = None
    id_shipping_group: int | None = None
    id_warehouse: int | None = None
    vat_indicator: str = "standard_rate"
    fulfillment_type: str = BY_MERCHANT
    eco_participation: int | None = None
    battery_participation: int | None = None
    manufacturer_guarantee_years: int | None = None
    shipping_rate: int = 0
    transport_time_min: int = 1
    transport_time_max: int = 3
    date_inserted_iso: str = "2026-01-01T00:00:00.000Z"
    date_lastchange_iso: str = "2026-01-01T00:00:00.000Z"
    listed_from_us: int = 0  # since the epoch; lists omit the unit until then

    @property
    def status(self) -> str:
        if not self.product.complete:
            return "INCOMPLETE"
        return "ONHOLD" if self.on_hold else "AVAILABLE"

    @property
    def is_live(self) -> bool:
        return self.amount > 0 and self.status == "AVAILABLE"

    def body(self, embedded: frozenset[str] = frozenset()) -> dict[str, object]:
        """Returns the unit as responses show it."""
        listing_price = self.listing_price
        status = self.status
        shown: dict[str, object] = {
            "id_unit": self.id,
            "status": status,
            "currency": CURRENCIES[self.storefront],
            "condition": self.condition,
            "listing_price": listing_price,
            "minimum_price": listing_price if self.minimum_price is None else self.minimum_price,
            "price": listing_price,
            "id_offer": self.id_offer,
            "id_product": self.product.id,
            "id_shipping_group": self.id_shipping_group,
            "id_warehouse": self.id_warehouse,
            "amount": self.amount,
            "handling_time": self.handling_time,
            "transport_time_min": self.transport_time_min,
            "transport_time_max": self.transport_time_max,
            "shipping_rate": self.shipping_rate,
            "note": self.note,
            "fulfillment_type": self.fulfillment_type,
            "vat_indicator": self.vat_indicator,
            "storefront": self.storefront,
            "date_inserted_iso": self.date_inserted_iso,
            "date_lastchange_iso": self.date_lastchange_iso,
            "manufacturer_guarantee_years": self.manufacturer_guarantee_years,
            "is_live": self.amount > 0 and status == "AVAILABLE",
        }
        if embedded:
            self._embed(shown, embedded)
        return shown

    def _embed(self, shown: dict[str, object], embedded: frozenset[str]) -> None:
        if "products" in embedded:
            shown["product"] = product_body(self.product, self.storefront)
        if "eco_participation" in embedded:
            shown["eco_participation"] = self.eco_participation
        if "battery_participation" in embedded:
            shown["battery_participation"] = self.battery_participation


def product_body(product: Product, storefront: str) -> dict[str, object]:
    """Returns the product as responses about units and order units show it."""
    return {
        "id_product": product.id,
        "storefront": storefront,
        "title": product.title,
        "eans": product.eans,
        "id_category": 1,
        "main_picture": f"https://pictures.invalid/{product.id}.jpg",
        "manufacturer": "Example",
        "url": f"https://marketplace.invalid/product/{product.id}/",
        "age_rating": 0,
        "is_valid": product.complete,
        "dangerous_goods_li_shipping": None,
        "danger_label_9A": None,
    }


class Catalogue:
    """All products and units, indexed by id, by EAN and by offer id. Only one thread may change it."""

    def __init__(self) -> None:
        self._units: dict[int, SimulatedUnit] = {}
        self._products: dict[str, Product] = {}
        self._lists: dict[tuple[str, str], dict[int, SimulatedUnit]] = {}
        self._by_ean: dict[tuple[str, str, str], list[SimulatedUnit]] = {}
        self._by_offer: dict[tuple[str, str], list[SimulatedUnit]] = {}

    def __len__(self) -> int:
        return len(self._units)

    def __iter__(self) -> Iterator[SimulatedUnit]:
        return iter(self._units.values())

    def add_product(self, product: Product) -> None:
        for ean in product.eans:
            self._products[_number(ean)] = product

    def add(self, unit: SimulatedUnit) -> None:
        """Adds a unit and its product. Raises ValueError if the unit's id is taken."""
        if unit.id in self._units:
            raise ValueError(f"unit {unit.id} is there already")
        self.add_product(unit.product)
        self._units[unit.id] = unit
        self._lists.setdefault((unit.seller, unit.storefront), {})[unit.id] = unit
        for number in {_number(ean) for ean in unit.product.eans}:
            self._by_ean.setdefault((unit.seller, unit.storefront, number), []).append(unit)
        if unit.id_offer is not None:
            self._by_offer.setdefault((unit.seller, unit.id_offer), []).append(unit)

    def add_stock(self, stock: "Stock") -> None:
        """Adds a generated stock, including products without units."""
        for product in stock.products:
            self.add_product(product)
        for unit in stock.units:
            self.add(unit)

    def remove(self, unit: SimulatedUnit) -> None:
        del self._units[unit.id]
        del self._lists[unit.seller, unit.storefront][unit.id]
        for number in {_number(ean) for ean in unit.product.eans}:
            self._by_ean[unit.seller, unit.storefront, number].remove(unit)
        if unit.id_offer is not None:
            self._by_offer[unit.seller, unit.id_offer].remove(unit)

    def next_unit_id(self) -> int:
        return max(self._units, default=_FIRST_UNIT_ID - 1) + 1

    def unit(self, unit_id: int) -> SimulatedUnit | None:
        return self._units.get(unit_id)

    def own_unit(self, seller: str, storefront: str, unit_id: int) -> SimulatedUnit | None:
        """Returns the unit if it belongs to this seller and storefront, else None."""
        unit = self._units.get(unit_id)
        return unit if unit is not None and unit.seller == seller and unit.storefront == storefront else None

    def product(self, ean: str) -> Product | None:
        return self._products.get(_number(ean))

    def product_by_id(self, product_id: int) -> Product | None:
        return next((product for product in self._products.values() if product.id == product_id), None)

    def units(self, seller: str, storefront: str) -> Iterable[SimulatedUnit]:
        """Returns one seller's units on one storefront, in order of creation."""
        return self._lists.get((seller, storefront), {}).values()

    def units_of_ean(self, seller: str, storefront: str, ean: str) -> list[SimulatedUnit]:
        """Returns a seller's units of an EAN. Leading zeros are ignored: a product may list its EAN with or without."""
        return self._by_ean.get((seller, storefront, _number(ean)), [])

    def linked(self, seller: str, id_offer: str) -> list[SimulatedUnit]:
        """Returns all units that share an offer id, and therefore stock and warehouse."""
        return self._by_offer.get((seller, id_offer), [])


def _number(ean: str) -> str:
    return ean.lstrip("0")


# ---- generating a catalogue -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class CataloguePlan:
    """What to generate. Shares are from 0 to 1: ``on_hold`` and ``by_marketplace`` of units, the others of EANs."""

    seed: int = 1
    eans: int = 1000
    storefronts: tuple[str, ...] = ("de", "at")
    conditions: tuple[str, ...] = ("NEW",)  # each EAN is offered in the first of them
    further_condition: float = 0.2  # and in each of the others with this probability
    missing: float = 0.02  # the product exists, but the seller has no unit of it
    linked: float = 0.5  # one offer id on all storefronts
    second_ean: float = 0.0  # the product has another EAN as well: the function ``second_ean``
    ambiguous: float = 0.01  # two units of one EAN, condition and storefront
    incomplete: float = 0.01
    on_hold: float = 0.01
    by_marketplace: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stock:
    """A generated catalogue: products, units, and the EANs by what a look-up will find."""

    units: tuple[SimulatedUnit, ...]
    products: tuple[Product, ...]
    eans: tuple[str, ...]  # offered
    missing_eans: tuple[str, ...]
    ambiguous_eans: tuple[str, ...] = field(default=())


def ean_13(number: int) -> str:
    """Returns the EAN-13 with this serial number, in the range reserved for examples. Raises ValueError from 10**9."""
    if not 0 <= number < 10**9:
        raise ValueError(f"no EAN has the running number {number}")
    body = f"{_GTIN_PREFIX}{number:09d}"
    return body + check_digit(body)


def second_ean(number: int) -> str:
    """Returns the second EAN of the product with this serial number."""
    return ean_13(_SECOND_EANS + number)


def check_digit(body: str) -> str:
    """Returns the GS1 check digit: weights 3 and 1 alternate from the right."""
    weighted = sum(int(digit) * (3 if place % 2 == 0 else 1) for place, digit in enumerate(reversed(body)))
    return str(-weighted % 10)


def iso(wall_us: int) -> str:
    """Formats microseconds since the epoch as responses show a time: ISO 8601 in milliseconds."""
    moment = datetime.fromtimestamp(wall_us // 1000 / 1000, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def make(plan: CataloguePlan, seller: str, *, first: int = 0) -> Stock:
    """Generates a catalogue. What is generated for an EAN depends only on the seed and the EAN's serial number, not on
    the number of EANs. ``first`` is the serial number of the first EAN, and keeps the ids of two sellers apart."""
    products = tuple(_make_product(plan, number) for number in range(first, first + plan.eans))
    numbers = range(first, first + plan.eans)
    missing = {number for number in numbers if happens(plan.missing, plan.seed, "missing", number)}
    ambiguous = {
        number for number in numbers if number not in missing and happens(plan.ambiguous, plan.seed, "two", number)
    }
    units = tuple(
        unit
        for number, product in zip(numbers, products, strict=True)
        if number not in missing
        for unit in _make_units(plan, seller, number, product, twice=number in ambiguous)
    )
    return Stock(
        units=units,
        products=products,
        eans=tuple(ean_13(number) for number in numbers if number not in missing),
        missing_eans=tuple(ean_13(number) for number in sorted(missing)),
        ambiguous_eans=tuple(ean_13(number) for number in sorted(ambiguous)),
    )


def _make_product(plan: CataloguePlan, number: int) -> Product:
    twice = happens(plan.second_ean, plan.seed, "second", number)
    return Product(
        id=_FIRST_PRODUCT_ID + number,
        eans=(ean_13(number), *((second_ean(number),) if twice else ())),
        title=f"Example product {number}",
        complete=not happens(plan.incomplete, plan.seed, "incomplete", number),
    )


def _make_units(
    plan: CataloguePlan, seller: str, number: int, product: Product, *, twice: bool
) -> Iterator[SimulatedUnit]:
    places = len(plan.storefronts) * (len(plan.conditions) + 1)
    unit_id = _FIRST_UNIT_ID + number * places
    linked = happens(plan.linked, plan.seed, "linked", number)
    for index, condition in enumerate(_conditions(plan, number)):
        offers = ["", "-b"] if twice and index == 0 else [""]
        for suffix in offers:
            for storefront in plan.storefronts:
                offer = f"{product.eans[0]}-{index}{suffix}" + ("" if linked else f"-{storefront}")
                yield _make_unit(plan, seller, unit_id, product, storefront, condition, offer)
                unit_id += 1


def _conditions(plan: CataloguePlan, number: int) -> Iterator[str]:
    for index, condition in enumerate(plan.conditions):
        if index == 0 or happens(plan.further_condition, plan.seed, "condition", number, condition):
            yield condition


def _make_unit(
    plan: CataloguePlan, seller: str, unit_id: int, product: Product, storefront: str, condition: str, offer: str
) -> SimulatedUnit:
    seed = plan.seed
    return SimulatedUnit(
        id=unit_id,
        seller=seller,
        product=product,
        storefront=storefront,
        condition=condition,
        id_offer=offer,
        listing_price=between(100, 50_000, seed, "price", unit_id),
        amount=between(0, 200, seed, "amount", offer),  # by offer id: linked units share it
        handling_time=between(0, 5, seed, "handling", unit_id),
        on_hold=happens(plan.on_hold, seed, "hold", unit_id),
        note=f"Note of unit {unit_id}",
        id_shipping_group=between(1, 5, seed, "group", unit_id),
        id_warehouse=between(1, 3, seed, "warehouse", offer),
        vat_indicator=pick(("standard_rate", "reduced_rate_1"), seed, "vat", unit_id),
        fulfillment_type=BY_MARKETPLACE if happens(plan.by_marketplace, seed, "fulfil", unit_id) else BY_MERCHANT,
        shipping_rate=between(0, 900, seed, "shipping", unit_id),
        eco_participation=between(1, INT32_MAX // 2, seed, "eco", unit_id) % 500 + 1 if storefront == "fr" else None,
    )


def state(catalogue: Iterable[SimulatedUnit]) -> Mapping[int, dict[str, object]]:
    """Returns a copy of every unit as responses show it, by id."""
    return {unit.id: unit.body(frozenset({"eco_participation", "battery_participation"})) for unit in catalogue}
