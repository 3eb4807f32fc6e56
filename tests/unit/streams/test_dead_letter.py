"""A dead letter is read back as it was made, and one that another version or somebody else wrote as far as it says."""

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.dead_letter import CONNECT, DeadLetter, DeadLetters, read_letter, topic_and_code
from streams.flow import Assignment, BadRecord, Headers, Output, Record
from streams.kafka.checkpoint_batch import digest_record
from streams.records import RecordPlace
from tests.harness.effort import examples

TO = DeadLetters(topics={"in": "in.dlq"}, instance="one", connector="c")
BAD = BadRecord(code="UNREADABLE", text="no such field", error="KeyError")
AT = RecordPlace(topic="in.dlq", partition=1, offset=7)
NAMES = st.text(max_size=8) | st.sampled_from(
    ["code", "attempts", "instance", "redrive.from", "redrive.attempts", CONNECT + "offset"]
)
HEADERS = st.lists(st.tuples(NAMES, st.binary(max_size=8)), max_size=6).map(tuple)


def record(value: bytes | None = b"v", headers: Headers = (("trace", b"t"),), key: bytes | None = b"k") -> Record:
    at = Assignment(topic="in", partition=3, epoch=1)
    return Record(at=at, offset=42, key=key, value=value, time_us=1_700_000_000_123_000, headers=headers)


def read(output: Output) -> DeadLetter:
    return read_letter(AT, key=output.key, value=output.value, headers=output.headers, dead_lettered_us=5)


def test_a_dead_letter_is_read_back_as_it_was_made() -> None:
    letter = read(TO.letter(record(), BAD))

    assert letter == DeadLetter(
        at=AT,
        dead_lettered_us=5,
        key=b"k",
        value=b"v",
        headers=(("trace", b"t"),),
        code="UNREADABLE",
        text="no such field",
        instance="one",
        attempts=1,
        input_topic="in",
        origin=RecordPlace(topic="in", partition=3, offset=42),
        written_us=1_700_000_000_123_000,
        redriven_from=None,
        has_record=True,
    )


@settings(max_examples=examples(300))
@given(HEADERS, st.none() | st.binary(max_size=9), st.none() | st.binary(max_size=9))
def test_key_value_and_headers_are_those_of_the_original_whatever_it_had(
    headers: Headers, key: bytes | None, value: bytes | None
) -> None:
    letter = read(TO.letter(record(value, headers, key), BAD))

    assert (letter.key, letter.value, letter.headers) == (key, value, headers)
    assert (letter.code, letter.origin) == ("UNREADABLE", RecordPlace(topic="in", partition=3, offset=42))


@settings(max_examples=examples(300))
@given(st.lists(st.tuples(NAMES | st.just(CONNECT + "topic"), st.binary(max_size=8)), max_size=8).map(tuple))
def test_records_of_others_are_read_as_far_as_they_say(headers: Headers) -> None:
    letter = read_letter(AT, key=None, value=None, headers=headers, dead_lettered_us=5)

    assert headers[: len(letter.headers)] == letter.headers
    assert letter.attempts >= 1


def test_the_dead_letter_of_a_dead_letter_names_its_own_input() -> None:
    first = TO.letter(record(), BAD)
    again = Record(
        at=Assignment(topic="in.dlq", partition=1, epoch=1),
        offset=7,
        key=first.key,
        value=first.value,
        time_us=0,
        headers=first.headers,
    )

    letter = read(DeadLetters(topics={"in.dlq": "more.dlq"}, instance="two").letter(again, BAD))

    assert letter.origin == RecordPlace(topic="in.dlq", partition=1, offset=7)
    assert letter.headers == first.headers


def test_attempts_go_on_from_those_of_the_redriven_record() -> None:
    from_where = ("redrive.from", b"in.dlq/0/3")

    letter = read(TO.letter(record(headers=(from_where, ("redrive.attempts", b"2"))), BAD))

    assert (letter.attempts, letter.redriven_from) == (3, RecordPlace(topic="in.dlq", partition=0, offset=3))
    assert read(TO.letter(record(headers=(("redrive.attempts", b"many"),)), BAD)).attempts == 1


def test_what_is_too_large_has_a_place_and_no_record() -> None:
    small = DeadLetters(topics={"in": "in.dlq"}, instance="one", max_bytes=500)

    letter = read(small.letter(record(b"x" * 1_000), BAD))

    assert (letter.code, letter.origin, letter.has_record) == (
        "UNREADABLE",
        RecordPlace(topic="in", partition=3, offset=42),
        False,
    )


def test_a_trace_context_of_any_length_or_number_makes_no_letter_too_large() -> None:
    context = "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    long = ("traceparent", f"01-{context}-".encode() + b"x" * 2_000)

    for headers in ((long,), (long,) * 50):
        letter = DeadLetters(topics={"in": "in.dlq"}, instance="one", max_bytes=500).letter(
            record(headers=headers), BAD
        )

        assert [value for name, value in letter.headers if name == "traceparent"] == [f"00-{context}".encode()]
        assert sum(len(name) + len(value) for name, value in letter.headers) < 1_000


def test_what_the_broker_found_too_large_has_no_record() -> None:
    whole = TO.letter(record(b"x" * 1_000), BAD)
    replaced = digest_record(whole, "in/3 before 43")

    assert not read(replaced).has_record
    assert not read(Output(topic="in.dlq", key=None, value=None, headers=replaced.headers[-4:])).has_record


def test_a_letter_of_an_earlier_version_has_no_time_of_its_record() -> None:
    made = TO.letter(record(), BAD)
    earlier = tuple(header for header in made.headers if header[0] != "record.timestamp")

    letter = read_letter(AT, key=b"k", value=b"v", headers=earlier, dead_lettered_us=5)

    assert (letter.written_us, letter.has_record) == (None, True)


def test_topic_and_code_are_those_of_the_letter_and_not_of_the_original() -> None:
    made = TO.letter(record(headers=(("code", b"mine"),)), BAD)

    assert topic_and_code(made) == ("in", "UNREADABLE")
