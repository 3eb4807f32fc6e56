"""The lane of a sweep, driven by the order flow: pages, cursor, hand-over, failures, and the rows that it writes."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

import schemas
from connector.contracts.codec import SchemaIds
from connector.contracts.headers import Stamp
from connector.contracts.topics import ALL_FEATURES, named
from connector.marketplace.call_kinds import CallKind
from connector.marketplace.offers import Condition, Currency, Field, Gone, ReadUnitPage, Refused, Unit, UnitPage
from connector.offers.gtin import normal_form
from connector.orders.codec import OrderCodecs
from connector.orders.flow import OrderFlow
from connector.orders.policy import OrderPolicy
from connector.reconciliation.codec import UnitRows, unit_reader
from connector.reconciliation.events import SweepAsked, SweepState, UnitObserved
from connector.reconciliation.policy import SweepPolicy, calls_for
from connector.reconciliation.sweep_lane import SweepTerms
from streams.flow import (
    BACKGROUND,
    Answered,
    Arrived,
    Assignment,
    Cause,
    GaveUp,
    Lost,
    Now,
    Output,
    Record,
    Restored,
    Settled,
    Stored,
    Want,
    Woken,
)
from streams.partitioner import partition_for
from tests.harness.effort import examples

SECOND = 1_000_000
START_US = 1_790_000_000 * SECOND
TOPICS = named("shop", ALL_FEATURES)
KEY = "main/units/de"
EAN = "4006381333931"
PARTITIONS = 8
IDS = SchemaIds(values={name: number for number, name in enumerate(sorted(schemas.NAMES), 1)})
READ = unit_reader(IDS, lambda _: None)


def unit(unit_id: int, *eans: str, **other: Any) -> Unit:
    given: dict[str, Any] = {
        "unit_id": unit_id,
        "storefront": "de",
        "condition": Condition.NEW,
        "offer_id": f"sku-{unit_id}",
        "status": "AVAILABLE",
        "values": {Field.PRICE: 1999, Field.STOCK: 7, Field.HANDLING_TIME: 2},
        "eans": eans or (EAN,),
        "is_live": True,
        "changed_us": START_US - SECOND,
    }
    return Unit(**{**given, **other})


def flow_of(
    interval_s: float = 3600.0, places: Sequence[tuple[str, str]] = (("main", "de"),), *, tells_owners: bool = False
) -> OrderFlow:
    stamp = Stamp(source="/shop", instance_id="shop-0", config_digest="0")
    return OrderFlow(
        policy=OrderPolicy(accounts=frozenset()),
        currencies={},
        codecs=OrderCodecs(IDS, lambda _: None),
        topics=TOPICS,
        stamp=stamp,
        sweeps=SweepTerms(
            policy=SweepPolicy(places=frozenset(places), interval_s=interval_s, tells_owners=tells_owners),
            storefronts={"de": Currency(code="EUR", exponent=2, ceiling=100)},
            normal_form=normal_form,
            target_ids={("main", "de"): "shop-de"},
        ),
        units=UnitRows(IDS, topic=TOPICS.units, partitions=PARTITIONS, stamp=stamp),
    )


@dataclass(slots=True)
class SweepHarness:
    """One lane of a sweep, stored and loaded after every turn; ``listed`` is what the marketplace lists."""

    flow: OrderFlow = field(default_factory=flow_of)
    listed: list[Unit] = field(default_factory=list)
    by_marketplace: list[Unit] = field(default_factory=list)
    now_us: int = START_US
    stored: Stored = field(default_factory=lambda: Stored(value=None))
    wants: tuple[Want, ...] = ()
    wake_at_us: int | None = None
    outputs: list[Output] = field(default_factory=list)
    calls: int = 0

    def hear(self, cause: Cause) -> None:
        lane = self.flow.load(KEY, self.stored.value)
        turn = self.flow.turn(lane, cause, Now(mono_s=self.now_us / 1e6, wall_us=self.now_us))
        self.stored = self.flow.store(turn.lane)
        self.wants, self.wake_at_us = turn.wants, turn.wake_at_us
        self.outputs.extend(turn.outputs)

    def reply(self, reply: Settled | Lost | GaveUp) -> None:
        (want,) = self.wants
        sent_us, self.now_us = self.now_us, self.now_us + SECOND
        answered = Answered(want=want, reply=reply, call_id="c", attempts=1, sent_us=sent_us, answered_us=self.now_us)
        self.hear(answered)

    def page(self) -> UnitPage:
        body: ReadUnitPage = self.wants[0].body
        everything = self.by_marketplace if body.by_marketplace else self.listed
        shown = everything[body.offset : body.offset + 100]
        return UnitPage(
            units=tuple(shown), rows=len(shown), is_last=body.offset + 100 >= len(everything), total=len(everything)
        )

    def answer(self) -> None:
        self.calls += 1
        self.reply(Settled(answer=self.page()))

    def sweep(self) -> None:
        """Wakes the lane when its sweep is due, and answers until it has ended."""
        self.now_us = max(self.now_us, self.wake_at_us or 0)
        self.hear(Woken())
        while self.wants:
            self.answer()

    @property
    def state(self) -> SweepState:
        state = self.flow.load(KEY, self.stored.value).state.sweep
        assert state is not None
        return state

    @property
    def rows(self) -> list[UnitObserved]:
        at = Assignment(topic=TOPICS.units, partition=0, epoch=1)
        found = [READ(Record(at=at, offset=0, key=o.key, value=o.value, time_us=0)) for o in self.outputs]
        assert all(isinstance(one, UnitObserved) for one in found), found
        return found  # type: ignore[return-value]


def test_each_account_and_storefront_has_a_lane_in_the_first_partition_only() -> None:
    flow = flow_of(places=(("main", "de"), ("main", "at"), ("other", "de")))

    assert list(flow.standing(0)) == ["main/units/at", "main/units/de", "other/units/de"]
    assert list(flow.standing(1)) == []


def test_a_sweep_reads_every_page_of_both_lists_and_writes_every_unit() -> None:
    harness = SweepHarness(
        listed=[unit(n) for n in range(1, 251)], by_marketplace=[unit(900, fulfilled_by_marketplace=True)]
    )

    harness.sweep()

    assert harness.calls == 4
    assert sorted(row.unit_id for row in harness.rows) == [*range(1, 251), 900]
    assert [row.unit_id for row in harness.rows if row.fulfilled_by_marketplace] == [900]
    finished = harness.state.finished
    assert finished is not None
    assert (finished.pages, finished.units, finished.skipped) == (4, 251, 0)


def test_a_sweep_of_a_million_units_takes_ten_thousand_calls() -> None:
    assert calls_for(1_000_000) == 10_001
    assert [calls_for(units) for units in (0, 1, 100, 101)] == [2, 2, 2, 3]


def test_a_row_has_the_values_of_the_unit_in_the_contracts_units() -> None:
    harness = SweepHarness(listed=[unit(5, status="ONHOLD", is_live=False)])

    harness.sweep()

    assert harness.rows == [
        UnitObserved(
            ean=EAN,
            account="main",
            storefront="de",
            unit_id=5,
            condition="NEW",
            offer_id="sku-5",
            status="ONHOLD",
            is_live=False,
            price=Decimal("19.9900"),
            currency="EUR",
            stock=7,
            handling_time_days=2,
            changed_at_us=START_US - SECOND,
            requested_at_us=START_US,
            observed_at_us=START_US + SECOND,
            sweep_at_us=START_US,
            target_id="shop-de",
        )
    ]


def test_units_of_one_ean_have_keys_of_their_own_in_the_partition_of_the_ean() -> None:
    harness = SweepHarness(listed=[unit(1), unit(2)])

    harness.sweep()

    assert [output.key for output in harness.outputs] == [f"{EAN}/main/1".encode(), f"{EAN}/main/2".encode()]
    assert {output.partition for output in harness.outputs} == {partition_for(EAN.encode(), PARTITIONS)}


def test_a_unit_of_several_eans_has_a_row_for_each_and_spellings_of_one_ean_count_once() -> None:
    other = "4006381333948"
    harness = SweepHarness(listed=[unit(1, EAN, f"0{EAN}", other)])

    harness.sweep()

    assert {(row.ean, row.other_eans) for row in harness.rows} == {(EAN, (other,)), (other, (EAN,))}


def test_a_unit_without_an_ean_is_counted_and_not_written() -> None:
    harness = SweepHarness(listed=[unit(1), Unit(**{**vars_of(unit(2)), "eans": ()})])

    harness.sweep()

    finished = harness.state.finished
    assert finished is not None
    assert (finished.units, finished.skipped, len(harness.rows)) == (2, 1, 1)


def vars_of(one: Unit) -> dict[str, Any]:
    return {name: getattr(one, name) for name in Unit.__slots__ if hasattr(one, name)}


def test_every_sweep_writes_every_unit_again_because_an_old_value_may_be_a_lost_write() -> None:
    harness = SweepHarness(listed=[unit(1)])

    harness.sweep()
    harness.sweep()

    first, second = harness.rows
    assert (first.unit_id, first.stock) == (second.unit_id, second.stock)
    assert second.requested_at_us > first.requested_at_us
    assert second.sweep_at_us > first.sweep_at_us


def test_a_sweep_waits_in_the_background_and_gives_each_page_a_retry_budget_of_its_own() -> None:
    harness = SweepHarness(listed=[unit(n) for n in range(1, 151)])
    harness.hear(Woken())
    (first,) = harness.wants
    harness.answer()
    (second,) = harness.wants

    assert first.priority >= BACKGROUND
    assert first.kind == second.kind == CallKind.UNIT_PAGE
    assert first.since_us != second.since_us
    assert harness.flow.group(first.kind) == "units_read"


def test_a_new_owner_continues_with_the_next_page() -> None:
    harness = SweepHarness(listed=[unit(n) for n in range(1, 251)])
    harness.hear(Woken())
    harness.answer()
    assert harness.stored.undone

    harness.flow = flow_of()
    harness.hear(Restored())

    assert harness.wants[0].body == ReadUnitPage(storefront="de", offset=100)
    while harness.wants:
        harness.answer()
    assert sorted({row.unit_id for row in harness.rows}) == list(range(1, 251))
    assert len(harness.rows) == 250
    assert not harness.stored.undone


# ---- at once --------------------------------------------------------------------------------------------------------


def ask(harness: SweepHarness, offset: int) -> None:
    harness.hear(Arrived(lane=KEY, event=SweepAsked(offset=offset)))


def test_a_command_begins_a_sweep_at_once_and_the_sweep_names_it() -> None:
    harness = SweepHarness(listed=[unit(1)])
    harness.sweep()
    harness.now_us += 60 * SECOND

    ask(harness, 5)
    assert harness.state.running is not None
    assert harness.state.running.sweep_at_us == harness.now_us
    while harness.wants:
        harness.answer()

    finished = harness.state.finished
    assert finished is not None
    assert (finished.command_offset, harness.state.last_offset, harness.state.sweeps) == (5, 5, 2)


def test_a_command_that_is_read_again_begins_no_other_sweep() -> None:
    harness = SweepHarness(listed=[unit(1)])
    ask(harness, 5)
    while harness.wants:
        harness.answer()

    ask(harness, 5)

    assert harness.wants == ()
    assert harness.state.sweeps == 1


def test_a_sweep_under_way_is_followed_by_one_that_began_after_the_command() -> None:
    harness = SweepHarness(listed=[unit(n) for n in range(1, 151)])
    harness.hear(Woken())
    harness.answer()
    began_us, asked_us = harness.state.running.sweep_at_us if harness.state.running else 0, harness.now_us

    ask(harness, 5)
    assert harness.wants[0].body == ReadUnitPage(storefront="de", offset=100), "the sweep under way goes on"
    while harness.state.finished is None:
        harness.answer()

    assert (harness.state.finished.sweep_at_us, harness.state.finished.command_offset) == (began_us, -1)
    assert harness.state.running is not None
    assert (harness.state.running.sweep_at_us > asked_us, harness.state.running.command_offset) == (True, 5)


def test_a_command_has_a_failed_page_read_again_at_once() -> None:
    harness = SweepHarness(listed=[unit(1)])
    harness.hear(Woken())
    harness.reply(GaveUp(reason="503 eight times"))
    assert harness.wants == ()

    ask(harness, 5)

    assert len(harness.wants) == 1


@given(st.lists(st.sampled_from(["ask", "again", "answer", "fail", "wait", "owner"]), max_size=15))
@settings(max_examples=examples(40))
def test_every_command_is_followed_at_once_by_a_whole_sweep_that_began_after_it(steps: list[str]) -> None:
    harness = SweepHarness(listed=[unit(n, eans=()) for n in range(1, 102)])  # two pages, of which no row is written
    asked_us = dict[int, int]()
    harness.hear(Woken())
    for step in steps:
        if step == "ask":
            asked_us[len(asked_us)] = harness.now_us
            ask(harness, len(asked_us) - 1)
        elif step == "again" and asked_us:
            ask(harness, len(asked_us) - 1)
        elif step == "answer" and harness.wants:
            harness.answer()
        elif step == "fail" and harness.wants:
            harness.reply(GaveUp(reason="503 eight times"))
        elif step == "wait" and not harness.wants:
            harness.now_us = max(harness.now_us, harness.wake_at_us or 0)
            harness.hear(Woken())
        elif step == "owner":
            harness.flow = flow_of()
            harness.hear(Restored())
    while harness.state.running is not None:
        harness.sweep()  # nothing but a failed page is waited for

    finished = harness.state.finished
    assert finished is not None
    assert finished.command_offset == len(asked_us) - 1
    assert finished.sweep_at_us >= max(asked_us.values(), default=0)


def test_a_sweep_knows_how_many_units_there_are_as_far_as_the_marketplace_says() -> None:
    harness = SweepHarness(
        listed=[unit(n) for n in range(1, 151)],
        by_marketplace=[unit(n, fulfilled_by_marketplace=True) for n in range(900, 1103)],
    )
    harness.hear(Woken())
    totals = []
    while harness.wants:
        harness.answer()
        totals.append(None if harness.state.running is None else harness.state.running.total)

    assert totals == [150, 150, 353, 353, None]


def test_a_list_without_a_count_has_no_total() -> None:
    harness = SweepHarness(listed=[unit(n) for n in range(1, 151)])
    harness.hear(Woken())

    harness.reply(Settled(answer=replace(harness.page(), total=None)))

    assert harness.state.running is not None
    assert harness.state.running.total is None


def test_the_next_sweep_begins_an_interval_after_the_last_one_began() -> None:
    harness = SweepHarness(listed=[unit(1)])

    harness.sweep()

    assert harness.wake_at_us is not None
    assert 0.9 * 3600 * SECOND <= harness.wake_at_us - START_US <= 1.1 * 3600 * SECOND


def test_a_shorter_interval_applies_at_once() -> None:
    harness = SweepHarness(listed=[unit(1)])
    harness.sweep()

    harness.flow = flow_of(interval_s=60.0)
    harness.hear(Woken())

    assert harness.wake_at_us is not None
    assert harness.wake_at_us - harness.now_us <= 66 * SECOND


def test_a_page_that_fails_is_read_again_later_and_later_and_the_reason_is_kept() -> None:
    harness = SweepHarness(listed=[unit(1)])
    harness.hear(Woken())
    waits = []
    refused = Refused(code="FORBIDDEN", http_status=403, type="/problems/forbidden", message="not yours")
    replies: list[Settled | GaveUp] = [
        Settled(answer=refused), GaveUp(reason="503 eight times"), Settled(answer=Gone(http_status=404, message="no")),
    ]  # fmt: skip
    for reply in replies:
        harness.reply(reply)
        assert harness.wants == ()
        assert harness.wake_at_us is not None
        waits.append(harness.wake_at_us - harness.now_us)
        harness.now_us = harness.wake_at_us
        harness.hear(Woken())

    assert waits == [30 * SECOND, 60 * SECOND, 120 * SECOND]
    assert (harness.state.failures, harness.state.problem) == (3, "HTTP 404 no")

    harness.answer()
    harness.answer()

    assert (harness.state.failures, harness.state.problem) == (0, None)
    assert harness.state.failed_at_us is not None
    assert len(harness.rows) == 1


def test_a_page_whose_answer_is_lost_is_wanted_again() -> None:
    harness = SweepHarness(listed=[unit(1)])
    harness.hear(Woken())
    before = harness.wants

    harness.reply(Lost(reason="no answer"))

    assert harness.wants == before


def test_a_storefront_that_is_not_swept_any_more_rests() -> None:
    harness = SweepHarness(listed=[unit(n) for n in range(1, 151)])
    harness.hear(Woken())
    harness.answer()

    harness.flow = flow_of(places=(("main", "at"),))
    harness.hear(Restored())

    assert harness.wants == ()


def test_the_report_names_the_sweep_and_its_progress() -> None:
    harness = SweepHarness(listed=[unit(n) for n in range(1, 151)])
    harness.hear(Woken())
    harness.answer()

    report = harness.flow.sweeps()["main/de"]

    assert report.state.running is not None
    assert (report.state.running.pages, report.state.running.units) == (1, 100)


@settings(max_examples=examples(100))
@given(st.data())
def test_every_unit_that_stays_listed_before_the_cursor_is_seen_despite_crashes(data: st.DataObject) -> None:
    count = data.draw(st.integers(0, 420))
    harness = SweepHarness(listed=[unit(n) for n in range(1, count + 1)])
    harness.hear(Woken())
    durable, written = harness.stored, 0
    while harness.wants:
        match data.draw(st.sampled_from(["answer", "answer", "lose", "crash", "append"])):
            case "answer":
                harness.answer()
                durable, written = harness.stored, len(harness.outputs)
            case "lose":
                harness.reply(Lost(reason="no answer"))
            case "crash":
                harness.stored = durable
                del harness.outputs[written:]
                harness.flow = flow_of()
                harness.hear(Restored() if durable.undone else Woken())
            case _:
                harness.listed.append(unit(len(harness.listed) + 1_000))

    assert set(range(1, count + 1)) <= {row.unit_id for row in harness.rows}
    assert len(harness.rows) == len({row.unit_id for row in harness.rows})
