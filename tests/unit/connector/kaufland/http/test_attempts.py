"""Each attempt is signed when it is sent: a request that waited in a queue, or is retried, is signed again."""

import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest

from connector.kaufland.account import KauflandAccount
from connector.kaufland.adapter import Kaufland, kaufland
from connector.kaufland.http.address import address
from connector.kaufland.http.credentials import Credentials
from streams.clock import uptime_s
from streams.flow import Answer, Now, Retry
from tests.unit.connector.kaufland.answering_server import AnsweringServer, Received, answer, answering
from tests.unit.connector.kaufland.independent_check import faults_of
from tests.unit.connector.kaufland.wants import call, update

CLIENT_KEY, SECRET_KEY = "c" * 32, "5" * 64


class LateClock:
    """A clock that is ``on_s`` seconds ahead of the real one."""

    on_s = 0.0

    def now(self) -> Now:
        return Now(mono_s=uptime_s() + self.on_s, wall_us=time.time_ns() // 1000 + round(self.on_s * 1e6))


class IdleAdapter:
    """An adapter with a clock that a test can advance."""

    def __init__(self, server: AnsweringServer, user_agent: str | None = None) -> None:
        self.clock = LateClock()
        account = KauflandAccount(
            name="main",
            credentials=Credentials.of(CLIENT_KEY, SECRET_KEY),
            address=address(server.base_url, dev=True),
        )
        if user_agent is not None:
            account = replace(account, user_agent=user_agent)
        self.adapter: Kaufland = kaufland([account], clock=self.clock)

    def sends(self, attempt: int) -> Answer:
        """Makes one call with an update; ``attempt``: the number of its attempt."""
        give_up_at_s = self.clock.now().mono_s + 5
        made = replace(call(update(1, stock=5), attempt=attempt), send_by_s=give_up_at_s, give_up_at_s=give_up_at_s)
        return self.adapter.call(made)


@pytest.fixture
def server() -> Iterator[AnsweringServer]:
    with answering(lambda _request, _sock: answer(503)) as opened:
        yield opened


def faults(request: Received) -> list[str]:
    return faults_of(
        method=request.method,
        scheme="http",
        target=request.target,
        headers=request.headers,
        body=request.body,
        client_key=CLIENT_KEY,
        secret_key=SECRET_KEY,
        now_s=int(request.headers["shop-timestamp"]),
    )


def test_a_second_attempt_has_a_new_timestamp_and_a_signature_of_its_own(server: AnsweringServer) -> None:
    idle = IdleAdapter(server)
    with closing(idle.adapter):
        first = idle.sends(attempt=1)
        idle.clock.on_s = 1000.0  # longer than any clock window
        idle.sends(attempt=2)

    assert all(isinstance(reply, Retry) for reply in first.replies)
    one, two = server.received
    assert one.body == two.body
    waited_s = int(two.headers["shop-timestamp"]) - int(one.headers["shop-timestamp"])
    assert waited_s == pytest.approx(1000, abs=2)
    assert one.headers["shop-signature"] != two.headers["shop-signature"]
    assert faults(one) == faults(two) == []


def test_the_user_agent_names_product_and_version_and_may_be_ones_own(server: AnsweringServer) -> None:
    for idle in (IdleAdapter(server), IdleAdapter(server, user_agent="acme-sync/7")):
        with closing(idle.adapter):
            idle.sends(attempt=1)

    ours, own = (request.headers["user-agent"] for request in server.received)
    assert ours.startswith("kaufland-stream-connector/")
    assert ours.partition("/")[2][0].isdigit()
    assert own == "acme-sync/7"
