"""The bodies of the offer flow's calls, and the answers to claims and releases, which no marketplace gives. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from connector.marketplace.offers import CreateUnit, DeleteUnit, Field, LookUp, Update
from connector.offers.event_order import Recency
from connector.offers.events import Conversion
from streams.frozen import quick

# ---- answered by the marketplace ------------------------------------------------------------------------------------


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """A value of an update, with the event that it is sent for; the answer ends that event's field."""

    field: Field
    value: int
    order: Recency
    result_id: str
    event_id: str | None
    conversion: Conversion | None = None  # of a price


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class OfferUpdate(Update):
    """An update, with the event behind each value. A value without one is sent along (``stock_sends_price``)."""

    account: str
    offer_id: str | None
    carried: tuple[Carried, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferCreate(CreateUnit):
    """A creation, with the event behind each value; a value without one is the target's default."""

    account: str
    carried: tuple[Carried, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferDelete(DeleteUnit):
    """A deletion, with the stock of zero of the event that asks for it."""

    account: str
    carried: tuple[Carried, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferLookUp(LookUp):
    """A look-up with its account."""

    account: str


# ---- answered by the claims topic -----------------------------------------------------------------------------------

CLAIM: Final = "claim"
RELEASE: Final = "release"
CLAIMS_IN_A_CALL: Final = 150
"""The most claims or releases in one call."""

AcceptedTimes: TypeAlias = Mapping[str, int]
"""The effective time in microseconds of the newest accepted event, by ``stock`` or ``<unit>/<field>``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferClaim:
    """Claims the unit for the EAN under each of its names: ``offer/<offer id>``, if it has one, then ``unit/<unit>``.

    Answered by ``Owner``.
    """

    account: str
    unit_id: int
    names: tuple[str, ...]
    ean: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferRelease:
    """Gives up the EAN's claims on these names. Answered by ``ReleasedClaims``.

    ``accepted`` tells the next owner up to which events this EAN wrote.
    """

    account: str
    unit_id: int
    names: tuple[str, ...]
    ean: str
    accepted: AcceptedTimes = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """The EAN that may write to a unit; after a refused claim, the holder of the first name that another EAN holds.

    ``accepted``: the newest accepted events under released claims on the unit's names.
    """

    ean: str
    accepted: AcceptedTimes = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleasedClaims:
    """The EAN has no claim on the names any more."""
