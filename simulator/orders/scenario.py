"""The sections of a scenario file about orders and about push notifications."""

from pydantic import Field, model_validator

from simulator.orders.orders import Defect, SimulatedUnitStatus
from simulator.orders.trade import TradePlan
from simulator.push.subscriptions import PushTerms
from simulator.reference import MAX_ORDER_UNITS
from simulator.strict_model import Seconds, Share, StrictModel


class MalformedSection(StrictModel):
    """Makes the row of an order's first unit violate the OpenAPI document. Orders are numbered from 0 by creation."""

    order: int = Field(ge=0)
    defect: Defect


class OrdersSection(StrictModel):
    """Generated orders, none by default; fields as in ``trade.TradePlan``.

    ``undocumented`` must be true to use ``unusual`` and ``malformed``, which deliberately violate the OpenAPI document.
    """

    sellers: tuple[str, ...] = ()  # empty = all
    seed: int | None = None  # None = the scenario's
    at_start: int = Field(default=0, ge=0)
    at_start_over_s: Seconds = 3600.0
    per_second: float = Field(default=0.0, ge=0)
    total: int | None = Field(default=None, ge=0)
    units_min: int = Field(default=1, ge=1, le=MAX_ORDER_UNITS)
    units_max: int = Field(default=5, ge=1, le=MAX_ORDER_UNITS)
    same_offer: Share = 0.5
    confirm_delay_s: Seconds = 1.0
    cancelled: Share = 0.0
    changed: Share = 0.0
    change_within_s: Seconds = 10.0
    delivery_s: Seconds | None = None
    autopaid: Share = 0.0
    returned: Share = 0.0
    discounted: Share = 0.0
    sales_lower_stock: bool = False
    undocumented: bool = False
    unusual: Share = 0.0
    unusual_status: str = Field(default="in_clarification", min_length=1)
    malformed: tuple[MalformedSection, ...] = ()

    @model_validator(mode="after")
    def _makes_sense(self) -> "OrdersSection":
        if self.units_min > self.units_max:
            raise ValueError(f"units_min {self.units_min} is more than units_max {self.units_max}")
        if self.total is not None and self.total < self.at_start:
            raise ValueError(f"total {self.total} is less than at_start {self.at_start}")
        if (self.unusual or self.malformed) and not self.undocumented:
            raise ValueError("unusual and malformed leave the OpenAPI document: undocumented must be true")
        if self.unusual_status in set(SimulatedUnitStatus):
            raise ValueError(f"unusual_status {self.unusual_status} is a documented one")
        return self

    def plan(self, seed: int) -> TradePlan:
        return TradePlan(
            seed=seed if self.seed is None else self.seed,
            defects=tuple((row.order, row.defect) for row in self.malformed),
            **self.model_dump(exclude={"sellers", "seed", "undocumented", "malformed"}),
        )


class PushSection(StrictModel):
    """How notifications are sent; fields as in ``subscriptions.PushTerms``."""

    retry_after_s: tuple[Seconds, ...] = (60.0, 900.0, 1800.0, 3600.0)
    time_scale: Seconds = 1.0
    answer_within_s: float = Field(default=5.0, gt=0)
    verify_within_s: float = Field(default=15.0, gt=0)
    duplicated: Share = 0.0

    def terms(self, seed: int) -> PushTerms:
        return PushTerms(seed=seed, **self.model_dump())
