"""What the Kafka clients of this process report, from the statistics of librdkafka (its STATISTICS.md). Pure.

librdkafka reports some hundred numbers for each broker and partition. These few are kept, because each answers a
question that nothing else in the process answers: is a broker slow or does it throttle us (round trip, throttling), do
requests pile up before it (waiting), does the network break (time-outs, connections lost), do fetched records wait for
the engine or produced ones for the broker (queued), does the group rebalance again and again (rebalances), and does a
transaction hang, in which state (transaction).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

CONSUMER: Final = "consumer"
PRODUCER: Final = "producer"
"""The names of the clients: what reads the inputs, and what writes the checkpoints."""
_NO_BROKER: Final = -1
"""The node id of a configured address and of the connection to the group's coordinator, which is a broker's, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientReading:
    """The state of one client; the counts are those since it was opened."""

    round_trips_s: Mapping[str, float] = field(default_factory=dict)  # by broker id: 99 of 100 requests were faster
    requests_waiting: int = 0  # to be sent or to be answered
    throttled_s: float = 0.0  # the longest time that a broker made it wait because of a quota
    records_queued: int = 0  # a consumer's: fetched and not read; a producer's: not acknowledged
    timeouts: int = 0  # requests that were not answered in time
    disconnects: int = 0
    rebalances: int | None = None  # of the group, as a member; None for a producer
    transaction: tuple[str, float] | None = None  # state, and for how many seconds; None without transactions


def reading(statistics: Mapping[str, Any]) -> ClientReading:
    """Returns the reading of a client's statistics. What is missing in them counts as 0."""
    brokers: list[Mapping[str, Any]] = list(statistics.get("brokers", {}).values())
    return ClientReading(
        round_trips_s=_round_trips(brokers),
        requests_waiting=sum(one.get("outbuf_cnt", 0) + one.get("waitresp_cnt", 0) for one in brokers),
        throttled_s=max((one.get("throttle", {}).get("max", 0) for one in brokers), default=0) / 1e3,
        records_queued=_queued(statistics),
        timeouts=sum(one.get("req_timeouts", 0) for one in brokers),
        disconnects=sum(one.get("disconnects", 0) for one in brokers),
        rebalances=statistics["cgrp"].get("rebalance_cnt", 0) if "cgrp" in statistics else None,
        transaction=_transaction(statistics.get("eos", {})),
    )


class ClientReadings:
    """The newest reading of each client. Each client's thread puts its own; any thread may read."""

    def __init__(self) -> None:
        self._readings: dict[str, ClientReading] = {}

    def put(self, client: str, found: ClientReading) -> None:
        """Replaces the reading of a client."""
        self._readings[client] = found

    def all(self) -> Mapping[str, ClientReading]:
        """Returns the readings by client."""
        return self._readings.copy()


def _round_trips(brokers: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """Returns the round trip by node id; a broker without requests in the last interval is left out."""
    found: dict[str, float] = {}
    for one in brokers:
        times, node = one.get("rtt", {}), one.get("nodeid", _NO_BROKER)
        if node > _NO_BROKER and times.get("cnt", 0) > 0:
            found[str(node)] = max(times.get("p99", 0) / 1e6, found.get(str(node), 0.0))
    return found


def _queued(statistics: Mapping[str, Any]) -> int:
    if statistics.get("type") == PRODUCER:
        return int(statistics.get("msg_cnt", 0))
    topics = statistics.get("topics", {}).values()
    return sum(part.get("fetchq_cnt", 0) for topic in topics for part in topic.get("partitions", {}).values())


def _transaction(eos: Mapping[str, Any]) -> tuple[str, float] | None:
    """Returns the state of the transactional producer; ``Init`` is that of one without transactions."""
    state = eos.get("txn_state", "Init")
    return None if state == "Init" else (str(state), eos.get("txn_stateage", 0) / 1e3)
