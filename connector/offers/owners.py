"""Records of the claims topic, which decide which EAN may write to an offer whose product has several.

Before a lane writes to a unit of such an offer, it claims the unit under two names: the seller's offer id, because
units of one offer id share their stock, and the unit id, because an offer id may change. The topic is compacted and has
one partition. A claim is one record per name, keyed by account, name and EAN. Each key is written once per claim, so
the record keeps its offset through compaction. Of the unreleased claims on a name, the one with the lowest offset holds
the name; the EAN that holds both names owns the unit. A lane claims the offer id first, and the unit id only if its EAN
holds the offer id, so no two EANs wait for each other.

An EAN releases its claims when it is withdrawn, when its look-up shows another offer id, or when it no longer leads to
the unit. The records then say up to which events it wrote, and the EAN with the next claim becomes the owner. The
values are JSON; no other application reads them.
"""

import json
from dataclasses import dataclass

from connector.offers.call_bodies import AcceptedTimes, OfferClaim, OfferRelease, Owner

# ---- records --------------------------------------------------------------------------------------------------------


def key_of(body: OfferClaim | OfferRelease, name: str) -> bytes:
    """Returns the record's key: account, name and EAN."""
    return f"{_place(body, name)}/{body.ean}".encode()


def value_of(body: OfferClaim | OfferRelease, accepted: AcceptedTimes) -> bytes:
    """Returns the record's value. ``accepted``: the newest accepted events under the EAN's claims so far."""
    fields = {"released": isinstance(body, OfferRelease), "accepted_us": dict(accepted)}
    return json.dumps(fields, sort_keys=True).encode()


def _place(body: OfferClaim | OfferRelease, name: str) -> str:
    return f"{body.account}/{name}"


@dataclass(frozen=True, slots=True)
class _ClaimRecord:
    offset: int
    released: bool
    accepted: AcceptedTimes


class Owners:
    """The claims in the topic, as far as it has been read. Not thread-safe: ``Claims`` guards it with its lock."""

    def __init__(self) -> None:
        self._names: dict[str, dict[str, _ClaimRecord]] = {}  # account/name -> by EAN

    def take(self, offset: int, key: bytes, value: bytes | None) -> None:
        """Applies the next record.

        An unreadable record counts as an unreleased claim: then nobody writes to the unit, rather than two EANs.
        """
        name, _, ean = key.decode(errors="replace").rpartition("/")
        rows = self._names.setdefault(name, {})
        if value is None:
            rows.pop(ean, None)
            return
        row, before = _row(offset, value), rows.get(ean)
        if before is None or before.released or row.released:
            rows[ean] = row  # if an EAN claims a name twice, the first claim counts

    def unwritten(self, body: OfferClaim | OfferRelease) -> str | None:
        """Returns the next name for which a record is still to be written; None if there is none.

        A claim stops at the first name that another EAN holds: the names after it are not claimed.
        """
        for name in body.names:
            row = self._names.get(_place(body, name), {}).get(body.ean)
            if (row is not None and not row.released) is isinstance(body, OfferRelease):
                return name
            if isinstance(body, OfferClaim) and self._holder(body, name) != body.ean:
                return None
        return None

    def accepted(self, body: OfferClaim | OfferRelease, name: str) -> AcceptedTimes:
        """Returns the newest accepted events under the EAN's claims on the name, this release included."""
        row = self._names.get(_place(body, name), {}).get(body.ean)
        before = row.accepted if row is not None else {}
        return _newest(before, body.accepted) if isinstance(body, OfferRelease) else before

    def owner(self, body: OfferClaim) -> Owner:
        """Returns the owner of the unit. Raises ValueError if the first name that is not the EAN's has no holder."""
        holders = [self._holder(body, name) for name in body.names]
        ean = next((ean for ean in holders if ean != body.ean), body.ean)
        if ean is None:
            raise ValueError(f"unit {body.unit_id} is not claimed under all of its names")
        rows = [row for name in body.names for row in self._names.get(_place(body, name), {}).values()]
        return Owner(ean=ean, accepted=_newest(*(row.accepted for row in rows)))

    def _holder(self, body: OfferClaim, name: str) -> str | None:
        """Returns the EAN whose unreleased claim on the name has the lowest offset; None if there is no such claim."""
        rows = self._names.get(_place(body, name), {})
        standing = [(row.offset, ean) for ean, row in rows.items() if not row.released]
        return min(standing)[1] if standing else None


def _newest(*accepted: AcceptedTimes) -> AcceptedTimes:
    """Returns the latest time of each field."""
    newest: dict[str, int] = {}
    for one in accepted:
        for name, at_us in one.items():
            newest[name] = max(at_us, newest.get(name, at_us))
    return newest


def _row(offset: int, value: bytes) -> _ClaimRecord:
    try:
        fields = json.loads(value)
        accepted = {str(name): int(at_us) for name, at_us in fields.get("accepted_us", {}).items()}
        return _ClaimRecord(offset, released=fields["released"] is True, accepted=accepted)
    except (ValueError, KeyError, TypeError, AttributeError):
        return _ClaimRecord(offset, released=False, accepted={})
