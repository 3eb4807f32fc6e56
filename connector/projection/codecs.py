"""Decodes the records that the projection keeps, and makes rows of them. Pure."""

from collections.abc import Mapping
from typing import Final

from connector.contracts.call_log_row import CallItem, MarketplaceCalled
from connector.contracts.codec import KeyReader, SchemaIds, reader_of, schema_name
from connector.controls.codec import PARTS_OF_COMMANDS
from connector.controls.commands import ControlCommand
from connector.offers.codec import PARTS_OF_RESULTS, PARTS_OF_STATES
from connector.offers.events import (
    Candidate,
    DriftAction,
    DriftCause,
    OfferDrifted,
    OfferNotFound,
    OfferResult,
    OfferState,
    Pending,
)
from connector.orders.events import ObservedUnit, OrderDiscount, OrderObserved, OrderStatus, OrderUnitStatus
from connector.projection.facets import FACETED, Targets, facet_of, is_accepted
from connector.projection.minutes import counts_of_call, counts_of_result
from connector.projection.rows import (
    Kept,
    KeptCall,
    KeptOfEan,
    KeptOfferId,
    KeptRecord,
    KeptResult,
    ProjectedRows,
    UndecodedRecord,
    ean_of_key,
    place_of,
)
from connector.reconciliation.events import UnitObserved
from connector.replays.progress import ReplayProgress, ReplayState
from streams.avro.codec import Lookup, ObjectDecoder
from streams.flow import BadRecord, NotYet
from streams.frozen import replace

NO_VALUE: Final = BadRecord(code="NO_VALUE", text="the record has no value")
_PARTS: Final[Mapping[type, tuple[type, ...]]] = {
    OfferResult: PARTS_OF_RESULTS,
    MarketplaceCalled: (CallItem,),
    OfferNotFound: (Candidate, Pending),
    OfferState: PARTS_OF_STATES,
    ControlCommand: PARTS_OF_COMMANDS,
    ReplayProgress: (ReplayState,),
    UnitObserved: (),
    OfferDrifted: (DriftCause, DriftAction),
    OrderObserved: (OrderStatus, OrderUnitStatus, ObservedUnit, OrderDiscount),
}
"""The classes of the records and enums in each event."""


class ProjectionCodecs:
    """The decoders of the projected topics, each made when it is first used. Not thread-safe.

    Decoding never raises for invalid input: it returns BadRecord if a value cannot be decoded, and NotYet if its schema
    has not been fetched yet.
    """

    def __init__(self, ids: SchemaIds, lookup: Lookup, targets: Targets | None = None) -> None:
        """``targets``: target ids by account and storefront; rows can then be listed. None: they cannot."""
        self.ids: Final = ids
        self.targets: Final = targets
        self._lookup: Final = lookup
        self._key: Final = KeyReader(lookup, avro=ids.keys is not None, expected="a text")
        self._made: Final[dict[type, ObjectDecoder]] = {}

    def result(self, value: bytes) -> OfferResult | BadRecord | NotYet:
        found: OfferResult | BadRecord | NotYet = self._decoder(OfferResult).decode(value)
        return found

    def call(self, value: bytes) -> MarketplaceCalled | BadRecord | NotYet:
        found: MarketplaceCalled | BadRecord | NotYet = self._decoder(MarketplaceCalled).decode(value)
        return found

    def not_found(self, value: bytes) -> OfferNotFound | BadRecord | NotYet:
        found: OfferNotFound | BadRecord | NotYet = self._decoder(OfferNotFound).decode(value)
        return found

    def state(self, value: bytes) -> OfferState | BadRecord | NotYet:
        found: OfferState | BadRecord | NotYet = self._decoder(OfferState).decode(value)
        return found

    def command(self, value: bytes) -> ControlCommand | BadRecord | NotYet:
        found: ControlCommand | BadRecord | NotYet = self._decoder(ControlCommand).decode(value)
        return found

    def replay(self, value: bytes) -> ReplayProgress | BadRecord | NotYet:
        found: ReplayProgress | BadRecord | NotYet = self._decoder(ReplayProgress).decode(value)
        return found

    def unit(self, value: bytes) -> UnitObserved | BadRecord | NotYet:
        found: UnitObserved | BadRecord | NotYet = self._decoder(UnitObserved).decode(value)
        return found

    def drift(self, value: bytes) -> OfferDrifted | BadRecord | NotYet:
        found: OfferDrifted | BadRecord | NotYet = self._decoder(OfferDrifted).decode(value)
        return found

    def order(self, value: bytes) -> OrderObserved | BadRecord | NotYet:
        found: OrderObserved | BadRecord | NotYet = self._decoder(OrderObserved).decode(value)
        return found

    def listed(self, dataset: str, value: bytes) -> UnitObserved | OfferNotFound | OrderObserved | BadRecord | NotYet:
        """Decodes a value of a dataset in ``FACETED``."""
        match dataset:
            case "units":
                return self.unit(value)
            case "orders":
                return self.order(value)
            case _:
                return self.not_found(value)

    def key(self, key: bytes | None) -> str | BadRecord | NotYet:
        return self._key.decode(key)

    def _decoder(self, event: type) -> ObjectDecoder:
        if event not in self._made:
            # Id 0 is no schema's: it stands for one that is not registered, as without reconciliation.
            schema_id = self.ids.values.get(schema_name(event), 0)
            self._made[event] = reader_of(event, schema_id, _PARTS[event], self._lookup)
        return self._made[event]


def add_record(
    rows: ProjectedRows,
    codecs: ProjectionCodecs,
    dataset: str,
    kept: Kept,
    *,
    partition: int,
    offset: int,
    key: bytes | None,
    value: bytes | None,
) -> NotYet | None:
    """Adds the row of a record. Returns NotYet, and adds nothing, if a schema has to be fetched first."""
    place = place_of(partition, offset)
    match kept:
        case Kept.NEWEST:
            text = codecs.key(key)
            if not isinstance(text, str):
                return _unreadable(rows, dataset, place, text)
            kept_row = KeptRecord(dataset, ean_of_key(dataset, text), text, partition, offset, value)
            return _newest(rows, codecs, kept_row)
        case Kept.ALL:
            ean = codecs.key(key)
            if isinstance(ean, str) and value is not None:
                rows.records.append(KeptOfEan(dataset, place, ean, value))
                return None
            return _unreadable(rows, dataset, place, NO_VALUE if isinstance(ean, str) else ean)
        case Kept.RESULTS | Kept.CALLS:
            if value is None:
                return _unreadable(rows, dataset, place, NO_VALUE)
            found: OfferResult | MarketplaceCalled | BadRecord | NotYet
            found = codecs.result(value) if kept is Kept.RESULTS else codecs.call(value)
            match found:
                case OfferResult():
                    _add_result(rows, codecs, place, found, value)
                case MarketplaceCalled():
                    _add_call(rows, codecs, place, found, value)
                case BadRecord() | NotYet():
                    return _unreadable(rows, dataset, place, found)
            return None


def _newest(rows: ProjectedRows, codecs: ProjectionCodecs, row: KeptRecord) -> NotYet | None:
    """Adds a row that is kept by key; with the facet by which it is listed, if rows are listed."""
    if codecs.targets is None or row.value is None or row.dataset not in FACETED:
        rows.newest.append(row)
        return None
    found = codecs.listed(row.dataset, row.value)
    if isinstance(found, NotYet):
        return found
    if isinstance(found, BadRecord):  # who asks for it is told that it cannot be read
        rows.newest.append(row)
        return None
    facet = facet_of(found, codecs.targets)
    rows.newest.append(
        replace(row, facet=facet.name, place=facet.place, since_us=facet.since_us, unit_id=facet.unit_id)
    )
    rows.offer_ids.update(facet.offer_ids)
    return None


def _add_result(rows: ProjectedRows, codecs: ProjectionCodecs, place: int, found: OfferResult, value: bytes) -> None:
    rows.results.append(_result_row(place, found, value))
    if codecs.targets is None:
        return
    rows.count(counts_of_result(found))
    if found.sent is not None and found.sent.offer_id is not None:
        rows.offer_ids.add(KeptOfferId(found.sent.offer_id, found.ean))


def _add_call(
    rows: ProjectedRows, codecs: ProjectionCodecs, place: int, found: MarketplaceCalled, value: bytes
) -> None:
    rows.calls.append(KeptCall(place, found.call_id, found.account, found.sent_at_us, value))
    if codecs.targets is not None:
        rows.count(counts_of_call(found))


def _result_row(place: int, found: OfferResult, value: bytes) -> KeptResult:
    return KeptResult(
        place,
        found.ean,
        found.result_id,
        found.decided_at_us,
        found.origin.value,
        found.status.value,
        found.code,
        found.target_id,
        value,
        found.unit_id if is_accepted(found) else None,
    )


def _unreadable(rows: ProjectedRows, dataset: str, place: int, problem: BadRecord | NotYet) -> NotYet | None:
    if isinstance(problem, NotYet):
        return problem
    rows.unreadable.append(UndecodedRecord(dataset, place, f"{problem.code}: {problem.text}"))
    return None
