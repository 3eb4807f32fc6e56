"""Which EAN may write to an offer whose product carries several: claims, as their topic keeps them. Pure.

A lane that is led to such an offer claims it before it writes. The offer is named by the seller's offer id, since units
of one offer id share their stock, or by the unit where it has none. A claim is one record of a compacted topic with one
partition, keyed by account, offer and EAN, so that each key is written once and keeps its offset through compaction.
Of the claims that stand, the one with the lowest offset owns the offer. An EAN that is withdrawn, or no longer leads to
the offer, releases its claim: the record then says up to which events the offer was written, and the next in line may
own it. The values are JSON, ours alone.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

CLAIM = "claim"
RELEASE = "release"
CLAIMS_IN_A_CALL = 150

# ---- bodies of wants and their answers ------------------------------------------------------------------------------


Accepted: TypeAlias = Mapping[str, int]
"""The effective time in microseconds of the newest event that was accepted: ``stock``, or ``<unit>/<field>``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferClaim:
    """The EAN wants to write to the offer, ``offer/<offer id>`` or ``unit/<unit>``. Answered by ``Owner``."""

    account: str
    offer: str
    ean: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferRelease:
    """The EAN writes to the offer no more; ``accepted`` is what was written to it. Answered by ``Released``."""

    account: str
    offer: str
    ean: str
    accepted: Accepted = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Who may write to an offer. ``accepted``: the newest of all that was written under claims that were released."""

    ean: str
    accepted: Accepted = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """The EAN has no claim on the offer any more."""


# ---- records --------------------------------------------------------------------------------------------------------


def key_of(body: OfferClaim | OfferRelease) -> bytes:
    return f"{_offer_of(body)}/{body.ean}".encode()


def value_of(body: OfferClaim | OfferRelease, accepted: Accepted) -> bytes:
    """``accepted``: what was written under the EAN's claims so far."""
    said = {"released": isinstance(body, OfferRelease), "accepted_us": dict(accepted)}
    return json.dumps(said, sort_keys=True).encode()


def _offer_of(body: OfferClaim | OfferRelease) -> str:
    return f"{body.account}/{body.offer}"


@dataclass(frozen=True, slots=True)
class _Row:
    offset: int
    released: bool
    accepted: Accepted


class Owners:
    """What the topic says so far, record by record in the order of its offsets."""

    def __init__(self) -> None:
        self._offers: dict[str, dict[str, _Row]] = {}

    def take(self, offset: int, key: bytes, value: bytes | None) -> None:
        """A record that cannot be read stands as a claim: so an offer has no owner rather than two."""
        offer, _, ean = key.decode(errors="replace").rpartition("/")
        rows = self._offers.setdefault(offer, {})
        if value is None:
            rows.pop(ean, None)
            return
        row, before = _row(offset, value), rows.get(ean)
        if before is None or before.released or row.released:
            rows[ean] = row  # claimed twice: the first counts

    def stands(self, body: OfferClaim | OfferRelease) -> bool:
        """Whether the EAN has a claim on the offer."""
        row = self._offers.get(_offer_of(body), {}).get(body.ean)
        return row is not None and not row.released

    def accepted(self, body: OfferClaim | OfferRelease) -> Accepted:
        """What was written under the EAN's claims, this release included."""
        row = self._offers.get(_offer_of(body), {}).get(body.ean)
        before = row.accepted if row is not None else {}
        return _newest(before, body.accepted) if isinstance(body, OfferRelease) else before

    def owner(self, body: OfferClaim) -> Owner:
        """Raises ValueError where nobody has a claim."""
        rows = self._offers.get(_offer_of(body), {})
        standing = [(row.offset, ean) for ean, row in rows.items() if not row.released]
        if not standing:
            raise ValueError(f"nobody has claimed {body.offer}")
        return Owner(ean=min(standing)[1], accepted=_newest(*(row.accepted for row in rows.values())))


def _newest(*accepted: Accepted) -> Accepted:
    newest: dict[str, int] = {}
    for one in accepted:
        for name, at_us in one.items():
            newest[name] = max(at_us, newest.get(name, at_us))
    return newest


def _row(offset: int, value: bytes) -> _Row:
    try:
        said = json.loads(value)
        accepted = {str(name): int(at_us) for name, at_us in said.get("accepted_us", {}).items()}
        return _Row(offset, released=said["released"] is True, accepted=accepted)
    except (ValueError, KeyError, TypeError, AttributeError):
        return _Row(offset, released=False, accepted={})
