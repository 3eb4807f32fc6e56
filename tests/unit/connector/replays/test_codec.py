"""Progress of replays as Avro: every row survives, and what is no row never raises."""

from hypothesis import given, settings
from hypothesis import strategies as st

from connector.contracts.codec import SchemaIds
from connector.replays.codec import ReplayProgressCodec
from connector.replays.progress import ReplayProgress, ReplayState
from streams.avro.codec import frame
from streams.flow import BadRecord, NotYet
from tests.harness.effort import examples

CODEC = ReplayProgressCodec(SchemaIds(values={"replay_progress": 1}), dict[int, str]().get)

offsets = st.integers(0, 2**40)
rows = st.builds(
    ReplayProgress,
    replay_id=st.text(max_size=8),
    input_topic=st.text(max_size=8),
    partition=st.integers(0, 2**31 - 1),
    start=offsets,
    end=offsets,
    position=offsets,
    delivered=offsets,
    state=st.sampled_from(ReplayState),
    reported_at_us=st.integers(0, 2**53),
)


@settings(max_examples=examples(100))
@given(rows)
def test_every_row_survives_a_round_trip(row: ReplayProgress) -> None:
    assert CODEC.decode(CODEC.encode(row)) == row


@settings(max_examples=examples(100))
@given(st.binary(max_size=60), st.booleans())
def test_no_bytes_make_the_decoder_raise(data: bytes, framed: bool) -> None:
    assert isinstance(CODEC.decode(frame(1) + data if framed else data), ReplayProgress | BadRecord | NotYet)
