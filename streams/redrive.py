"""Makes the record with which a dead letter goes to its input topic again. Pure."""

from streams.dead_letter import REDRIVE_ATTEMPTS, REDRIVE_FROM, DeadLetter
from streams.partitioner import partition_for
from streams.records import NewRecord


def redriven(letter: DeadLetter, partitions: int) -> NewRecord:
    """Returns the original record with two further headers; ``partitions`` is the number of the input topic's.

    It has the original key, value, headers, timestamp and partition: another partition would have another lane of the
    key, which knows nothing of the newer values. If the input topic has no such partition any more, or the letter does
    not name it, the record goes to the partition of its key. The further headers name the dead letter and count the
    attempts. They replace those of an earlier redrive. Raises ValueError for a letter that holds no record.
    """
    if not letter.has_record:
        raise ValueError(f"{letter.at} holds no record")
    kept = tuple(header for header in letter.headers if header[0] not in (REDRIVE_FROM, REDRIVE_ATTEMPTS))
    return NewRecord(
        topic=letter.input_topic,
        partition=_partition(letter, partitions),
        key=letter.key,
        value=letter.value,
        headers=(*kept, (REDRIVE_FROM, str(letter.at).encode()), (REDRIVE_ATTEMPTS, str(letter.attempts).encode())),
        time_us=letter.dead_lettered_us if letter.written_us is None else letter.written_us,
    )


def _partition(letter: DeadLetter, partitions: int) -> int:
    origin = letter.origin
    if origin is not None and origin.partition < partitions:
        return origin.partition
    return partition_for(letter.key, partitions)
