"""A changed file of the broker's password is given to the clients that run."""

from pathlib import Path

import pytest

from connector.settings.model import KafkaSettings
from connector.startup.broker_password import BrokerPassword


class RecordedClients:
    def __init__(self) -> None:
        self.given: list[tuple[str, str]] = []

    def replace(self, user: str, password: str) -> int:
        self.given.append((user, password))
        return 3


@pytest.fixture
def clients() -> RecordedClients:
    return RecordedClients()


def watching(folder: Path, clients: RecordedClients, *files: str, **properties: str) -> BrokerPassword:
    named = {name: folder / name for name in files}
    for file in named.values():
        file.write_text(f"first-{file.name}\n")
    kafka = KafkaSettings(
        bootstrap_servers="b",
        group="g",
        start="latest",
        instance_id="i",
        properties=properties,
        properties_from_files=named,
    )
    return BrokerPassword(kafka, clients.replace)


def test_a_changed_password_is_given_once(tmp_path: Path, clients: RecordedClients) -> None:
    watch = watching(tmp_path, clients, "sasl.password", **{"sasl.username": "me"})

    assert not watch.look()
    (tmp_path / "sasl.password").write_text("second\n")
    assert watch.look()
    assert not watch.look()
    assert clients.given == [("me", "second")]


def test_a_changed_user_is_given_with_its_password(tmp_path: Path, clients: RecordedClients) -> None:
    watch = watching(tmp_path, clients, "sasl.password", "sasl.username")

    (tmp_path / "sasl.username").write_text("other")
    assert watch.look()
    assert clients.given == [("other", "first-sasl.password")]


def test_a_file_that_is_missing_or_empty_for_a_moment_changes_nothing(tmp_path: Path, clients: RecordedClients) -> None:
    watch = watching(tmp_path, clients, "sasl.password", **{"sasl.username": "me"})

    (tmp_path / "sasl.password").write_text("")
    assert not watch.look()
    (tmp_path / "sasl.password").unlink()
    assert not watch.look()
    assert clients.given == []


def test_without_a_password_from_a_file_there_is_nothing_to_follow(tmp_path: Path, clients: RecordedClients) -> None:
    watch = watching(tmp_path, clients, "ssl.key.password")

    watch.follow(lambda _: None, _Never())
    assert clients.given == []


class _Never:
    """A stop that is never requested: who waits for it waits for ever."""

    def wait(self, timeout: float | None = None) -> bool:
        raise AssertionError(f"waits {timeout}")

    def is_set(self) -> bool:
        return False
