"""The partition of a key, chosen exactly as by Kafka's Java client, so that all producers agree. Pure."""

_MASK = 0xFFFFFFFF
_M = 0x5BD1E995
_SEED = 0x9747B28C


def murmur2(data: bytes) -> int:
    """Returns MurmurHash2 with Kafka's seed, as unsigned 32 bits (``org.apache.kafka.common.utils.Utils.murmur2``)."""
    length = len(data)
    h = _SEED ^ length
    whole = length & ~3
    for at in range(0, whole, 4):
        k = int.from_bytes(data[at : at + 4], "little") * _M & _MASK
        k = (k ^ k >> 24) * _M & _MASK
        h = h * _M & _MASK ^ k
    if length > whole:
        h = (h ^ int.from_bytes(data[whole:], "little")) * _M & _MASK
    h = (h ^ h >> 13) * _M & _MASK
    return h ^ h >> 15


def partition_for(key: bytes | None, partitions: int) -> int:
    """Returns the partition of a key; 0 without a key, where Kafka's client may choose any.

    Raises ValueError when ``partitions`` is below 1.
    """
    if partitions < 1:
        raise ValueError(f"a topic has at least 1 partition, got {partitions}")
    if key is None:
        return 0
    return (murmur2(key) & 0x7FFFFFFF) % partitions
