"""The headers of a state record are read as they were written; headers in another format are a fault of that record."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from streams.flow import Assignment, Stored, Waits
from streams.lanes.record_headers import headers_of, restored
from tests.harness.engine_driver import EngineDriver
from tests.harness.toy_flow import Room, encode

INT64 = st.integers(min_value=-(2**63), max_value=2**63 - 1)
NUMBERED = ["due", "open", "reader"]
ROOM = encode(Room(key="cellar", last_offset=0))


@given(
    due=st.none() | INT64,
    since=st.none() | INT64,
    waits=st.lists(st.builds(Waits, account=st.from_regex(r"[^;]+", fullmatch=True), priority=INT64, since_us=INT64)),
)
def test_headers_survive_encoding_and_decoding(due: int | None, since: int | None, waits: list[Waits]) -> None:
    stored = Stored(value=b"v", undone=True, due_us=due, open_since_us=since, waits=tuple(waits))

    assert restored(b"v", headers_of(stored), 7) == stored


@pytest.mark.parametrize("name", NUMBERED)
@pytest.mark.parametrize("sign", ["", "-"])
def test_a_number_of_400_digits_is_a_fault_of_its_record(name: str, sign: str) -> None:
    assert (
        "headers were not written by this connector"
        in restored(b"v", ((name, f"{sign}{'9' * 400}".encode()),), 7).fault
    )


@given(headers=st.lists(st.tuples(st.sampled_from([*NUMBERED, "waits", "announced", "undone"]), st.binary())))
@example(headers=[("waits", b"main 0 " + b"9" * 400)])
@example(headers=[("waits", b"main " + b"9" * 400 + b" 0")])
def test_whatever_stands_in_the_headers_a_number_that_was_read_fits_into_64_bits(
    headers: list[tuple[str, bytes]],
) -> None:
    stored = restored(b"v", tuple(headers), 7)

    numbers = [stored.due_us or 0, stored.open_since_us or 0, stored.reader]
    numbers += [number for waits in stored.waits for number in (waits.priority, waits.since_us)]
    assert all(-(2**63) <= number < 2**63 for number in numbers)


@pytest.mark.parametrize("text", ["9" * 400, str(2**63 - 1), str(-(2**63))])
def test_any_timestamp_in_a_header_is_handled(text: str) -> None:
    driver = EngineDriver()
    state = {"cellar": restored(ROOM, (("due", text.encode()), ("open", text.encode())), 7)}
    at: Assignment = driver.assign(state=state)
    driver.event(at, "hall")
    driver.run(20)

    assert driver.stops == []
