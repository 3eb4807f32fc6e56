"""The simulator as a process, and as an object in this process."""

import contextlib
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import orjson
import pytest

from devstack.waiting import STILL_S, until
from simulator.__main__ import main
from simulator.journal import Journal
from simulator.scenario import Scenario
from simulator.simulator import Simulator
from tests.unit.simulator.caller import SigningCaller


def test_says_where_it_listens_serves_and_leaves_a_journal(tmp_path: Path) -> None:
    scenario, journal = tmp_path / "scenario.toml", tmp_path / "journal.ndjson"
    scenario.write_text('[catalogue]\neans = 10\n[[sellers]]\nname = "main"\nsecret_key = "canary"\n', "utf-8")
    command = [sys.executable, "-m", "simulator", "--scenario", str(scenario), "--journal", str(journal)]
    with subprocess.Popen([*command, "--seed", "4"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        greeting = orjson.loads(line)
        with SigningCaller(greeting["url"], greeting["sellers"][0]["client_key"], "canary") as caller:
            (unit, *_) = caller.call("GET", "/units?storefront=de").json()["data"]
            caller.patch(unit["id_unit"], {"amount": 42})
        seen = Journal.read(httpx.get(f"{greeting['control_url']}journal", trust_env=False).content.splitlines())
        process.send_signal(signal.SIGTERM)
        rest, errors = process.communicate(timeout=STILL_S)

    written = Journal.read(journal.read_bytes().splitlines())
    assert process.returncode == 0
    assert (written.calls, written.writes) == (seen.calls, seen.writes)
    assert written.accepted(unit["id_unit"], "amount") == (42,)
    assert b"canary" not in line + rest + errors + journal.read_bytes()
    assert errors == b""


@pytest.mark.parametrize("content", ["[catalogue", "[catalogue]\neans = -1\n"])
def test_an_invalid_scenario_is_reported_with_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str
) -> None:
    scenario = tmp_path / "scenario.toml"
    scenario.write_text(content, "utf-8")

    assert main(["--scenario", str(scenario)]) == 2
    assert "scenario.toml" in capsys.readouterr().err


def test_a_missing_scenario_ends_with_exit_code_2(tmp_path: Path) -> None:
    assert main(["--scenario", str(tmp_path / "none.toml")]) == 2


def test_a_port_in_use_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    with Simulator(Scenario.model_validate({"catalogue": {"eans": 1}})) as first:
        port = first.url.split(":")[2].split("/")[0]

        assert main(["--port", port]) == 2

    assert "simulator:" in capsys.readouterr().err


def test_close_ends_connections_and_may_be_called_twice() -> None:
    simulator = Simulator(Scenario.model_validate({"catalogue": {"eans": 1}})).start()
    host, port = simulator.url.split("/")[2].split(":")
    with socket.create_connection((host, int(port)), timeout=STILL_S) as connection:
        connection.sendall(b"GET /_simulator/health HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 200")

        simulator.close()
        simulator.close()

        assert connection.recv(1) == b""
    assert simulator.journal.calls == ()


def test_close_ends_a_connection_that_is_just_being_accepted() -> None:
    simulator = Simulator(Scenario.model_validate({"catalogue": {"eans": 1}})).start()
    host, port = simulator.url.split("/")[2].split(":")
    with socket.create_connection((host, int(port)), timeout=STILL_S) as connection:
        simulator.close()

        with contextlib.suppress(ConnectionResetError):
            assert connection.recv(1) == b""


def test_a_simulator_that_was_never_started_can_be_closed() -> None:
    Simulator(Scenario.model_validate({"catalogue": {"eans": 1}})).close()


def test_planned_key_changes_happen() -> None:
    change = {"seller": "demo", "at_s": 0, "client_key": "n", "secret_key": "s"}
    scenario = Scenario.model_validate({"catalogue": {"eans": 1}, "key_changes": [change]})
    with Simulator(scenario) as simulator, SigningCaller(simulator.url, "n", "s") as caller:
        simulator.state()  # waits for one iteration of its event loop

        assert caller.call("GET", "/status/ping").status_code == 200


def test_the_journal_file_can_be_read_while_it_runs(tmp_path: Path) -> None:
    path = tmp_path / "journal.ndjson"
    with Simulator(Scenario.model_validate({"catalogue": {"eans": 1}}), journal_path=path) as simulator:
        keys = simulator.sellers["demo"]
        with SigningCaller(simulator.url, keys.client_key, keys.secret_key) as caller:
            caller.call("GET", "/status/ping")
        until("a line of the journal", lambda: bool(path.read_bytes()), every_s=0.01)

        assert Journal.read(path.read_bytes().splitlines()).by_kind == {"ping": 1}


def test_two_simulators_of_one_scenario_hold_the_same_units() -> None:
    scenario = Scenario.model_validate({"catalogue": {"eans": 20}})
    with Simulator(scenario) as one, Simulator(scenario) as other:
        assert one.state() == other.state()
        assert one.url != other.url
