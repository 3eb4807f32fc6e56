"""Push subscriptions over real sockets: the challenge, signed messages, retries, and the end of a subscription."""

import hashlib
import hmac
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from devstack.waiting import until
from simulator.faults.mishaps import Delay, InjectedFault, Match
from simulator.simulator import Simulator
from tests.unit.simulator.callback_server import CallbackServer
from tests.unit.simulator.caller import SigningCaller
from tests.unit.simulator.conftest import Start, caller_of

RETRIES = {"retry_after_s": [0.02, 0.02], "answer_within_s": 0.5, "verify_within_s": 0.5}


@pytest.fixture
def simulator(start: Start) -> Simulator:
    return start(push=RETRIES, orders={"confirm_delay_s": 60.0}, catalogue={"eans": 5, "storefronts": ["de"]})


@pytest.fixture
def caller(simulator: Simulator) -> Iterator[SigningCaller]:
    with caller_of(simulator) as client:
        yield client


@pytest.fixture
def subscriber() -> Iterator[CallbackServer]:
    with CallbackServer() as one:
        yield one


def wait_for(condition: Callable[[], Any]) -> None:
    until("it", lambda: bool(condition()), every_s=0.005)


def subscribe(caller: SigningCaller, url: str, event_name: str = "order_new", storefront: str = "de") -> httpx.Response:
    body = {"callback_url": url, "fallback_email": "shop@example.org", "event_name": event_name}
    return caller.call("POST", f"/subscriptions?storefront={storefront}", body)


def test_an_address_that_answers_the_challenge_is_subscribed(caller: SigningCaller, subscriber: CallbackServer) -> None:
    answer = subscribe(caller, subscriber.url)

    one = answer.json()["data"]
    assert (answer.status_code, one["is_active"], one["storefront"]) == (201, True, "de")
    assert subscriber.modes == ["subscribe", "demo"]
    assert caller.call("GET", f"/subscriptions/{one['id_subscription']}").json()["data"] == one
    assert caller.call("GET", "/subscriptions?event_name=order_new").json()["data"] == [one]
    assert caller.call("GET", "/subscriptions?event_name=return_new").json()["data"] == []


@pytest.mark.parametrize(
    "answer_challenge",
    [
        lambda challenge: (200, challenge + "0"),
        lambda challenge: (200, ""),
        lambda challenge: (201, challenge),
        lambda challenge: (500, challenge),
    ],
    ids=["another text", "nothing", "another status", "an error"],
)
def test_an_address_that_does_not_prove_itself_is_refused(
    caller: SigningCaller, subscriber: CallbackServer, answer_challenge: Any
) -> None:
    subscriber.answer_challenge = answer_challenge

    answer = subscribe(caller, subscriber.url)

    assert (answer.status_code, answer.json()["type"]) == (400, "/problems/subscriptions/unverified-callback-url")
    assert caller.call("GET", "/subscriptions").json()["data"] == []


def test_a_callback_url_without_a_server_is_refused(caller: SigningCaller) -> None:
    assert subscribe(caller, "http://127.0.0.1:1/push").status_code == 400


def test_one_subscription_for_an_event_and_storefront(caller: SigningCaller, subscriber: CallbackServer) -> None:
    subscribe(caller, subscriber.url)

    again, other = subscribe(caller, subscriber.url), subscribe(caller, subscriber.url, "order_unit_new")

    assert (again.status_code, again.json()["type"]) == (400, "/problems/already-exists")
    assert other.status_code == 201


def test_a_message_says_what_changed_and_is_signed_by_the_sellers_secret(
    caller: SigningCaller, subscriber: CallbackServer, simulator: Simulator
) -> None:
    subscribe(caller, subscriber.url)

    (id_order,) = simulator.add_orders()
    wait_for(lambda: subscriber.received)

    (received,) = subscriber.received
    message, timestamp = received.message, received.headers["shop-timestamp"]
    text = b"\n".join((b"POST", subscriber.url.encode(), received.body, timestamp.encode()))
    signature = hmac.new(caller.secret_key.encode(), text, hashlib.sha256).hexdigest()
    assert received.headers["shop-signature"] == signature
    assert abs(int(timestamp) - time.time()) < 60
    assert message == {
        "event_name": "order_new",
        "id_message": message["id_message"],
        "resource": f"/orders/{id_order}/",
        "storefront": "de",
    }


def test_each_change_is_sent_to_its_subscribers(
    caller: SigningCaller, subscriber: CallbackServer, simulator: Simulator
) -> None:
    for name in ("order_unit_new", "order_unit_status_changed", "return_new", "return_status_changed"):
        subscribe(caller, subscriber.url, name)
    simulator.add_orders(pieces=1)
    unit_id = simulator.orders()[0]["order_units"][0]["id_order_unit"]
    with httpx.Client(base_url=simulator.control_url, trust_env=False) as control:
        for step in ("advance", "advance", "return"):
            assert control.post(f"order-units/{unit_id}/{step}").status_code == 204

    wait_for(lambda: len(subscriber.received) == 4)
    events = sorted(received.message["event_name"] for received in subscriber.received)
    assert events == ["order_unit_new", "order_unit_status_changed", "order_unit_status_changed", "return_new"]
    assert len({received.message["id_message"] for received in subscriber.received}) == 4


def test_a_message_that_is_refused_comes_again_and_then_the_subscription_ends(
    caller: SigningCaller, subscriber: CallbackServer, simulator: Simulator
) -> None:
    one = subscribe(caller, subscriber.url).json()["data"]
    subscriber.status = 500

    simulator.add_orders()
    wait_for(lambda: len(simulator.journal.pushes) == 3)

    assert len({(received.body, received.headers["shop-timestamp"]) for received in subscriber.received}) == 1
    assert [(row.attempt, row.status, row.is_last) for row in simulator.journal.pushes] == [
        (1, 500, False),
        (2, 500, False),
        (3, 500, True),
    ]
    path = f"/subscriptions/{one['id_subscription']}"
    assert caller.call("GET", path).json()["data"]["is_active"] is False

    simulator.add_orders()
    assert caller.call("PATCH", path, {"is_active": True}).json()["data"]["is_active"] is True
    subscriber.status = 204
    (id_order,) = simulator.add_orders()
    wait_for(lambda: len(simulator.journal.pushes) == 4)
    assert simulator.journal.pushes[-1].resource == f"/orders/{id_order}/"  # missed messages are not sent again


def test_a_message_that_is_accepted_at_last_does_not_come_again(
    caller: SigningCaller, subscriber: CallbackServer, simulator: Simulator
) -> None:
    subscribe(caller, subscriber.url)
    subscriber.status = 503
    simulator.add_orders()
    wait_for(lambda: subscriber.received)

    subscriber.status = 202
    wait_for(lambda: simulator.journal.pushes and simulator.journal.pushes[-1].status == 202)

    assert not any(row.is_last for row in simulator.journal.pushes)


def test_a_refused_connection_counts_as_refused(caller: SigningCaller, simulator: Simulator) -> None:
    with CallbackServer() as gone:
        subscribe(caller, gone.url)

    simulator.add_orders()

    wait_for(lambda: len(simulator.journal.pushes) == 3)
    assert {row.status for row in simulator.journal.pushes} == {0}


def test_messages_may_come_twice_when_the_scenario_says_so(start: Start, subscriber: CallbackServer) -> None:
    simulator = start(push=RETRIES | {"duplicated": 1.0}, catalogue={"eans": 5, "storefronts": ["de"]})
    with caller_of(simulator) as caller:
        subscribe(caller, subscriber.url)
        simulator.add_orders()
        wait_for(lambda: len(subscriber.received) == 2)

    assert len({received.message["id_message"] for received in subscriber.received}) == 1


def test_another_address_must_prove_itself_too(caller: SigningCaller, subscriber: CallbackServer) -> None:
    one = subscribe(caller, subscriber.url).json()["data"]
    path = f"/subscriptions/{one['id_subscription']}"
    subscriber.answer_challenge = lambda _: (200, "no")

    refused = caller.call("PATCH", path, {"callback_url": f"{subscriber.url}&new=1"})
    unchanged = caller.call("PATCH", path, {"callback_url": subscriber.url, "fallback_email": "other@example.org"})

    assert refused.json()["type"] == "/problems/subscriptions/unverified-callback-url"
    assert unchanged.json()["data"] == one | {"fallback_email": "other@example.org"}


def test_after_unsubscribing_no_message_is_sent(
    caller: SigningCaller, subscriber: CallbackServer, simulator: Simulator
) -> None:
    gone, kept = (
        subscribe(caller, subscriber.url, name).json()["data"]["id_subscription"]
        for name in ("order_new", "order_unit_new")
    )

    assert caller.call("DELETE", f"/subscriptions/{gone}").status_code == 204
    assert caller.call("DELETE", f"/subscriptions/{gone}").status_code == 404
    simulator.add_orders(pieces=1)
    wait_for(lambda: subscriber.received)

    assert {row.id_subscription for row in simulator.journal.pushes} <= {kept}
    assert [received.message["event_name"] for received in subscriber.received] == ["order_unit_new"]


def test_a_subscription_can_be_slowed_as_any_other_call(
    caller: SigningCaller, subscriber: CallbackServer, simulator: Simulator
) -> None:
    simulator.set_fault(InjectedFault(name="slow", mishap=Delay(wait_s=0.01), match=Match(path="/subscriptions")))

    assert subscribe(caller, subscriber.url).status_code == 201
    assert simulator.journal.calls[0].faults == ("slow",)


@pytest.mark.parametrize(
    ("query", "change"),
    [
        ("storefront=de", {"callback_url": "ftp://example.org"}),
        ("storefront=de", {"callback_url": "http://"}),
        ("storefront=de", {"callback_url": "http://x:99999/"}),
        ("storefront=de", {"callback_url": "http://example.org/" + "x" * 250}),
        ("storefront=de", {"event_name": "order_lost"}),
        ("storefront=de", {"event_name": ["order_new"]}),
        ("storefront=de", {"fallback_email": "nobody"}),
        ("storefront=de", {"is_active": True}),
        ("storefront=nl", {}),
        ("", {}),
    ],
)
def test_an_invalid_subscription_is_refused(caller: SigningCaller, query: str, change: dict[str, Any]) -> None:
    body = {"callback_url": "http://127.0.0.1:1/", "fallback_email": "a@example.org", "event_name": "order_new"}

    assert caller.call("POST", f"/subscriptions?{query}", body | change).status_code == 400
