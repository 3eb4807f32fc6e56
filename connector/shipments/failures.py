"""Statuses of events whose call failed, and the marketplace's answer as results carry it. Pure."""

from connector.contracts.codes import Code
from connector.contracts.problem import ProblemError
from connector.marketplace.offers import Gone, Refused
from connector.shipments.coded_status import CodedStatus, coded
from connector.shipments.events import (
    MarketplaceWords,
    ShipmentStatus,
)
from connector.shipments.shipment_draft import ShipmentDraft


def end_gone_unit(draft: ShipmentDraft, identifier: int) -> None:
    """Ends a unit that the marketplace does not have; forgets the unit unless this connector confirmed it."""
    draft.end_each(draft.entries_of(identifier), identifier, no_unit(draft, identifier))
    if draft.units[identifier].confirmed_by is None:
        del draft.units[identifier]


def no_unit(draft: ShipmentDraft, identifier: int) -> CodedStatus:
    """Returns NOT_FOUND for a unit that the marketplace does not have, or that is not in the order."""
    return coded(ShipmentStatus.NOT_FOUND, Code.ORDER_UNIT_NOT_FOUND, unit=identifier, order_id=draft.lane.order_id)


def gave_up(reason: str) -> CodedStatus:
    """Returns FAILED for a call that was given up after the retry budget."""
    return coded(ShipmentStatus.FAILED, Code.GAVE_UP, reason=reason)


def not_shown(what: str, refused: Refused) -> CodedStatus:
    """Returns FAILED for something that the marketplace refused to show."""
    return coded(ShipmentStatus.FAILED, Code.ORDER_READ_REFUSED, what=what, message=refused.message)


def words_of(refused: Refused) -> MarketplaceWords:
    """Returns a refusal as results carry it."""
    return MarketplaceWords(
        http_status=refused.http_status,
        type=refused.type,
        message=refused.message,
        errors=tuple(ProblemError(field=error.name, message=error.message) for error in refused.errors),
    )


def words_of_gone(gone: Gone) -> MarketplaceWords:
    """Returns a not-found answer as results carry it."""
    return MarketplaceWords(http_status=gone.http_status, message=gone.message or None)
