"""Keys and bytes are printed so that no terminal takes them for commands, and nothing of them is lost."""

from hypothesis import given
from hypothesis import strategies as st

from connector.contracts.codec import encoder_of_strings
from connector.operations.dlq.texts import bytes_text, hex_lines, key_text


@given(st.binary(max_size=40))
def test_any_bytes_are_printable_and_can_be_told_back(data: bytes) -> None:
    text = bytes_text(data)

    assert text.isprintable()
    assert text.encode() == data or bytes.fromhex(text.removeprefix("0x")) == data


@given(st.text(max_size=20))
def test_an_avro_key_is_its_text_without_asking_the_registry(text: str) -> None:
    key = encoder_of_strings(7)(text)

    assert key_text(key, avro=True) == (text if text.isprintable() else bytes_text(key))


def test_a_key_that_is_missing_or_not_avro_is_shown_as_what_it_is() -> None:
    assert key_text(None, avro=False) == "(none)"
    assert key_text(b"4006381333931", avro=True) == "4006381333931"
    assert key_text(b"\xff\x00", avro=True) == "0xff00"


@given(st.binary(max_size=70))
def test_a_dump_has_every_byte_once(data: bytes) -> None:
    lines = list(hex_lines(data))

    assert bytes.fromhex("".join(line[8:55] for line in lines)) == data
    assert all(line.isprintable() for line in lines)
    assert [int(line[:6], 16) for line in lines] == list(range(0, len(data), 16))
