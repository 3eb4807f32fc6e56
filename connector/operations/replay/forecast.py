"""What a replay would do: the offer flow takes every event in memory, on the states that the topic has now. Pure."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from math import ceil
from operator import itemgetter
from typing import Final

from connector.contracts.result_ids import result_id
from connector.marketplace.offers import Field
from connector.offers.call_bodies import Carried, OfferLookUp, OfferUpdate
from connector.offers.events import Announced, OfferChanged, OfferWithdrawn, Replayed
from connector.offers.flow import OfferFlow
from connector.offers.ledger import LedgerEntry, OfferLane, to_major
from connector.offers.policy import OfferTerms
from connector.operations.explain.lane_in_memory import KeptResults, LaneInMemory
from streams.flow import Now, Told, Want, Woken

TO_BE_SENT: Final = "TO BE SENT"
"""How an event ends whose values would be written; its result follows the answer."""
TO_BE_LOOKED_UP: Final = "TO BE LOOKED UP"
"""How an event ends whose offer would be looked up first; what follows depends on the answer."""
WAITS: Final = "WAITS"
"""How an event ends that waits for a claim or for a time."""
IS_PENDING: Final = "PENDING ALREADY"
"""How a record ends whose event has no result yet: it gets that one result, and none of the replay."""
SHOWN_CHANGES: Final = 20


@dataclass(frozen=True, slots=True)
class ForecastChange:
    """A value that would be sent, and the one that the unit is known to have; None: not known."""

    ean: str
    unit_id: int
    storefront: str
    field: str
    known: Decimal | None
    value: Decimal


@dataclass(slots=True)
class PartitionForecast:
    """What a replay would read in one partition, and how it would end."""

    read: int = 0
    unreadable: int = 0
    left_out: int = 0  # by the filters
    outcomes: Counter[str] = field(default_factory=Counter)

    @property
    def delivered(self) -> int:
        return self.outcomes.total()


@dataclass(slots=True)
class CallForecast:
    """The calls to one account: updates bundled as far as possible, and look-ups."""

    updates: Counter[str] = field(default_factory=Counter)  # units by kind of call
    look_ups: int = 0

    def calls(self, update_limit: int) -> int:
        """Returns the number of calls; ``update_limit``: units in one update."""
        return self.look_ups + sum(ceil(units / update_limit) for units in self.updates.values())


class ReplayForecast:
    """Takes the events of a replay one by one. ``flow`` has ``kept`` as its serializers.

    ``stored``: the state of each partition and EAN that the topic has.
    """

    def __init__(
        self,
        flow: OfferFlow,
        kept: KeptResults,
        terms: OfferTerms,
        stored: Mapping[tuple[int, str], bytes],
        replay_id: str,
    ) -> None:
        self._flow = flow
        self._kept = kept
        self._terms = terms
        self._stored = stored
        self._replay_id = replay_id
        self._lanes: dict[tuple[int, str], LaneInMemory] = {}
        self._other_slots: dict[tuple[int, str], frozenset[str]] = {}  # of wants that the lane had before
        self.partitions: dict[int, PartitionForecast] = {}
        self.fields: Counter[str] = Counter()  # values to be sent
        self.changes: list[ForecastChange] = []  # the first of them
        self.calls: dict[str, CallForecast] = {}  # by account

    def partition(self, number: int) -> PartitionForecast:
        """Returns the forecast of a partition, which may still change."""
        return self.partitions.setdefault(number, PartitionForecast())

    @property
    def total(self) -> PartitionForecast:
        """The sum over all partitions."""
        total = PartitionForecast()
        for part in self.partitions.values():
            total.read += part.read
            total.unreadable += part.unreadable
            total.left_out += part.left_out
            total.outcomes.update(part.outcomes)
        return total

    def add(self, event: OfferChanged | OfferWithdrawn, now: Now) -> None:
        """Takes an event that the replay would deliver. Raises Unreadable if the lane's state cannot be read."""
        at = event.partition, event.key
        lane = self._lanes.get(at) or self._loaded(at, now)
        id_ = result_id(self._terms.cluster_id, self._terms.topic, event.partition, event.offset)
        is_pending = any(entry.result_id == id_ for entry in lane.lane.entries)
        lane.take(Told(lane=event.key, message=Replayed(event=event, replay_id=self._replay_id)), now)
        outcomes = self.partition(event.partition).outcomes
        ended = self._take_results(outcomes)
        if is_pending and id_ not in ended and not _asked_again(lane.lane, id_):
            outcomes[IS_PENDING] += 1

    def finish(self) -> None:
        """Counts what the events that have not ended wait for, and the calls that they need. Call it once, last."""
        for at, lane in sorted(self._lanes.items(), key=itemgetter(0)):
            mine = {entry.result_id: entry for entry in lane.lane.entries if entry.command_id == self._replay_id}
            if mine:
                self._count_wants(at, lane, mine)

    # -- one lane

    def _loaded(self, at: tuple[int, str], now: Now) -> LaneInMemory:
        lane = self._lanes[at] = LaneInMemory(self._flow, self._kept, at[1], self._stored.get(at))
        if lane.lane.entries:
            lane.take(Woken(), now)
            self._other_slots[at] = frozenset(want.slot for want in lane.wants)
            self._kept.results.clear()
        return lane

    def _take_results(self, outcomes: Counter[str]) -> set[str]:
        """Counts the replay's results of a turn and returns their ids."""
        mine = [row for row in self._kept.results if row.command_id == self._replay_id]
        outcomes.update(row.status.value for row in mine)
        self._kept.results.clear()
        return {row.result_id for row in mine}

    def _count_wants(self, at: tuple[int, str], lane: LaneInMemory, mine: Mapping[str, LedgerEntry]) -> None:
        sent: set[str] = set()
        looks = False
        for want in lane.wants:
            match want.body:
                case OfferUpdate() as update:
                    carried = [one for one in update.carried if one.result_id in mine]
                    sent |= {one.result_id for one in carried}
                    self._count_update(lane.lane, want, update, carried)
                case OfferLookUp() if want.slot not in self._other_slots.get(at, frozenset()):
                    looks = True
                    self._calls_of(want.account).look_ups += 1
                case _:
                    pass
        outcomes = self.partition(at[0]).outcomes
        for id_, entry in mine.items():
            if id_ in sent:
                outcomes[TO_BE_SENT] += 1
            elif entry.announced is Announced.NONE or entry.asked_again:
                outcomes[TO_BE_LOOKED_UP if looks else WAITS] += 1

    def _count_update(self, lane: OfferLane, want: Want, update: OfferUpdate, carried: list[Carried]) -> None:
        if not carried:
            return
        self._calls_of(want.account).updates[want.kind] += 1
        for one in carried:
            self.fields[one.field.value] += 1
            if len(self.changes) < SHOWN_CHANGES:
                self.changes.append(self._change(lane, update, one))

    def _calls_of(self, account: str) -> CallForecast:
        return self.calls.setdefault(account, CallForecast())

    def _change(self, lane: OfferLane, update: OfferUpdate, one: Carried) -> ForecastChange:
        exponent = self._terms.exponent(update.storefront)
        known = _known(lane, update, one.field)
        return ForecastChange(
            ean=lane.ean,
            unit_id=update.unit_id,
            storefront=update.storefront,
            field=one.field.value,
            known=None if known is None else to_major(one.field, known, exponent),
            value=to_major(one.field, one.value, exponent),
        )


def _known(lane: OfferLane, update: OfferUpdate, of: Field) -> int | None:
    facts = (unit.facts.get(of) for unit in lane.units if unit.unit_id == update.unit_id)
    return next((fact.value for fact in facts if fact is not None), None)


def _asked_again(lane: OfferLane, id_: str) -> bool:
    return any(entry.result_id == id_ and entry.asked_again for entry in lane.entries)


def minutes(forecast: ReplayForecast, rates: Mapping[str, float], update_limit: int) -> float:
    """Returns how many minutes the calls take at these rates per second by account; accounts work at the same time."""
    return max(
        (calls.calls(update_limit) / rates[account] / 60 for account, calls in forecast.calls.items()), default=0.0
    )


def ordered(outcomes: Mapping[str, int]) -> Iterator[tuple[str, int]]:
    """Yields the outcomes, the most frequent first."""
    return iter(sorted(outcomes.items(), key=lambda one: (-one[1], one[0])))
