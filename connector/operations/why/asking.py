"""Answers ``connector why`` from the projection."""

from connector.configuration import routing
from connector.offers.gtin import GtinError, normal_form
from connector.operations.why.timeline import OfferTimeline, timeline
from connector.projection.queries import ProjectionReader
from connector.settings.model import Settings


def answer(
    configured: Settings, reader: ProjectionReader, ean: str, *, now_us: int, at_us: int | None, target: str | None
) -> OfferTimeline:
    """Returns what is known of an EAN. Raises as ``ProjectionReader``."""
    targets = {(one.account, one.storefront): one.id for one in routing(configured).targets.values()}
    normal = as_stored(ean)
    return timeline(reader.history(normal, other_forms(normal)), targets, now_us, at_us, target)


def as_stored(ean: str) -> str:
    """Returns the EAN in its normal form; one that is invalid as it is, because its results have it so."""
    try:
        return normal_form(ean)
    except GtinError:
        return ean


def other_forms(ean: str) -> tuple[str, ...]:
    """Returns the other ways to write an EAN in its normal form: a rejected event keeps the one that it was written in.

    The forms have 8, 12 or 14 digits.
    """
    if len(ean) != 13 or not (ean.isascii() and ean.isdigit()):
        return ()
    short = (ean[13 - digits :] for digits in (8, 12) if ean[: 13 - digits].strip("0") == "")
    return (*short, f"0{ean}")
