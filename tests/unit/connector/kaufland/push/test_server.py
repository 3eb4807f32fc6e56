"""The push server over real sockets: a signed notification triggers a poll, at most one in a while."""

import threading
import time
from collections.abc import Callable, Iterator

import httpx
import pytest

from connector.kaufland.push.notifications import MAX_BODY_BYTES
from connector.kaufland.push.server import PollTrigger, PushServer
from streams.errors import SinkFailed
from tests.unit.connector.kaufland.push.test_notifications import SUBSCRIBERS, body, headers


class Rings:
    """Records the accounts for which a poll was triggered; the first ``fail`` calls raise SinkFailed."""

    def __init__(self, fail: int = 0) -> None:
        self.accounts: list[str] = []
        self._fail = fail
        self._changed = threading.Condition()

    def __call__(self, account: str) -> None:
        with self._changed:
            if self._fail:
                self._fail -= 1
                raise SinkFailed("no broker")
            self.accounts.append(account)
            self._changed.notify_all()

    def wait(self, count: int) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: len(self.accounts) >= count, timeout=120)


@pytest.fixture
def rings() -> Rings:
    return Rings()


@pytest.fixture
def client(rings: Rings) -> Iterator[httpx.Client]:
    with PushServer(SUBSCRIBERS, host="127.0.0.1", port=0, poll=rings) as server:
        base_url = f"http://127.0.0.1:{server.port}"
        with httpx.Client(base_url=base_url, trust_env=False, timeout=120) as client:
            yield client


def test_a_verification_is_answered_with_exactly_the_challenge(client: httpx.Client) -> None:
    answer = client.get("/main", params={"mode": "subscribe", "challenge": "abc-123"})

    assert (answer.status_code, answer.content) == (200, b"abc-123")
    assert client.get("/main", params={"mode": "subscribe", "challenge": "<b>"}).status_code == 404


def test_a_signed_message_triggers_a_poll_and_a_replayed_or_forged_one_does_not(
    client: httpx.Client, rings: Rings
) -> None:
    content = body()

    statuses = [
        client.post("/main", content=content, headers=said).status_code
        for said in (headers(content, secret="forged"), headers(content), headers(content))
    ]

    assert statuses == [401, 200, 200]
    assert rings.wait(1)
    assert rings.accounts == ["main"]


def test_an_endless_body_is_cut_off(client: httpx.Client) -> None:
    assert client.post("/main", content=b"x" * (MAX_BODY_BYTES + 1)).status_code == 413


def within(trigger: PollTrigger, do: Callable[[], None]) -> None:
    """Runs a test with a trigger, and closes the trigger."""
    try:
        do()
    finally:
        trigger.close()


def test_many_notifications_trigger_one_poll_now_and_one_after_the_spacing(rings: Rings) -> None:
    trigger = PollTrigger(rings, spacing_s=1.0)

    def request() -> None:
        began_s = time.monotonic()
        for _ in range(50):
            trigger.request("main")
        assert rings.wait(1)
        for _ in range(50):
            trigger.request("main")
        assert rings.wait(2)
        assert time.monotonic() - began_s >= 1.0

    within(trigger, request)
    assert rings.accounts == ["main", "main"]


def test_a_failed_trigger_is_tried_again() -> None:
    rings = Rings(fail=2)
    trigger = PollTrigger(rings, spacing_s=0.01)

    def request() -> None:
        trigger.request("main")
        assert rings.wait(1)

    within(trigger, request)
    assert rings.accounts == ["main"]
