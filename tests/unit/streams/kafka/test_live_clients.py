"""Clients that run get a replaced password, also those that are made later from older properties."""

import gc
from collections.abc import Callable, Mapping

import pytest

from streams.kafka import live_clients
from streams.kafka.live_clients import LiveClients, TrackedAdminClient, TrackedConsumer, TrackedProducer
from streams.kafka.settings import KafkaConnection

SCRAM = {
    "bootstrap.servers": "127.0.0.1:1",
    "security.protocol": "SASL_PLAINTEXT",
    "sasl.mechanism": "SCRAM-SHA-512",
    "sasl.username": "me",
    "sasl.password": "old",
    "log_level": 0,
}


@pytest.fixture
def clients(monkeypatch: pytest.MonkeyPatch) -> LiveClients:
    made = LiveClients()
    monkeypatch.setattr(live_clients, "LIVE_CLIENTS", made)
    return made


def opened(properties: Mapping[str, object]) -> list[TrackedConsumer | TrackedProducer | TrackedAdminClient]:
    return [
        TrackedConsumer({**properties, "group.id": "g"}),
        TrackedProducer(dict(properties)),
        TrackedAdminClient(dict(properties)),
    ]


def test_clients_of_every_kind_take_a_replaced_password(clients: LiveClients) -> None:
    kept = opened(SCRAM)

    assert clients.replace_credentials("me", "new") == len(kept)


def test_a_client_that_is_dropped_is_forgotten_and_a_closed_one_is_no_error(clients: LiveClients) -> None:
    consumer, producer, admin = opened(SCRAM)
    assert isinstance(consumer, TrackedConsumer)
    consumer.close()
    del producer
    gc.collect()

    assert clients.replace_credentials("me", "new") == 1
    assert admin is not None


def test_a_client_without_sasl_does_not_stop_the_others(clients: LiveClients) -> None:
    kept = [*opened({"bootstrap.servers": "127.0.0.1:1", "log_level": 0}), *opened(SCRAM)]

    assert clients.replace_credentials("me", "new") >= 3
    assert len(kept) == 6


def test_a_client_that_is_made_later_gets_the_replaced_password(clients: LiveClients) -> None:
    given: list[tuple[str, str]] = []

    class Later:
        def set_sasl_credentials(self, user: str, password: str) -> None:
            given.append((user, password))

    clients.add(Later())  # type: ignore[arg-type]
    clients.replace_credentials("me", "new")
    clients.add(late := Later())  # type: ignore[arg-type]

    assert given[-1] == ("me", "new")
    assert late is not None


def test_properties_from_files_are_read_for_each_client() -> None:
    passwords = iter(["first", "second"])
    source: Callable[[], str] = lambda: next(passwords)  # noqa: E731
    connection = KafkaConnection(
        bootstrap_servers="b", client_id="c", properties={"sasl.username": "me"}, from_files={"sasl.password": source}
    )

    assert [connection.admin()["sasl.password"] for _ in range(2)] == ["first", "second"]
    assert "first" not in repr(connection)
