"""Whether a consumer group's metadata makes the broker check that its sender is still a member.

Kafka takes the offsets of a transaction without any check when they come with no generation and an empty member id, as
those of a client do that has not joined (``validateOffsetCommit`` of its group coordinator, for clients without a
group). A process that has just lost its partitions must not write then.

The client hands out the metadata as bytes, which its transactions take: a name of the form, the generation in four
bytes, then group and member id with a zero behind each (librdkafka 2.16.0, ``rd_kafka_consumer_group_metadata_write``).
"""

from typing import Final

_FORM: Final = b"CGMDv2:"
_GENERATION: Final = 4
_NONE: Final = b"\xff" * _GENERATION  # -1, whatever the order of bytes


def identifies_member(metadata: bytes) -> bool:
    """Metadata of another form than the known one counts as a member's."""
    if not metadata.startswith(_FORM):
        return True
    generation, rest = metadata[len(_FORM) :][:_GENERATION], metadata[len(_FORM) + _GENERATION :]
    _group, member_id = rest.split(b"\0")[:2]
    return generation != _NONE and member_id != b""
