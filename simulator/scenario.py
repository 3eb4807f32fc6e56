"""The scenario file (TOML): catalogue, sellers, limits, rules, orders, push and faults.

Every setting has a default, so an empty file is a complete scenario: one seller, ``demo``, with generated keys.
"""

import tomllib
from hashlib import blake2b
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, field_validator, model_validator

from simulator.api import DEFAULT_REQUESTS_PER_SECOND, LimitGroup, Seller, SimulatorPolicy
from simulator.exchange import Endpoint
from simulator.faults import mishaps
from simulator.offers.catalogue import CataloguePlan
from simulator.offers.rules import Strictness
from simulator.orders.scenario import OrdersSection, PushSection
from simulator.problems import ProblemType
from simulator.reference import CONDITIONS, CURRENCIES, MAX_AMOUNT
from simulator.routes import GROUPS
from simulator.signature import DEFAULT_CLOCK_WINDOW_S
from simulator.strict_model import Seconds, Share, StrictModel


class CatalogueSection(StrictModel):
    """What each seller offers; fields as in ``offers.catalogue.CataloguePlan``."""

    eans: int = Field(default=1000, ge=0, lt=10**8)
    storefronts: tuple[str, ...] = ("de", "at")
    conditions: tuple[str, ...] = ("NEW",)
    further_condition: Share = 0.2
    second_ean: Share = 0.0
    missing: Share = 0.02
    linked: Share = 0.5
    ambiguous: Share = 0.01
    incomplete: Share = 0.01
    on_hold: Share = 0.01
    by_marketplace: Share = 0.0
    visibility_delay_s: Seconds = 0.0  # from the creation of a unit until lists show it

    @field_validator("storefronts")
    @classmethod
    def _known_storefronts(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return _all_known(value, tuple(CURRENCIES))

    @field_validator("conditions")
    @classmethod
    def _known_conditions(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return _all_known(value, CONDITIONS)

    def plan(self, seed: int) -> CataloguePlan:
        return CataloguePlan(seed=seed, **self.model_dump(exclude={"visibility_delay_s"}))


class SellerSection(StrictModel):
    """A seller account. Omitted keys are derived from its name; omitted storefronts are those of the catalogue."""

    name: str = Field(min_length=1)
    client_key: str | None = None
    secret_key: str | None = Field(default=None, repr=False)
    storefronts: tuple[str, ...] | None = None
    active: bool = True
    eans: int | None = Field(default=None, ge=0)  # instead of the catalogue's number

    @field_validator("storefronts")
    @classmethod
    def _known_storefronts(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        return None if value is None else _all_known(value, tuple(CURRENCIES))

    def seller(self, catalogue_storefronts: tuple[str, ...]) -> Seller:
        client_key, secret_key = made_up_keys(self.name)
        return Seller(
            name=self.name,
            client_key=self.client_key or client_key,
            secret_key=self.secret_key or secret_key,
            storefronts=frozenset(self.storefronts or catalogue_storefronts),
            active=self.active,
        )


class GroupSection(StrictModel):
    """A limit for a group of endpoints. Without ``kinds``: those of the group of that name in ``routes.GROUPS``."""

    requests_per_second: int = Field(ge=1)
    kinds: frozenset[Endpoint] | None = None


class LimitsSection(StrictModel):
    """The rate limits; fields as in ``api.SimulatorPolicy``. ``headers``: send rate limit headers."""

    requests_per_second: int = Field(default=DEFAULT_REQUESTS_PER_SECOND, ge=1)
    count_refused: bool = False
    retry_after: bool = False
    headers: bool = False
    groups: dict[str, GroupSection] = Field(default={})

    @field_validator("groups")
    @classmethod
    def _kinds_are_known(cls, value: dict[str, GroupSection]) -> dict[str, GroupSection]:
        if nameless := [name for name, group in value.items() if group.kinds is None and name not in GROUPS]:
            raise ValueError(f"groups {nameless} must name their kinds; known without are {sorted(GROUPS)}")
        return value


class ServerSection(StrictModel):
    """The server's clock, scheme and journal; fields as in ``api.SimulatorPolicy``."""

    clock_window_s: int = Field(default=DEFAULT_CLOCK_WINDOW_S, ge=0)
    clock_offset_s: float = 0.0
    scheme: Literal["http", "https"] = "http"
    keep_bodies: bool = False


class RulesSection(StrictModel):
    """Fields as in ``offers.rules.Strictness``."""

    listing_price_required: bool = False
    max_amount: int = Field(default=MAX_AMOUNT, ge=0, lt=2**31)


# ---- faults ---------------------------------------------------------------------------------------------------------


class MatchSection(StrictModel):
    """Which calls a fault applies to; fields as in ``mishaps.Match``."""

    method: str | None = None
    path: str | None = None
    seller: str | None = None
    unit_ids: frozenset[int] = frozenset()
    from_s: Seconds = 0.0
    until_s: Seconds | None = None
    skip: int = Field(default=0, ge=0)
    times: int | None = Field(default=None, ge=0)
    every: int = Field(default=1, ge=1)
    share: Share = 1.0


class RespondSection(StrictModel):
    """See ``mishaps.Respond``."""

    kind: Literal["respond"]
    status: int = Field(ge=200, le=599)
    type: str = ProblemType.ABOUT_BLANK
    message: str = "Scenario"
    retry_after: str | None = None
    body: str | None = None
    content_type: str = "application/json"


class GarbleSection(StrictModel):
    """See ``mishaps.Garble``."""

    kind: Literal["garble"]
    body: str = '{"data": ['


class SlowSection(StrictModel):
    """See ``mishaps.Delay``."""

    kind: Literal["slow"]
    wait_s: Seconds


class DripSection(StrictModel):
    """See ``mishaps.Drip``."""

    kind: Literal["drip"]
    interval_s: Seconds = 1.0
    bytes_at_once: int = Field(default=1, ge=1)


class ResetSection(StrictModel):
    """See ``mishaps.Reset``."""

    kind: Literal["reset"]


class HalfBodySection(StrictModel):
    """See ``mishaps.HalfBody``."""

    kind: Literal["half_body"]
    share: Share = 0.5


class LoseAnswerSection(StrictModel):
    """See ``mishaps.LoseAnswer``."""

    kind: Literal["lose_answer"]
    reset: bool = False


class ApplyLateSection(StrictModel):
    """See ``mishaps.ApplyLate``."""

    kind: Literal["apply_late"]
    after_s: Seconds


class OutageSection(StrictModel):
    """See ``mishaps.Outage``."""

    kind: Literal["outage"]


class RefuseSection(StrictModel):
    """See ``mishaps.Refuse``."""

    kind: Literal["refuse"]
    status: int = Field(default=400, ge=400, le=599)
    type: str = ProblemType.VALIDATION_ERROR
    message: str = "Refused by the scenario"
    field: str | None = None
    name_field: bool = True
    key: str | None = None


class AlterSection(StrictModel):
    """See ``mishaps.Alter``."""

    kind: Literal["alter"]
    field: str
    value: Any


MishapSection: TypeAlias = Annotated[
    RespondSection
    | GarbleSection
    | SlowSection
    | DripSection
    | ResetSection
    | HalfBodySection
    | LoseAnswerSection
    | ApplyLateSection
    | OutageSection
    | RefuseSection
    | AlterSection,
    Field(discriminator="kind"),
]

_MISHAPS: dict[str, type[mishaps.Mishap]] = {
    "respond": mishaps.Respond,
    "garble": mishaps.Garble,
    "slow": mishaps.Delay,
    "drip": mishaps.Drip,
    "reset": mishaps.Reset,
    "half_body": mishaps.HalfBody,
    "lose_answer": mishaps.LoseAnswer,
    "apply_late": mishaps.ApplyLate,
    "outage": mishaps.Outage,
    "refuse": mishaps.Refuse,
    "alter": mishaps.Alter,
}


class FaultSection(StrictModel):
    """One fault: its name, what happens (``do``) and to which calls (``when``)."""

    name: str = Field(min_length=1)
    do: MishapSection
    when: MatchSection = MatchSection()
    seed: int | None = None  # None = the scenario's

    def fault(self, seed: int = 0) -> mishaps.InjectedFault:
        mishap = _MISHAPS[self.do.kind](**self.do.model_dump(exclude={"kind"}))
        match = mishaps.Match(**self.when.model_dump())
        return mishaps.InjectedFault(
            name=self.name, mishap=mishap, match=match, seed=seed if self.seed is None else self.seed
        )


class KeyChangeSection(StrictModel):
    """Replaces a seller's keys ``at_s`` seconds after the start; the old ones are refused from then on."""

    seller: str
    at_s: Seconds
    client_key: str = Field(min_length=1)
    secret_key: str = Field(min_length=1, repr=False)


class Scenario(StrictModel):
    """A complete scenario. ``seed`` determines the catalogue, and the faults and orders that set no seed."""

    seed: int = 1
    catalogue: CatalogueSection = CatalogueSection()
    sellers: tuple[SellerSection, ...] = (SellerSection(name="demo"),)
    limits: LimitsSection = LimitsSection()
    server: ServerSection = ServerSection()
    rules: RulesSection = RulesSection()
    orders: OrdersSection = OrdersSection()
    push: PushSection = PushSection()
    faults: tuple[FaultSection, ...] = ()
    key_changes: tuple[KeyChangeSection, ...] = ()

    @model_validator(mode="after")
    def _names_are_one_thing_each(self) -> "Scenario":
        sellers = [seller.name for seller in self.sellers]
        for what, names in (("seller", sellers), ("fault", [fault.name for fault in self.faults])):
            if twice := {name for name in names if names.count(name) > 1}:
                raise ValueError(f"{what} {sorted(twice)} is there more than once")
        if unknown := {change.seller for change in self.key_changes} - set(sellers):
            raise ValueError(f"key_changes name unknown sellers {sorted(unknown)}")
        if unknown := set(self.orders.sellers) - set(sellers):
            raise ValueError(f"orders name unknown sellers {sorted(unknown)}")
        return self

    @classmethod
    def load(cls, path: Path) -> "Scenario":
        """Reads a scenario file.

        Raises OSError, tomllib.TOMLDecodeError, or pydantic.ValidationError, which lists all problems at once.
        """
        return cls.model_validate(tomllib.loads(path.read_text("utf-8")))

    def with_changes(self, **changes: Any) -> "Scenario":
        """Returns a validated copy with these values changed."""
        return type(self).model_validate({**self.model_dump(exclude_unset=True), **changes})

    def policy(self) -> SimulatorPolicy:
        return SimulatorPolicy(
            requests_per_second=self.limits.requests_per_second,
            groups=tuple(
                LimitGroup(
                    name=name,
                    requests_per_second=group.requests_per_second,
                    kinds=GROUPS[name] if group.kinds is None else group.kinds,
                )
                for name, group in self.limits.groups.items()
            ),
            count_refused=self.limits.count_refused,
            retry_after=self.limits.retry_after,
            rate_headers=self.limits.headers,
            clock_window_s=self.server.clock_window_s,
            clock_offset_s=self.server.clock_offset_s,
            scheme=self.server.scheme,
            keep_bodies=self.server.keep_bodies,
        )

    def strictness(self) -> Strictness:
        return Strictness(listing_price_required=self.rules.listing_price_required, max_amount=self.rules.max_amount)


def made_up_keys(name: str) -> tuple[str, str]:
    """Returns a client key (32 characters) and secret key (64) derived from a seller's name; no real API knows them."""
    client_key = blake2b(f"client key of {name}".encode(), digest_size=16).hexdigest()
    secret_key = blake2b(f"secret key of {name}".encode(), digest_size=32).hexdigest()
    return client_key, secret_key


def _all_known(values: tuple[str, ...], known: tuple[str, ...]) -> tuple[str, ...]:
    unknown = [value for value in values if value not in known]
    if unknown or not values:
        raise ValueError(f"must name at least one of {list(known)}, and nothing else, not {list(values)}")
    return values
