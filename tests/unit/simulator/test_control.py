"""The control endpoints."""

from collections.abc import Iterator

import httpx
import orjson
import pytest

from simulator.exchange import HttpRequest
from simulator.journal import Journal
from simulator.simulator import Simulator
from tests.unit.simulator.caller import SigningCaller
from tests.unit.simulator.conftest import units


@pytest.fixture
def control(simulator: Simulator) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=simulator.control_url, trust_env=False) as client:
        yield client


def test_the_simulator_reports_when_it_is_ready(control: httpx.Client, simulator: Simulator) -> None:
    assert control.get("health").json() == {"status": "ready", "units": len(simulator.catalogue)}


def test_the_journal_from_outside_is_the_journal_from_inside(
    control: httpx.Client, caller: SigningCaller, simulator: Simulator
) -> None:
    caller.bulk([{"id_unit": unit.id, "unit_data": {"amount": 3}} for unit in units(simulator)[:3]])

    outside = Journal.read(control.get("journal").content.splitlines())

    assert (outside.calls, outside.writes) == (simulator.journal.calls, simulator.journal.writes)


def test_control_calls_are_no_calls_of_the_marketplace(control: httpx.Client, simulator: Simulator) -> None:
    control.get("health")

    assert simulator.journal.calls == ()


def test_sums_up(control: httpx.Client, caller: SigningCaller) -> None:
    caller.call("GET", "/status/ping")
    caller.call("DELETE", "/units/1?storefront=de")

    assert control.get("summary").json() == {
        "calls": 2,
        "by_kind": {"ping": 1, "delete": 1},
        "by_status": {"200": 1, "404": 1},
        "worst_second": {"demo": 2},
        "created": 0,
        "deleted": 1,
        "overlaps": 0,
        "written_fields": [],
        "order_units": {},
        "pushes": 0,
        "dropped": 0,
    }


def test_shows_every_unit_with_its_eans(control: httpx.Client, simulator: Simulator) -> None:
    shown = [orjson.loads(line) for line in control.get("units").content.splitlines()]

    assert len(shown) == len(simulator.catalogue)
    assert shown[0]["eans"] == list(units(simulator)[0].product.eans)
    assert shown[0]["seller"] == "demo"


def test_tells_the_keys_of_sellers(control: httpx.Client, simulator: Simulator) -> None:
    (shown,) = control.get("sellers").json()

    assert (shown["client_key"], shown["secret_key"]) == (
        simulator.sellers["demo"].client_key,
        simulator.sellers["demo"].secret_key,
    )


def test_sets_faults_and_takes_them_back(control: httpx.Client, caller: SigningCaller) -> None:
    for name, status in (("one", 503), ("two", 500)):
        fault = {"name": name, "do": {"kind": "respond", "status": status}}
        assert control.post("faults", json=fault).status_code == 204

    assert caller.call("GET", "/status/ping").status_code == 503
    control.delete("faults?name=one")
    assert caller.call("GET", "/status/ping").status_code == 500
    control.delete("faults")
    assert caller.call("GET", "/status/ping").status_code == 200


def test_changes_keys(control: httpx.Client, caller: SigningCaller) -> None:
    control.post("sellers/demo/keys", json={"client_key": "n", "secret_key": "s"})

    assert caller.call("GET", "/status/ping").status_code == 401
    caller.client_key, caller.secret_key = "n", "s"
    assert caller.call("GET", "/status/ping").status_code == 200


def test_changes_a_unit_as_the_marketplace_does(control: httpx.Client, simulator: Simulator) -> None:
    unit = units(simulator)[0]

    assert control.post(f"units/{unit.id}", json={"amount": 77}).status_code == 204

    assert unit.amount == 77
    assert simulator.journal.history(unit.id)[0].call_id is None


def test_changes_limits_clock_and_rules(control: httpx.Client, caller: SigningCaller, simulator: Simulator) -> None:
    unit = units(simulator)[0]
    assert control.post("rules", json={"listing_price_required": True}).status_code == 204
    assert caller.patch(unit.id, {"amount": 1}).status_code == 400

    assert control.post("policy", json={"requests_per_second": 1}).status_code == 204
    assert caller.call("GET", "/status/ping").status_code == 429


@pytest.mark.parametrize(
    ("method", "path", "content", "status"),
    [
        ("POST", "faults", b"{}", 400),
        ("POST", "faults", b"{", 400),
        ("POST", "sellers/demo/keys", b'{"client_key": "", "secret_key": "x"}', 400),
        ("POST", "sellers/nobody/keys", b'{"client_key": "x", "secret_key": "x"}', 404),
        ("POST", "units/1", b'{"amount": 1}', 404),
        ("POST", "units/x", b'{"amount": 1}', 404),
        ("POST", "units/1", b"[", 400),
        ("POST", "policy", b'{"requests_per_second": "5"}', 400),
        ("POST", "rules", b'{"max_amount": -1}', 400),
        ("GET", "nothing", b"", 404),
        ("PUT", "health", b"", 404),
    ],
)
def test_unsupported_control_requests_are_refused_with_a_reason(
    control: httpx.Client, method: str, path: str, content: bytes, status: int
) -> None:
    assert control.request(method, path, content=content).status_code == status


@pytest.mark.parametrize("content", [b"[]", b"5", b"null", b'{"amount": -1}', b'{"ean": "1"}'])
def test_an_invalid_change_is_refused(control: httpx.Client, simulator: Simulator, content: bytes) -> None:
    assert control.post(f"units/{units(simulator)[0].id}", content=content).status_code == 400


@pytest.mark.parametrize(
    ("peer", "status"), [("127.0.0.1", 200), ("127.1.2.3", 200), ("::1", 200), ("192.0.2.7", 403), ("2001:db8::1", 403)]
)
def test_control_requests_of_other_machines_are_refused(simulator: Simulator, peer: str, status: int) -> None:
    assert (
        simulator._control.answer(HttpRequest(method="GET", target="/_simulator/health", headers={}), peer).status
        == status
    )
