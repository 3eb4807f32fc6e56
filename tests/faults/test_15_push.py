"""Push notifications trigger a poll early; if they are lost, only time is lost; forged ones have no other effect."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import httpx
import orjson
import pytest
from typer.testing import CliRunner

from connector.cli.main import cli
from devstack.processes import ModuleProcess
from simulator.exchange import Endpoint
from simulator.scenario import made_up_keys
from simulator.signature import sign
from tests.faults.conftest import FAST_MISS, Deploy
from tests.faults.deployment import WatchedDeployment
from tests.harness.tcp_proxy import ForwardedRequest, TcpProxy

SELDOM = {"interval": "1h"}
OFTEN = {"interval": "5s"}
SPACING_S = 5.0
"""The minimum time between two polls that notifications trigger."""
EAGER = "[push]\nretry_after_s = [0.2, 0.2]\nduplicated = 1.0\n"
_, SECRET = made_up_keys("main")


@pytest.fixture
def proxy() -> Iterator[TcpProxy]:
    """A proxy in front of the push receiver; its address is the callback URL."""
    with TcpProxy() as passage:
        yield passage


def receiving(deploy: Deploy, proxy: TcpProxy) -> WatchedDeployment:
    return deploy(
        partitions=1,
        storefronts=("de",),
        catalogue="eans = 20",
        scenario=f"[orders]\nconfirm_delay_s = 0.0\n{EAGER}",
        settings=f'{FAST_MISS}[push]\nenabled = true\nport = 0\npublic_url = "{proxy.url}"\n',
        orders=SELDOM,
        shipments={},
    )


def started(deployment: WatchedDeployment, proxy: TcpProxy) -> ModuleProcess:
    """Starts a connector behind the proxy and waits for its first poll."""
    connector = deployment.connector()
    with connector.health() as health:
        deployment.wait_for("the first poll", lambda: has_polled(health))
    [port] = [orjson.loads(line)["push_port"] for line in connector.text().splitlines() if '"push_port"' in line]
    proxy.lead_to(f"http://127.0.0.1:{port}")
    return connector


def has_polled(health: httpx.Client) -> bool:
    polls = health.get("/status").json().get("orders", {})  # missing while it starts
    return "main" in polls and polls["main"]["last_success"] is not None


def signed(method: str, url: str, body: bytes, *, secret: str = SECRET, at_s: float | None = None) -> dict[str, str]:
    timestamp = str(int(time.time() if at_s is None else at_s))
    return {
        "Content-Type": "application/json",
        "Shop-Timestamp": timestamp,
        "Shop-Signature": sign(secret, method, url, body, timestamp),
    }


def subscribe(deployment: WatchedDeployment, event_name: str) -> None:
    """Subscribes by the command line, as a seller does once; the marketplace verifies the callback URL."""
    said = asked(deployment, "subscribe", "--email", "shop@example.com", "--event", event_name)
    assert f"main: {event_name} on de: subscribed" in said


def asked(deployment: WatchedDeployment, *arguments: str, code: int = 0) -> str:
    """Returns the output of ``connector push``, which runs in this process for speed."""
    done = CliRunner().invoke(cli, ["push", *arguments, "--config", str(deployment.config("one"))])
    assert done.exit_code == code, (done.output, done.exception)
    return done.output


def buy(deployment: WatchedDeployment) -> str:
    made = deployment.marketplace.control.post("orders", json={"pieces": 1}).raise_for_status().json()["orders"]
    order_id: str = made[0]["id_order"]
    return order_id


def notifications(proxy: TcpProxy) -> list[ForwardedRequest]:
    return [passed for passed in proxy.passed if passed.method == "POST"]


def test_a_notification_triggers_a_poll_and_lost_ones_only_delay_it(deploy: Deploy, proxy: TcpProxy) -> None:
    deployment = receiving(deploy, proxy)
    connector = started(deployment, proxy)
    subscribe(deployment, "order_new")

    told = buy(deployment)
    deployment.wait_for("the order that was told of", lambda: told in deployment.newest("orders"))
    deployment.wait_for("its second telling", lambda: len(notifications(proxy)) >= 2)
    proxy.shut()
    untold = buy(deployment)
    deployment.wait_for(
        "the last try to tell of the other",
        lambda: any(push.is_last for push in deployment.marketplace.journal().pushes),
    )
    assert untold not in deployment.newest("orders")
    assert "DISABLED" in asked(deployment, "list", code=1)
    assert connector.stop() == 0
    deployment.orders = OFTEN
    connector = deployment.connector()
    deployment.wait_for("the order that nobody told of", lambda: untold in deployment.newest("orders"))
    said = "the marketplace has disabled subscriptions"
    deployment.wait_for("a word of the disabled subscription", lambda: said in connector.text())
    with connector.health() as health:
        assert health.get("/status").json()["push"]["main"]["disabled"] == ["order_new on de"]
        assert 'connector_push_subscriptions_disabled{account="main"} 1' in health.get("/metrics").text
    assert "is active again" in asked(deployment, "repair")
    assert "DISABLED" not in asked(deployment, "list")

    assert connector.stop() == 0
    assert {passed.status for passed in proxy.passed} == {200}
    assert len(notifications(proxy)) == 2
    assert {row["asked_by"] for row in deployment.rows("scheduler")} == {"push"}


# ---- messages that are rejected -------------------------------------------------------------------------------------


@contextmanager
def outside(proxy: TcpProxy) -> Iterator[httpx.Client]:
    """A client that knows only the address."""
    with httpx.Client(base_url=proxy.url, trust_env=False, timeout=60) as client:
        yield client


def message(name: str, resource: str = "/orders/MB7UWLD/") -> bytes:
    said = {"event_name": name, "id_message": f"made up: {name}", "resource": resource, "storefront": "de"}
    return orjson.dumps(said)


def forged(url: str) -> Iterator[tuple[str, bytes, Mapping[str, str]]]:
    """Yields path, body and headers of messages without a valid signature, or of invalid messages."""
    body = message("order_new")
    right = signed("POST", url, body)
    yield "/main", body, {}
    yield "/main", body, signed("POST", url, body, secret="f" * 64)
    yield "/main", body, signed("POST", f"{url}/", body)
    yield "/main", body, signed("PUT", url, body)
    yield "/main", body + b" ", right
    yield "/main", body, {**right, "Shop-Timestamp": str(int(right["Shop-Timestamp"]) + 1)}
    yield "/main", b"{", signed("POST", url, b"{")
    yield "/main", b"[]", signed("POST", url, b"[]")
    yield "/other", body, right
    yield "/", body, right


MISLEADING: tuple[Mapping[str, str], ...] = (
    {},
    {"mode": "subscribe"},
    {"mode": "unsubscribe", "challenge": "abc"},
    {"mode": "subscribe", "challenge": ""},
    {"mode": "subscribe", "challenge": "<script>alert(1)</script>"},
    {"mode": "subscribe", "challenge": "x" * 513},
)
"""Queries that are not a valid verification of the callback URL."""


def test_forged_replayed_late_and_misleading_messages_trigger_at_most_a_poll(deploy: Deploy, proxy: TcpProxy) -> None:
    deployment = receiving(deploy, proxy)
    connector = started(deployment, proxy)
    subscribe(deployment, "order_new")

    with outside(proxy) as anybody:
        refused = [anybody.post(path, content=body, headers=said) for path, body, said in forged(f"{proxy.url}/main")]
        unverified = [anybody.get("/main", params=query) for query in MISLEADING]
        order_id = buy(deployment)
        deployment.wait_for("the one true order", lambda: order_id in deployment.newest("orders"))
        [genuine, *_] = [passed for passed in notifications(proxy) if passed.status == 200]
        heard_s = time.monotonic()
        replayed = [anybody.post("/main", content=genuine.body, headers=genuine.headers) for _ in range(20)]
        # a poll triggered by a replayed message would begin by the end of the spacing, before what follows
        deployment.wait_for("the end of the spacing", lambda: time.monotonic() > heard_s + SPACING_S)
        late_us = time.time_ns() // 1000
        late = message("item_unit_deleted", f"/order-units/{order_id}/send/")
        yesterday = signed("POST", f"{proxy.url}/main", late, at_s=time.time() - 86_400)
        misleading = anybody.post("/main", content=late, headers=yesterday)
    deployment.wait_for("its poll", lambda: len(deployment.marketplace.journal().polls) >= 3)

    assert connector.stop() == 0
    assert {answer.status_code for answer in refused} <= {400, 401, 404, 405}
    assert {answer.status_code for answer in unverified} == {404}
    assert {answer.text for answer in unverified} == {""}
    assert {answer.status_code for answer in [*replayed, misleading]} == {200}
    first, second = deployment.rows("scheduler")
    assert (first["asked_by"], second["asked_by"]) == ("push", "push")
    assert first["asked_at"] < late_us <= second["asked_at"], "what was replayed rang as well"
    journal = deployment.marketplace.journal()
    assert len(journal.polls) == 3
    assert set(journal.by_kind) == {Endpoint.SUBSCRIPTIONS, Endpoint.SUBSCRIBE, Endpoint.ORDER_UNITS, Endpoint.ORDER}
    assert sum(call.kind is Endpoint.SUBSCRIBE for call in journal.calls) == 1, "something was subscribed by itself"
    assert deployment.marketplace.units() == deployment.units_before
    assert [row["order_id"] for row in deployment.rows("orders")] == [order_id]
    assert {call["kind"] for call in deployment.calls()} <= {"order-page", "order", "subscriptions"}
    for silent in ("offer-results", "offers-not-found", "offer-state", "shipment-results", "shipment-state"):
        assert list(deployment.read(silent)) == [], silent
