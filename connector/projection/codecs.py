"""Decodes the records that the projection keeps, and makes rows of them. Pure."""

from typing import Final

from connector.contracts.call_log_row import CallItem, MarketplaceCalled
from connector.contracts.codec import KeyReader, SchemaIds, reader_of, schema_name
from connector.contracts.problem import Problem, ProblemError
from connector.controls.codec import ControlCodec
from connector.controls.commands import ControlCommand
from connector.offers.codec import OfferCodecs
from connector.offers.events import (
    Candidate,
    DriftAction,
    DriftCause,
    FieldResult,
    FieldStatus,
    OfferDrifted,
    OfferNotFound,
    OfferResult,
    OfferState,
    Origin,
    Pending,
    Sent,
    Status,
)
from connector.projection.rows import (
    Kept,
    KeptCall,
    KeptOfEan,
    KeptRecord,
    KeptResult,
    ProjectedRows,
    UndecodedRecord,
    ean_of_key,
    place_of,
)
from connector.reconciliation.events import UnitObserved
from connector.replays.progress import ReplayProgress, ReplayState
from streams.avro.codec import Lookup
from streams.flow import BadRecord, NotYet

NO_VALUE: Final = BadRecord(code="NO_VALUE", text="the record has no value")
_RESULT_PARTS: Final = (Origin, Status, FieldResult, FieldStatus, Sent, Problem, ProblemError)


class ProjectionCodecs:
    """The decoders of the projected topics. Not thread-safe.

    Decoding never raises for invalid input: it returns BadRecord if a value cannot be decoded, and NotYet if its schema
    has not been fetched yet.
    """

    def __init__(self, ids: SchemaIds, lookup: Lookup) -> None:
        offers = OfferCodecs(ids, lookup)
        self._key: Final = KeyReader(lookup, avro=ids.keys is not None, expected="a text")
        self._results: Final = reader_of(OfferResult, ids.value(OfferResult), _RESULT_PARTS, lookup)
        self._calls: Final = reader_of(MarketplaceCalled, ids.value(MarketplaceCalled), (CallItem,), lookup)
        self._not_found: Final = reader_of(OfferNotFound, ids.value(OfferNotFound), (Candidate, Pending), lookup)
        # Id 0 is no schema's: it stands for one that is not registered, as without reconciliation.
        self._replays: Final = reader_of(
            ReplayProgress, ids.values.get(schema_name(ReplayProgress), 0), (ReplayState,), lookup
        )
        self._units: Final = reader_of(UnitObserved, ids.values.get(schema_name(UnitObserved), 0), (), lookup)
        self._drifts: Final = reader_of(
            OfferDrifted, ids.values.get(schema_name(OfferDrifted), 0), (DriftCause, DriftAction), lookup
        )
        self._states: Final = offers.decode_state
        self._commands: Final = ControlCodec(ids, lookup).decode

    def result(self, value: bytes) -> OfferResult | BadRecord | NotYet:
        found: OfferResult | BadRecord | NotYet = self._results.decode(value)
        return found

    def call(self, value: bytes) -> MarketplaceCalled | BadRecord | NotYet:
        found: MarketplaceCalled | BadRecord | NotYet = self._calls.decode(value)
        return found

    def not_found(self, value: bytes) -> OfferNotFound | BadRecord | NotYet:
        found: OfferNotFound | BadRecord | NotYet = self._not_found.decode(value)
        return found

    def state(self, value: bytes) -> OfferState | BadRecord | NotYet:
        return self._states(value)

    def command(self, value: bytes) -> ControlCommand | BadRecord | NotYet:
        return self._commands(value)

    def replay(self, value: bytes) -> ReplayProgress | BadRecord | NotYet:
        found: ReplayProgress | BadRecord | NotYet = self._replays.decode(value)
        return found

    def unit(self, value: bytes) -> UnitObserved | BadRecord | NotYet:
        found: UnitObserved | BadRecord | NotYet = self._units.decode(value)
        return found

    def drift(self, value: bytes) -> OfferDrifted | BadRecord | NotYet:
        found: OfferDrifted | BadRecord | NotYet = self._drifts.decode(value)
        return found

    def key(self, key: bytes | None) -> str | BadRecord | NotYet:
        return self._key.decode(key)


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
            if isinstance(text, str):
                rows.newest.append(KeptRecord(dataset, ean_of_key(dataset, text), text, partition, offset, value))
                return None
            return _unreadable(rows, dataset, place, text)
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
                    rows.results.append(_result_row(place, found, value))
                case MarketplaceCalled():
                    rows.calls.append(KeptCall(place, found.call_id, found.account, found.sent_at_us, value))
                case BadRecord() | NotYet():
                    return _unreadable(rows, dataset, place, found)
            return None


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
    )


def _unreadable(rows: ProjectedRows, dataset: str, place: int, problem: BadRecord | NotYet) -> NotYet | None:
    if isinstance(problem, NotYet):
        return problem
    rows.unreadable.append(UndecodedRecord(dataset, place, f"{problem.code}: {problem.text}"))
    return None
