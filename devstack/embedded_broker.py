"""An embedded broker: librdkafka's mock cluster in this process, reachable by other processes on 127.0.0.1.

For demonstrations and at-least-once tests: it starts in milliseconds, on a C thread, without Java or a container. Its
data is lost when the process ends. ``CANNOT`` lists what it does not support: a test that relies on one of these would
pass here without proving anything.

The mock's public option gives every topic four partitions and does not answer admin requests. The shared library in
confluent-kafka's Linux wheel exports further functions, called by ctypes: topics of any size, a controller, a short
first rebalance. The header calls that interface experimental; with a wheel that does not export it, the public option
is used (``sized`` is False).
"""

import ctypes
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Final, Protocol, Self

import confluent_kafka

PLAIN_PARTITIONS: Final = 4
"""The number of partitions of every topic with the public option."""

CANNOT: Final[Mapping[str, str]] = MappingProxyType(
    {
        "transactions": "offsets sent to a transaction are lost without an error",
        "read-committed": "aborted and still open records are delivered",
        "fencing": "an older producer with the same transactional id commits without an error",
        "topic-administration": "topics cannot be created or deleted through an administrator; plain, not described",
        "seek-to-time": "the offset for a time is always the end",
        "compaction": "nothing is compacted",
        "retention": "the oldest records go beyond 5 MiB or 100,000 batches in a partition, whatever the topic says",
        "restart": "nothing outlives the process that holds the broker",
        "reset-by-tool": "offsets of a group that had a member can be changed by a member only",
        "hand-over": "a commit while partitions are revoked is refused when the rebalance is already a step further",
        "freeze": "the broker cannot be stopped and continued apart from its holder",
    }
)

CLIENT_PROPERTIES: Final[Mapping[str, str | int]] = MappingProxyType(
    {
        # an empty fetch waits the full time even if data arrives: 477 ms from produce to consume with the default
        "fetch.wait.max.ms": 10,
    }
)
"""Properties that clients of this broker should set; a real broker does not need them."""

_FIRST_REBALANCE_MS: Final = 50
_CONTROLLER: Final = 1
_PRODUCER_TYPE: Final = 0  # rd_kafka_type_t


class _Cluster(Protocol):
    """What both ways to the mock cluster provide."""

    sized: bool
    bootstrap_servers: str

    def create_topic(self, name: str, partitions: int) -> int: ...

    def close(self) -> None: ...


class EmbeddedBroker:
    """A running broker. Use it as a context manager, or call ``close``."""

    def __init__(self, brokers: int = 1) -> None:
        library = _library()
        self._cluster: _Cluster = _PlainCluster(brokers) if library is None else _SteeredCluster(library, brokers)

    @property
    def bootstrap_servers(self) -> str:
        """The broker's addresses, for any process on this machine."""
        return self._cluster.bootstrap_servers

    @property
    def sized(self) -> bool:
        """Whether topics get the requested number of partitions."""
        return self._cluster.sized

    def create_topic(self, name: str, partitions: int) -> int:
        """Creates a topic and returns its number of partitions: the requested one, or 4 with the public option."""
        return self._cluster.create_topic(name, partitions)

    def close(self) -> None:
        """Stops the broker and discards its data. May be called twice."""
        self._cluster.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _PlainCluster:
    """The mock cluster by the public option: a producer with ``test.mock.num.brokers``."""

    sized = False

    def __init__(self, brokers: int) -> None:
        self._holder: confluent_kafka.Producer | None = confluent_kafka.Producer({"test.mock.num.brokers": brokers})
        metadata = self._holder.list_topics(timeout=5)
        self.bootstrap_servers = ",".join(f"{b.host}:{b.port}" for b in metadata.brokers.values())

    def create_topic(self, name: str, partitions: int) -> int:  # noqa: ARG002 - the mock ignores it
        """Requests the topic's metadata, which creates it."""
        if self._holder is None:
            raise RuntimeError("the embedded broker is closed")
        self._holder.list_topics(name, timeout=5)
        return PLAIN_PARTITIONS

    def close(self) -> None:
        self._holder = None


class _SteeredCluster:
    """The mock cluster by librdkafka's exported functions."""

    sized = True

    def __init__(self, library: ctypes.CDLL, brokers: int) -> None:
        self._library = library
        text = ctypes.create_string_buffer(512)
        settings = library.rd_kafka_conf_new()
        # this client never connects to a broker, which it would log at the default level
        library.rd_kafka_conf_set(settings, b"log_level", b"0", text, len(text))
        self._client: int | None = library.rd_kafka_new(_PRODUCER_TYPE, settings, text, len(text))
        if not self._client:
            raise RuntimeError(f"librdkafka: {text.value.decode()}")
        self._mock: int = library.rd_kafka_mock_cluster_new(self._client, brokers)
        library.rd_kafka_mock_set_controller_id(self._mock, _CONTROLLER)
        library.rd_kafka_mock_group_initial_rebalance_delay_ms(self._mock, _FIRST_REBALANCE_MS)
        self.bootstrap_servers = library.rd_kafka_mock_cluster_bootstraps(self._mock).decode()

    def create_topic(self, name: str, partitions: int) -> int:
        if self._client is None:
            raise RuntimeError("the embedded broker is closed")
        code = self._library.rd_kafka_mock_topic_create(self._mock, name.encode(), partitions, 1)
        if code:
            raise confluent_kafka.KafkaException(confluent_kafka.KafkaError(code))
        return partitions

    def close(self) -> None:
        if self._client is not None:
            self._library.rd_kafka_mock_cluster_destroy(self._mock)
            self._library.rd_kafka_destroy(self._client)
            self._client = None


def _library() -> ctypes.CDLL | None:
    """Returns the librdkafka of confluent-kafka with declared function types, or None if it does not export them."""
    folder = Path(confluent_kafka.__file__).parent.parent / "confluent_kafka.libs"
    for path in sorted(folder.glob("librdkafka*.so*")):
        library = ctypes.CDLL(str(path))
        try:
            _declare(library)
        except AttributeError:
            continue
        return library
    return None


def _declare(library: ctypes.CDLL) -> None:
    """Declares the types of rdkafka.h and rdkafka_mock.h. Raises AttributeError for a function that is not exported."""
    handle, text, number = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
    signatures: dict[str, tuple[list[type], type | None]] = {
        "rd_kafka_conf_new": ([], handle),
        "rd_kafka_conf_set": ([handle, text, text, text, ctypes.c_size_t], number),
        "rd_kafka_new": ([number, handle, text, ctypes.c_size_t], handle),
        "rd_kafka_destroy": ([handle], None),
        "rd_kafka_mock_cluster_new": ([handle, number], handle),
        "rd_kafka_mock_cluster_destroy": ([handle], None),
        "rd_kafka_mock_cluster_bootstraps": ([handle], text),
        "rd_kafka_mock_topic_create": ([handle, text, number, number], number),
        "rd_kafka_mock_set_controller_id": ([handle, ctypes.c_int32], None),
        "rd_kafka_mock_group_initial_rebalance_delay_ms": ([handle, ctypes.c_int32], None),
    }
    for name, (arguments, result) in signatures.items():
        function = getattr(library, name)
        function.argtypes = arguments
        function.restype = result
