"""What a dry run decided last for each offer, from its results. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from connector.offers.events import FieldResult, FieldStatus, OfferResult, Status

_WANTED: Final = frozenset((FieldStatus.DRY_RUN, FieldStatus.UNCHANGED, FieldStatus.APPLIED))
_NOT_IDENTIFIED: Final = frozenset((Status.NOT_FOUND, Status.AMBIGUOUS, Status.CONFLICT))
_FAILED: Final = _NOT_IDENTIFIED | {Status.REJECTED, Status.FAILED}
_FIELD_FAILED: Final = frozenset((FieldStatus.REJECTED, FieldStatus.FAILED))


@dataclass(frozen=True, slots=True)
class WantedValue:
    """A value that the marketplace would hold if the dry run had written."""

    value: Decimal
    currency: str | None
    decided_at_us: int
    event_id: str | None


@dataclass(slots=True, kw_only=True)
class DecidedOffer:
    """An offer that events mean, with what was decided last.

    ``status``: of its newest event that was not overtaken; SUPERSEDED if every event was, perhaps by one of another
    storefront.
    """

    ean: str
    target_id: str
    condition: str
    unit_id: int | None
    status: Status
    code: str | None
    decided_at_us: int
    has_failed: bool = False  # its newest event, or a field of that, could not be sent
    values: dict[str, WantedValue] = field(default_factory=dict)

    @property
    def is_identified(self) -> bool:
        return self.status not in _NOT_IDENTIFIED


class Decisions:
    """The offers of a dry run. Results are taken in the order of their partition."""

    def __init__(self) -> None:
        self._offers: dict[str, dict[tuple[str, str, int | None], DecidedOffer]] = {}  # by EAN

    def take(self, result: OfferResult) -> None:
        """Takes the next result of its EAN."""
        if result.status is Status.UNMANAGED:
            self._offers.pop(result.ean, None)
        elif result.target_id is not None:
            self._take(result)

    def _take(self, result: OfferResult) -> None:
        if result.status is Status.SUPERSEDED:
            if result.unit_id is not None and not self._knows(result):
                self._of(result)  # the event that overtook it may be that of another storefront
        else:
            offer = self._of(result)
            offer.status, offer.code, offer.decided_at_us = result.status, result.code, result.decided_at_us
            offer.has_failed = _has_failed(result)
            for one in result.fields:
                _take_field(offer, one, result)

    def offers(self) -> Iterator[DecidedOffer]:
        return (offer for ean in sorted(self._offers) for offer in self._offers[ean].values())

    def _knows(self, result: OfferResult) -> bool:
        """Returns whether an earlier result is about the same EAN, target and condition."""
        place = result.target_id, result.condition or ""
        return any(key[:2] == place for key in self._offers.get(result.ean, ()))

    def _of(self, result: OfferResult) -> DecidedOffer:
        """Returns the offer of a result. One that is found takes the place of what was not, and the other way round."""
        offers = self._offers.setdefault(result.ean, {})
        place = result.target_id or "", result.condition or ""
        of_units = [key for key in offers if key[:2] == place and key[2] is not None]
        if result.unit_id is not None:
            offers.pop((*place, None), None)
        elif result.status is Status.NOT_FOUND:
            for key in of_units:
                del offers[key]
        elif result.status not in _NOT_IDENTIFIED and len(of_units) == 1:
            return offers[of_units[0]]  # an event that is rejected is not looked up
        return offers.setdefault(
            (*place, result.unit_id),
            DecidedOffer(
                ean=result.ean,
                target_id=place[0],
                condition=place[1],
                unit_id=result.unit_id,
                status=result.status,
                code=result.code,
                decided_at_us=result.decided_at_us,
            ),
        )


def _has_failed(result: OfferResult) -> bool:
    return result.status in _FAILED or any(one.status in _FIELD_FAILED for one in result.fields)


def _take_field(offer: DecidedOffer, one: FieldResult, result: OfferResult) -> None:
    value = one.sent if one.sent is not None else one.before
    if one.status in _WANTED and value is not None:
        offer.values[one.field] = WantedValue(value, one.currency, result.decided_at_us, result.event_id)
    elif one.status is not FieldStatus.SUPERSEDED:
        offer.values.pop(one.field, None)  # rejected or kept back: what another system does with it says nothing
