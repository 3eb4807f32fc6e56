"""The bodies of the offer flow's calls, and the answers to those that no marketplace gives. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from connector.marketplace.offers import Field, LookUp, Update
from connector.offers.event_order import Recency
from streams.frozen import quick

# ---- answered by the marketplace ------------------------------------------------------------------------------------


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """A value of an update and the event that it comes from; the answer ends that event's field."""

    field: Field
    value: int
    order: Recency
    result_id: str
    event_id: str | None


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class OfferUpdate(Update):
    """An update with the events behind its values. A value without an event is sent along (``stock_sends_price``)."""

    account: str
    offer_id: str | None
    carried: tuple[Carried, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferLookUp(LookUp):
    """A look-up with its account."""

    account: str


# ---- answered by the topic of claims --------------------------------------------------------------------------------

CLAIM: Final = "claim"
RELEASE: Final = "release"
CLAIMS_IN_A_CALL: Final = 150

AcceptedTimes: TypeAlias = Mapping[str, int]
"""The effective time in microseconds of the newest accepted event, by ``stock`` or ``<unit>/<field>``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferClaim:
    """Claims the unit for the EAN, by each of its names: ``offer/<offer id>``, if it has one, then ``unit/<unit>``.

    Answered by ``Owner``.
    """

    account: str
    unit_id: int
    names: tuple[str, ...]
    ean: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferRelease:
    """Gives up the EAN's claims on these names; ``accepted`` says what was written. Answered by ``ReleasedClaims``."""

    account: str
    unit_id: int
    names: tuple[str, ...]
    ean: str
    accepted: AcceptedTimes = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """The EAN that may write to a unit; after a refused claim, the holder of the first name that another EAN holds.

    ``accepted``: the newest of all that was written under released claims on its names.
    """

    ean: str
    accepted: AcceptedTimes = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleasedClaims:
    """The EAN has no claim on the names any more."""
