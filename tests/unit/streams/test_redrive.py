"""A redriven record is the original, on its partition, with its dead letter's place and attempts beside it."""

import pytest

from streams.dead_letter import DeadLetter, DeadLetters, read_letter
from streams.flow import Assignment, BadRecord, Headers, Record
from streams.partitioner import partition_for
from streams.records import RecordPlace
from streams.redrive import redriven

BAD = BadRecord(code="UNREADABLE", text="no such field")
ORIGINAL: Headers = (("ce_id", b"e-1"), ("code", b"of the producer"), ("traceparent", b"00-1"))


def letter(headers: Headers = ORIGINAL, offset: int = 7, *, value: bytes = b"v", max_bytes: int = 9_000) -> DeadLetter:
    to = DeadLetters(topics={"in": "in.dlq"}, instance="one", max_bytes=max_bytes)
    record = Record(
        at=Assignment(topic="in", partition=3, epoch=1),
        offset=42,
        key=b"4006381333931",
        value=value,
        time_us=1_700_000_000_123_000,
        headers=headers,
    )
    made = to.letter(record, BAD)
    at = RecordPlace(topic="in.dlq", partition=1, offset=offset)
    return read_letter(at, key=made.key, value=made.value, headers=made.headers, dead_lettered_us=1_700_000_009_000_000)


def test_it_is_the_original_record_and_says_where_it_comes_from() -> None:
    record = redriven(letter(), 8)

    assert (record.topic, record.key, record.value) == ("in", b"4006381333931", b"v")
    assert record.partition == 3
    assert record.time_us == 1_700_000_000_123_000
    assert record.headers == (*ORIGINAL, ("redrive.from", b"in.dlq/1/7"), ("redrive.attempts", b"1"))


def test_it_goes_to_the_partition_of_its_key_where_its_own_does_not_exist_any_more() -> None:
    assert redriven(letter(), 3).partition == partition_for(b"4006381333931", 3)
    assert redriven(letter(), 4).partition == 3


def test_a_second_redrive_replaces_what_the_first_one_added() -> None:
    second = letter(redriven(letter(), 8).headers, offset=9)

    assert second.attempts == 2
    assert redriven(second, 8).headers == (*ORIGINAL, ("redrive.from", b"in.dlq/1/9"), ("redrive.attempts", b"2"))


def test_without_the_record_s_own_time_it_has_that_of_its_dead_letter() -> None:
    found = letter()
    earlier = read_letter(
        found.at, key=found.key, value=found.value, headers=_without_time(found), dead_lettered_us=5_000
    )

    assert redriven(earlier, 8).time_us == 5_000


def test_a_letter_without_its_record_cannot_be_redriven() -> None:
    with pytest.raises(ValueError, match=r"in\.dlq/1/7 holds no record"):
        redriven(letter(value=b"x" * 2_000, max_bytes=1_000), 8)


def _without_time(found: DeadLetter) -> Headers:
    names = {"topic": "in", "partition": "3", "offset": "42"}
    return (*found.headers, *((f"__connect.errors.{name}", text.encode()) for name, text in names.items()))
