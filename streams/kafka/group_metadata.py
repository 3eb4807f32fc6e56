"""Tells whether consumer group metadata lets the broker check that its sender is still a member.

Kafka accepts the offsets of a transaction unchecked if they come without a generation and with an empty member id, as
from a client that has not joined (``validateOffsetCommit`` of the group coordinator, meant for clients without a
group). A process that has just lost its partitions must not commit that way.

The client exposes the metadata as opaque bytes: a magic prefix, the generation in four bytes, then group id and member
id, each terminated by a zero byte (librdkafka 2.16.0, ``rd_kafka_consumer_group_metadata_write``).
"""

from typing import Final

_MAGIC: Final = b"CGMDv2:"
_GENERATION_BYTES: Final = 4
_NO_GENERATION: Final = b"\xff" * _GENERATION_BYTES  # -1, in either byte order


def identifies_member(metadata: bytes) -> bool:
    """Whether the metadata names a generation and a member. Metadata in an unknown format counts as a member's."""
    if not metadata.startswith(_MAGIC):
        return True
    generation, rest = metadata[len(_MAGIC) :][:_GENERATION_BYTES], metadata[len(_MAGIC) + _GENERATION_BYTES :]
    _group, member_id = rest.split(b"\0")[:2]
    return generation != _NO_GENERATION and member_id != b""
