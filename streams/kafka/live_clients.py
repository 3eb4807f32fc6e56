"""The clients of this process that live long, and the SASL password that they use when they connect again.

librdkafka (2.16) takes a user and a password while a client runs (``rd_kafka_sasl_set_credentials``): they count from
the next connection, and open ones stay. It has no such function for a certificate, nor for an OAuth client's secret.
"""

import weakref
from contextlib import suppress
from threading import Lock
from typing import Any, Final

from confluent_kafka import Consumer, KafkaException, Producer
from confluent_kafka.admin import AdminClient


class LiveClients:
    """Thread-safe. Clients are held weakly, so that one that is dropped is destroyed."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._clients: weakref.WeakSet[Any] = weakref.WeakSet()
        self._credentials: tuple[str, str] | None = None

    def add(self, client: "Consumer | Producer | AdminClient") -> None:
        """Adds a client. It gets the credentials that replaced those of the start, if there are any."""
        with self._lock:
            self._clients.add(client)
            if self._credentials is not None:
                _replace(client, *self._credentials)

    def replace_credentials(self, user: str, password: str) -> int:
        """Gives all clients, and those to come, other credentials. Returns how many clients took them."""
        with self._lock:
            self._credentials = user, password
            return sum(_replace(client, user, password) for client in self._clients)


LIVE_CLIENTS: Final = LiveClients()
"""Those of this process: clients are made in many places, and a password is that of the whole process."""


def _replace(client: Any, user: str, password: str) -> bool:
    with suppress(KafkaException, RuntimeError):  # another mechanism; a consumer that is closed
        client.set_sasl_credentials(user, password)
        return True
    return False


class TrackedConsumer(Consumer):
    """A consumer among ``LIVE_CLIENTS``."""

    def __init__(self, configuration: dict[str, Any]) -> None:
        super().__init__(configuration)
        LIVE_CLIENTS.add(self)


class TrackedProducer(Producer):
    """A producer among ``LIVE_CLIENTS``."""

    def __init__(self, configuration: dict[str, Any]) -> None:
        super().__init__(configuration)
        LIVE_CLIENTS.add(self)


class TrackedAdminClient(AdminClient):
    """An admin client among ``LIVE_CLIENTS``."""

    def __init__(self, configuration: dict[str, Any]) -> None:
        super().__init__(configuration)
        LIVE_CLIENTS.add(self)
