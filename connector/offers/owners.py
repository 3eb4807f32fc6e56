"""Which EAN may write to an offer whose product carries several: claims, as their topic keeps them. Pure.

A lane that is led to a unit of such an offer claims it before it writes: by the seller's offer id, since units of one
offer id share their stock, and by the unit itself, since an offer id may change. A claim is one record for each of the
two names in a compacted topic with one partition, keyed by account, name and EAN, so that each key is written once and
keeps its offset through compaction. Of the claims that stand, the one with the lowest offset holds the name; the EAN
that holds both owns the unit. The offer id is claimed first, and the unit only by the EAN that holds its offer id, so
no two wait for each other. An EAN that is withdrawn, is shown another offer id, or no longer leads to the unit releases
its claims: the records then say up to which events it wrote, and the next in line may own it. The values are JSON, ours
alone.
"""

import json
from dataclasses import dataclass

from connector.offers.call_bodies import AcceptedTimes, OfferClaim, OfferRelease, Owner

# ---- records --------------------------------------------------------------------------------------------------------


def key_of(body: OfferClaim | OfferRelease, name: str) -> bytes:
    return f"{_place(body, name)}/{body.ean}".encode()


def value_of(body: OfferClaim | OfferRelease, accepted: AcceptedTimes) -> bytes:
    """``accepted``: what was written under the EAN's claims so far."""
    said = {"released": isinstance(body, OfferRelease), "accepted_us": dict(accepted)}
    return json.dumps(said, sort_keys=True).encode()


def _place(body: OfferClaim | OfferRelease, name: str) -> str:
    return f"{body.account}/{name}"


@dataclass(frozen=True, slots=True)
class _ClaimRecord:
    offset: int
    released: bool
    accepted: AcceptedTimes


class Owners:
    """What the topic says so far, record by record in the order of its offsets."""

    def __init__(self) -> None:
        self._names: dict[str, dict[str, _ClaimRecord]] = {}  # account/name -> by EAN

    def take(self, offset: int, key: bytes, value: bytes | None) -> None:
        """A record that cannot be read stands as a claim: so a unit has no owner rather than two."""
        name, _, ean = key.decode(errors="replace").rpartition("/")
        rows = self._names.setdefault(name, {})
        if value is None:
            rows.pop(ean, None)
            return
        row, before = _row(offset, value), rows.get(ean)
        if before is None or before.released or row.released:
            rows[ean] = row  # claimed twice: the first counts

    def unwritten(self, body: OfferClaim | OfferRelease) -> str | None:
        """The next name whose record is to be written for the body; None = all that may be are.

        A name that another EAN holds ends a claim: what comes after it is not claimed.
        """
        for name in body.names:
            row = self._names.get(_place(body, name), {}).get(body.ean)
            if (row is not None and not row.released) is isinstance(body, OfferRelease):
                return name
            if isinstance(body, OfferClaim) and self._holder(body, name) != body.ean:
                return None
        return None

    def accepted(self, body: OfferClaim | OfferRelease, name: str) -> AcceptedTimes:
        """What was written under the EAN's claims on the name, this release included."""
        row = self._names.get(_place(body, name), {}).get(body.ean)
        before = row.accepted if row is not None else {}
        return _newest(before, body.accepted) if isinstance(body, OfferRelease) else before

    def owner(self, body: OfferClaim) -> Owner:
        """Raises ValueError where nobody has a claim."""
        holders = [self._holder(body, name) for name in body.names]
        ean = next((ean for ean in holders if ean != body.ean), body.ean)
        if ean is None:
            raise ValueError(f"nobody has claimed unit {body.unit_id} by all of its names")
        rows = [row for name in body.names for row in self._names.get(_place(body, name), {}).values()]
        return Owner(ean=ean, accepted=_newest(*(row.accepted for row in rows)))

    def _holder(self, body: OfferClaim, name: str) -> str | None:
        rows = self._names.get(_place(body, name), {})
        standing = [(row.offset, ean) for ean, row in rows.items() if not row.released]
        return min(standing)[1] if standing else None


def _newest(*accepted: AcceptedTimes) -> AcceptedTimes:
    newest: dict[str, int] = {}
    for one in accepted:
        for name, at_us in one.items():
            newest[name] = max(at_us, newest.get(name, at_us))
    return newest


def _row(offset: int, value: bytes) -> _ClaimRecord:
    try:
        said = json.loads(value)
        accepted = {str(name): int(at_us) for name, at_us in said.get("accepted_us", {}).items()}
        return _ClaimRecord(offset, released=said["released"] is True, accepted=accepted)
    except (ValueError, KeyError, TypeError, AttributeError):
        return _ClaimRecord(offset, released=False, accepted={})
