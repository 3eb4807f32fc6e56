"""Looks up the ids of topics: one that is deleted and created again gets another."""

from collections.abc import Callable, Mapping
from math import inf
from typing import Any, Final

from confluent_kafka import KafkaException, TopicCollection

from streams.clock import uptime_s
from streams.kafka.admin_client import RenewingAdminClient, renewing_admin

_KEPT_S: Final = 5.0
_TIMEOUT_S: Final = 2.0


class TopicIds:
    """The ids of topics, each at most five seconds old; so is that one is not told. Used by one thread."""

    def __init__(self, configuration: Mapping[str, Any], clock: Callable[[], float] = uptime_s) -> None:
        """``configuration``: of an admin client."""
        self._configuration = configuration
        self._admin: RenewingAdminClient | None = None  # opened by the first request
        self._clock = clock
        self._found: dict[str, tuple[float, str]] = {}  # when it was asked for, and the id

    def of(self, topic: str) -> str:
        """Returns the topic's id; empty if the broker has not told it. Blocks for two seconds at most, every five."""
        asked_s, found = self._found.get(topic, (-inf, ""))
        if self._clock() - asked_s < _KEPT_S:
            return found
        found = self._ask(topic)
        self._found[topic] = self._clock(), found
        return found

    def _ask(self, topic: str) -> str:
        self._admin = self._admin or renewing_admin(self._configuration, self._clock)
        asked = self._admin.client.describe_topics(TopicCollection([topic]), request_timeout=_TIMEOUT_S)[topic]
        try:
            found = str(asked.result(_TIMEOUT_S).topic_id)
        except (KafkaException, TimeoutError) as error:
            self._admin.report([error])
            return ""
        self._admin.report([None])
        return found
