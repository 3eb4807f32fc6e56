"""The offer flow: one lane per EAN. Reads events, runs turns and stores lanes; the rules are in the other modules.

A turn applies its cause to the ledger (``merge``, ``outcomes``), ends the fields that can end (``decide``), writes
their results (``results``), and derives the calls that the other fields need (``wants``).
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final, Protocol

from connector.contracts import state_versions
from connector.contracts.event_traces import EventTrace, EventTraces
from connector.contracts.headers import NO_TRACE, Stamp, Trace
from connector.contracts.topics import Feature, Topics
from connector.controls.commands import Verify
from connector.controls.in_force import CommandSource
from connector.controls.waiting import without_stopped
from connector.mappings.in_use import MappingsInUse, MappingSource
from connector.marketplace.call_kinds import CallKind, group_of
from connector.marketplace.offers import Reference
from connector.offers import cold_turn, holding, locations, merge, resend, results, state_mapping, unaccepted, wants
from connector.offers.call_bodies import CLAIM, CLAIMS_IN_A_CALL, RELEASE
from connector.offers.cold_start import NO_COLD_STARTS, ColdStart, ColdStarts
from connector.offers.decide import decide
from connector.offers.drift import compare
from connector.offers.events import (
    OfferChanged,
    OfferDrifted,
    OfferFieldResult,
    OfferNotFound,
    OfferResult,
    OfferState,
    OfferWithdrawn,
    Replayed,
)
from connector.offers.field_results import flat_rows
from connector.offers.figures import FigureCounter, OfferFigures
from connector.offers.ledger import LedgerEntry, OfferLane
from connector.offers.listing_answers import restored
from connector.offers.outcomes import apply_answer
from connector.offers.policy import OfferPolicy, OfferTerms
from connector.offers.results import Cleared, OfferOutput, OfferRow
from connector.offers.swept_identity import kept, unknown_places
from connector.offers.traces import trace_of
from connector.offers.window_rails import WindowRails
from connector.reconciliation.events import UnitObserved
from connector.routing.table import Routing
from streams.flow import (
    Answered,
    Arrived,
    BadRecord,
    Cause,
    Draining,
    Headers,
    NotYet,
    Now,
    Output,
    Record,
    Restored,
    Stored,
    Told,
    Turn,
    Woken,
)

NOTHING_ADDED: Final[Mapping[str, int]] = MappingProxyType({})


class OfferSerdes(Protocol):
    """The serializers and deserializers that the flow uses; ``OfferCodecs`` implements them for Avro."""

    def decode_changed(self, record: Record) -> OfferChanged | OfferWithdrawn | BadRecord | NotYet: ...
    def glance_state(self, value: bytes) -> BadRecord | NotYet | None: ...
    def decode_state(self, value: bytes) -> OfferState | BadRecord | NotYet: ...
    def encode_state(self, value: OfferState, /) -> bytes: ...
    def encode_result(self, value: OfferResult, /) -> bytes: ...
    def encode_not_found(self, value: OfferNotFound, /) -> bytes: ...
    def encode_drift(self, value: OfferDrifted, /) -> bytes: ...
    def encode_field_result(self, value: OfferFieldResult, /) -> bytes: ...
    def result_key(self, key: str, /) -> bytes: ...
    def not_found_key(self, key: str, /) -> bytes: ...


class OfferFlow:
    """The ``streams.flow.Flow`` of offers.

    ``update_limit`` is the number of units in one call, from 1 (one call per unit) to the marketplace's bulk limit;
    another value raises ValueError. ``partitions``: how many the input topic has.
    """

    def __init__(
        self,
        *,
        policy: OfferPolicy,
        routing: Routing,
        reference: Reference,
        codecs: OfferSerdes,
        topics: Topics,
        cluster_id: str,
        stamp: Stamp,
        update_limit: int,
        commands: CommandSource,
        partitions: int = 1,
        mappings: MappingSource | None = None,
        policy_in_use: Callable[[], OfferPolicy] | None = None,
        cold: ColdStarts = NO_COLD_STARTS,
        traces: EventTraces | None = None,
    ) -> None:
        """``mappings``: where routing and reference are found while the process runs; None: they do not change.

        ``policy_in_use``: returns the policy with the guard rails in use; None: they do not change.

        ``cold``: the sweeps that offers may wait for, shared with the side input that shows them.
        """
        if not 1 <= update_limit <= reference.bulk_limit:
            raise ValueError(f"update_limit must be in 1..{reference.bulk_limit}, got {update_limit}")
        self._terms = OfferTerms(
            policy=policy,
            routing=routing,
            reference=reference,
            cluster_id=cluster_id,
            topic=topics.offer_changes,
            traces=traces,
        )
        self._codecs = codecs
        self._topics = topics
        self._has_field_results = Feature.FIELD_RESULTS in topics.features
        self._stamp = stamp
        self._update_limit = update_limit
        self._commands = commands
        self._mappings = mappings
        self._policy_in_use = policy_in_use
        self._cold = cold
        self._in_use: MappingsInUse | None = None
        self._needs = state_versions.needs_of(OfferState)
        self._state_version = state_versions.state_version(OfferState)
        self._counter = FigureCounter(routing.targets)
        self._windows = WindowRails(policy.window_limits, partitions)
        self._taken_over_us: dict[int, int | None] = {}  # by partition; None: before its first turn

    @property
    def topic(self) -> str:
        return self._topics.offer_changes

    @property
    def state_topic(self) -> str:
        return self._topics.offer_state

    def figures(self, partitions: Collection[int]) -> OfferFigures:
        """Returns what was counted since the start, for the partitions that this process has. Thread-safe."""
        return self._counter.figures(partitions)

    def cold_starts(self) -> Mapping[str, ColdStart]:
        """Returns, by account and storefront, whether offers wait for a sweep. Thread-safe."""
        return self._cold.choices()

    @property
    def state_version(self) -> int:
        return self._state_version

    def kind_limit(self, kind: str) -> int:
        """Returns the number of wants that one call of this kind may have."""
        if kind in (CLAIM, RELEASE):
            return CLAIMS_IN_A_CALL
        return self._update_limit if CallKind.of(kind) is CallKind.UPDATE else 1

    def group(self, kind: str) -> str | None:
        return group_of(kind)

    def standing(self, partition: int) -> Iterable[str]:  # noqa: ARG002
        """Returns no lanes: an offer lane exists through its events."""
        return ()

    def assigned(self, partition: int, lanes: int) -> None:
        """Notes the size of a partition's part of the catalogue, and that another process may have read its events."""
        self._taken_over_us[partition] = None
        self._windows.assigned(partition, lanes)
        self._counter.assigned(partition)
        if self._cold.is_on:
            self._cold.assigned(partition)

    def read(self, record: Record, now: Now) -> Arrived | BadRecord | NotYet:  # noqa: ARG002
        """Decodes a record.

        An event that must not be sent is not dead-lettered: its turn ends it with a result that says why.
        """
        event = self._codecs.decode_changed(record)
        return event if isinstance(event, BadRecord | NotYet) else Arrived(lane=event.key, event=event)

    def glance(self, key: str, stored: bytes) -> BadRecord | NotYet | None:
        """Returns why a stored lane cannot be loaded, or cannot be loaded yet; None if it can be tried."""
        problem = self._codecs.glance_state(stored)
        if problem is None and any(rail.encode() in stored for rail in self._terms.policy.window_limits):
            self._restore_windows(stored)
        return state_versions.unreadable(key, problem.text) if isinstance(problem, BadRecord) else problem

    def _restore_windows(self, stored: bytes) -> None:
        """Notes which rails of windows hold a change of a stored lane, so that they hold further changes as before."""
        state = self._codecs.decode_state(stored)
        if isinstance(state, BadRecord | NotYet):
            return
        for undone in state.undone:
            for held in undone.held:
                rail = next((rail for rail in self._terms.policy.window_limits if rail == held.guard), None)
                if rail is not None:
                    since_us = held.guarded_at_us or undone.received_at_us
                    self._windows.restored(rail, state.input_partition, undone.source or "", since_us)

    def load(self, key: str, stored: bytes | None) -> OfferLane:
        """Returns the lane of a state record, or a blank one for None.

        Raises Unreadable for bytes that are not a state of this flow.
        """
        if stored is None:
            return OfferLane(ean=key)
        decoded = self._codecs.decode_state(stored)
        return state_versions.made(key, decoded, lambda state: state_mapping.from_state(key, state, self._terms))

    def store(self, lane: OfferLane) -> Stored:
        """Returns the lane's state record, or none for a lane that equals one never stored."""
        if state_mapping.is_blank(lane):
            return Stored(value=None)
        state = state_mapping.to_state(lane, self._terms)
        return Stored(
            value=self._codecs.encode_state(state),
            undone=state_mapping.is_undone(lane),
            reader=state_versions.reader(self._needs(state)),
        )

    def turn(self, lane: OfferLane, cause: Cause, now: Now) -> Turn[OfferLane]:
        """Applies a cause to the lane; returns the new lane, its wants, its outputs, and when to wake it."""
        self._take_over()
        now_us, commands = now.wall_us, self._commands.in_force
        applied, drifts = self._compared(lane, cause, now_us)
        if self._cold.is_on:
            applied = cold_turn.step(applied, cause, self._terms, self._cold, now_us)
        elif applied.misses:
            applied = cold_turn.ended(applied)
        has_rails = self._terms.policy.has_rails or self._terms.overrides
        may_hold = commands.holds or commands.drops or has_rails
        fresh = _added(lane, applied, cause) if may_hold else NOTHING_ADDED
        if lane.last_offset < 0 <= applied.last_offset:
            self._windows.added(applied.partition)
        decided, plan = decide(applied, self._terms, now_us, commands, fresh, self._windows)
        decided = locations.settled(unaccepted.keep_orders(decided, self._terms, now_us))
        after, outputs = results.build(lane, decided, plan, self._terms, now_us)
        if self._cold.is_on:
            self._count_unknown(lane, after, cause)
        self._count_events(lane, applied, after, cause)
        wanted, wake_at_us = wants.derive(after, plan, self._terms), plan.wake_at_us
        if isinstance(cause, Draining):
            wanted = tuple(want for want in wanted if not want.once)  # none is announced any more
        if commands.stops:
            wanted, wake_at_us = without_stopped(wanted, wake_at_us, commands, now_us)
        return Turn(
            lane=state_mapping.stamped(lane, after, now_us),
            wants=wanted,
            outputs=tuple(self._outputs((*drifts, *outputs), after.partition, now_us)),
            wake_at_us=wake_at_us,
        )

    def _compared(self, lane: OfferLane, cause: Cause, now_us: int) -> tuple[OfferLane, tuple[OfferOutput, ...]]:
        """Returns the lane after the cause was applied, and the drifts that a sweep has shown."""
        match cause:
            case Told(message=UnitObserved() as seen):
                if (waiting := self._kept(lane, seen, now_us)) is not None:
                    return waiting, ()
                compared, drifts = compare(lane, seen, self._terms, now_us)
                return compared, tuple((drift, None) for drift in drifts)
            case _:
                return self._apply(lane, cause, now_us), ()

    def _kept(self, lane: OfferLane, seen: UnitObserved, now_us: int) -> OfferLane | None:
        """Returns the lane with a unit of a sweep that it waits for; None if it does not."""
        is_certain = self._cold.is_certain(lane.partition, seen.requested_at_us)
        return kept(lane, seen, self._terms, now_us, is_certain=is_certain) if self._cold.is_on else None

    def _count_unknown(self, before: OfferLane, after: OfferLane, cause: Cause) -> None:
        """Counts where the lane needed a look-up of an offer of which nothing was known, and where it does now."""
        self._cold.counted(
            after.partition,
            unknown_places(before, self._terms),
            unknown_places(after, self._terms),
            is_restored=isinstance(cause, Restored),
        )

    def _count_events(self, before: OfferLane, applied: OfferLane, after: OfferLane, cause: Cause) -> None:
        """Counts the events that the cause has added, and keeps the ages of those that are undone."""
        if isinstance(cause, Restored):
            self._counter.restored(after.partition, after.entries)
            return
        if applied.entries is not before.entries:
            self._counter.added(before.entries, applied.entries)
        if after.entries is not before.entries:
            self._counter.moved(after.partition, before.entries, after.entries)

    def _take_over(self) -> None:
        """Uses the mappings and the guard rails in use now; they stay the same during a turn."""
        found = self._mappings.in_use if self._mappings is not None else None
        if found is not None and found is not self._in_use:
            self._in_use = found
            self._terms = replace(
                self._terms,
                routing=found.routing,
                reference=found.reference,
                overrides=found.overrides,
                rates=found.rates,
            )
            self._counter.route(found.routing.targets)
            if found.config_digest:
                self._stamp = replace(self._stamp, config_digest=found.config_digest)
        policy = self._policy_in_use() if self._policy_in_use is not None else self._terms.policy
        if policy is not self._terms.policy:
            self._terms = replace(self._terms, policy=policy)
            self._windows.use(policy.window_limits)

    def _apply(self, lane: OfferLane, cause: Cause, now_us: int) -> OfferLane:
        """Returns the lane after an event or an answer was applied; other causes only have the lane decided again."""
        match cause:
            case Arrived(event=OfferChanged() as changed):
                return merge.merge_event(lane, changed, self._terms, now_us, None, self._since(changed, now_us))
            case Arrived(event=OfferWithdrawn() as withdrawn):
                return merge.withdraw(lane, withdrawn, self._terms, now_us)
            case Told(message=Replayed(event=OfferChanged() as changed, replay_id=replay_id)):
                since_us = self._since(changed, now_us)
                return merge.merge_event(lane, changed, self._terms, now_us, replay_id, since_us)
            case Told(message=Replayed(event=OfferWithdrawn() as withdrawn, replay_id=replay_id)):
                return merge.withdraw(lane, withdrawn, self._terms, now_us, replay_id)
            case Answered():
                return apply_answer(lane, cause, self._terms, now_us)
            case Restored(announced=announced):
                return restored(holding.taken_over(lane), announced, self._terms, now_us)
            case Told(message=Verify(command=command)):
                return resend.begin(lane, command, self._terms, now_us)
            case Woken() | Draining() | Told() | Arrived():
                return lane

    def _outputs(self, outputs: Iterable[OfferOutput], partition: int, now_us: int) -> list[Output]:
        made: list[Output] = []
        for what, entry in outputs:
            trace, traced = self._traced(entry, now_us)
            made.append(self._output(what, entry, trace, traced, partition))
            if self._has_field_results and isinstance(what, OfferResult):
                made += [self._field_result(row, trace) for row in flat_rows(what)]
        return made

    def _traced(self, entry: LedgerEntry | None, now_us: int) -> tuple[Trace, EventTrace | None]:
        """Returns the trace context of what is written of an entry, and its span where traces are on."""
        if entry is None:
            return NO_TRACE, None
        if self._terms.traces is None:
            return Trace(traceparent=entry.traceparent) if entry.traceparent is not None else NO_TRACE, None
        traced = trace_of(entry, self._terms.traces, now_us)
        return Trace(traceparent=traced.context.traceparent), traced

    def _field_result(self, row: OfferFieldResult, trace: Trace) -> Output:
        return Output(
            topic=self._topics.offer_field_results,
            key=self._codecs.result_key(row.ean),
            value=self._codecs.encode_field_result(row),
            headers=self._stamp.of_decision(
                OfferFieldResult,
                result_id=f"{row.result_id}/{row.field}",
                decided_at_us=row.decided_at_us,
                subject=row.ean,
                trace=trace,
            ),
        )

    def _since(self, event: OfferChanged, now_us: int) -> int | None:
        """Returns when this process got the event's partition; None if none was assigned, as in commands."""
        if event.partition not in self._taken_over_us:
            return None
        since_us = self._taken_over_us[event.partition]
        if since_us is None:
            since_us = self._taken_over_us[event.partition] = now_us
        return since_us

    def _output(
        self, what: OfferRow, entry: LedgerEntry | None, trace: Trace, traced: EventTrace | None, partition: int
    ) -> Output:
        match what:
            case OfferResult():
                traces = self._terms.traces
                self._counter.result(what, entry.order.source if entry is not None else "")
                return Output(
                    topic=self._topics.offer_results,
                    key=self._codecs.result_key(what.ean),
                    value=self._codecs.encode_result(what),
                    headers=self._result_headers(what, trace),
                    span=traces.span(what, traced, _call_ids(what)) if traces is not None and traced else None,
                )
            case OfferNotFound():
                return Output(
                    topic=self._topics.offers_not_found,
                    key=self._codecs.not_found_key(what.key),
                    value=self._codecs.encode_not_found(what),
                    headers=self._not_found_headers(what, trace),
                    partition=partition,
                )
            case OfferDrifted():
                self._counter.drift(what)
                return Output(
                    topic=self._topics.drift,
                    key=self._codecs.result_key(what.ean),
                    value=self._codecs.encode_drift(what),
                    headers=self._stamp.of(
                        OfferDrifted, id_=what.drift_id, time_us=what.detected_at_us, subject=what.ean
                    ),
                )
            case Cleared(key):
                return Output(
                    topic=self._topics.offers_not_found,
                    key=self._codecs.not_found_key(key),
                    value=None,
                    partition=partition,
                )

    def _result_headers(self, result: OfferResult, trace: Trace) -> Headers:
        return self._stamp.of_decision(
            OfferResult,
            result_id=result.result_id,
            decided_at_us=result.decided_at_us,
            subject=result.ean,
            trace=trace,
        )

    def _not_found_headers(self, row: OfferNotFound, trace: Trace) -> Headers:
        id_ = f"{row.result_id}/{row.last_seen_at_us}"
        return self._stamp.of(OfferNotFound, id_=id_, time_us=row.last_seen_at_us, subject=row.ean, trace=trace)


def _call_ids(result: OfferResult) -> tuple[str, ...]:
    return (*result.lookup_call_ids, *(result.sent.call_ids if result.sent is not None else ()))


def _added(before: OfferLane, after: OfferLane, cause: Cause) -> Mapping[str, int]:
    """Returns the result ids of the entries that an event has added, with the timestamp of its record.

    Also of those that no call can have carried before this turn: repairs that a sweep has added, and entries of a
    command that a look-up has just compared.
    """
    known = {entry.result_id for entry in before.entries}
    match cause:
        case (
            Arrived(event=OfferChanged() | OfferWithdrawn() as event)
            | Told(message=Replayed(event=OfferChanged() | OfferWithdrawn() as event))
        ):
            return {entry.result_id: event.record_time_us for entry in after.entries if entry.result_id not in known}
        case Told(message=UnitObserved()):
            return {entry.result_id: entry.received_at_us for entry in after.entries if entry.result_id not in known}
        case Answered():
            return {
                entry.result_id: entry.received_at_us
                for entry in before.entries
                if entry.is_compared and resend.is_uncompared(before, entry)
            }
        case _:
            return NOTHING_ADDED
