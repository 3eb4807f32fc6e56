"""Which dead letters are redriven: of each record the last letter that it became, whatever the history."""

from hypothesis import given, settings
from hypothesis import strategies as st

from connector.operations.dlq.selection import LeftOut, LetterFilter, plan, without_record
from streams.dead_letter import DeadLetter
from streams.records import RecordPlace
from tests.harness.effort import examples

INPUT = RecordPlace(topic="in", partition=0, offset=1)


def letter(
    offset: int,
    *,
    code: str = "NOT_AVRO",
    redriven_from: int | None = None,
    origin: RecordPlace | None = INPUT,
    value: bytes | None = b"v",
    has_record: bool = True,
    input_topic: str = "in",
    written_us: int | None = None,
) -> DeadLetter:
    return DeadLetter(
        at=place(offset),
        dead_lettered_us=offset * 1_000_000,
        key=b"k",
        value=value,
        headers=(),
        code=code,
        text="",
        instance="one",
        attempts=1,
        input_topic=input_topic,
        origin=origin,
        written_us=written_us,
        redriven_from=None if redriven_from is None else place(redriven_from),
        has_record=has_record,
    )


def place(offset: int) -> RecordPlace:
    return RecordPlace(topic="in.dlq", partition=0, offset=offset)


def test_filters_join_and_the_end_is_exclusive() -> None:
    taken = LetterFilter(
        codes=frozenset({"NOT_AVRO"}), inputs=frozenset({"in"}), since_us=2_000_000, until_us=4_000_000
    )

    assert [taken.takes(letter(offset)) for offset in range(1, 5)] == [False, True, True, False]
    assert not taken.takes(letter(2, code="KEY_MISSING"))
    assert not taken.takes(letter(2, input_topic="other"))


def test_a_letter_that_came_back_is_left_out_also_where_the_later_one_is_not_selected() -> None:
    letters = [letter(1), letter(2, code="MALFORMED_VALUE", redriven_from=1), letter(3)]

    made = plan(letters, LetterFilter(codes=frozenset({"NOT_AVRO"})))

    assert made.chosen == (place(3),)
    assert made.left_out == {place(1): LeftOut.CAME_BACK}


def test_of_the_letters_of_one_input_record_the_last_is_redriven() -> None:
    other = RecordPlace(topic="in", partition=0, offset=2)
    replayed = [letter(1, written_us=5), letter(2, origin=other, written_us=5), letter(3, written_us=5)]

    made = plan(replayed, LetterFilter())

    assert made.chosen == (place(2), place(3))
    assert made.left_out == {place(1): LeftOut.READ_TWICE}


def test_records_at_the_same_offset_of_a_topic_that_was_created_again_are_not_one() -> None:
    letters = [letter(1, written_us=5), letter(2, written_us=6), letter(3), letter(4)]

    assert len(plan(letters, LetterFilter()).chosen) == 4


def test_a_letter_without_its_record_is_left_out_with_the_reason() -> None:
    row = letter(1, code="ORDER_UNREADABLE", origin=None, value=None, has_record=False)
    digest = letter(2, value=None, has_record=False)
    nameless = letter(3, code="", origin=None, value=None, has_record=False)
    foreign = letter(4, code="", origin=None, has_record=False)

    reasons = [without_record(one) for one in (row, digest, nameless, foreign, letter(5))]

    assert reasons == [LeftOut.READ_AGAIN, LeftOut.NO_RECORD, LeftOut.NO_RECORD, LeftOut.FOREIGN, None]
    assert plan([row, digest, nameless, foreign], LetterFilter()).chosen == ()


@settings(max_examples=examples(200))
@given(st.integers(1, 5), st.lists(st.sampled_from(["all", "one"]), max_size=6), st.data())
def test_redriving_again_and_again_never_multiplies_the_letters(
    records: int, steps: list[str], data: st.DataObject
) -> None:
    """Every redriven record becomes a dead letter again; "one" redrives a letter by its place, whichever it is."""
    letters = [letter(offset) for offset in range(records)]
    named = 0
    for step in steps:
        if step == "one":
            chosen = [data.draw(st.sampled_from(letters)).at.offset]
            named += 1
        else:
            chosen = [one.offset for one in plan(letters, LetterFilter()).chosen]
        letters += [letter(len(letters) + number, redriven_from=offset) for number, offset in enumerate(chosen)]

        assert records <= len(plan(letters, LetterFilter()).chosen) <= records + named
