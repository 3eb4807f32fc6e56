"""The parent starts processes, starts ended ones again, answers for all of them, and ends with them."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx
import pytest

from connector.supervisor import parent
from connector.supervisor.child_process import ChildProcess
from connector.supervisor.pages import MergedPages
from connector.supervisor.parent import Parent
from devstack.waiting import until

STAND_IN = str(Path(__file__).parent / "stand_in.py")


def children(folder: Path, count: int) -> list[ChildProcess]:
    environments = ({**os.environ, "NAME": f"member {number}"} for number in range(1, count + 1))
    return [
        ChildProcess(number, [sys.executable, STAND_IN, str(folder)], environment)
        for number, environment in enumerate(environments, start=1)
    ]


class Supervised:
    """What a test sees of a parent that runs in the main thread."""

    def __init__(self, members: Sequence[ChildProcess]) -> None:
        self.members = members
        self.pages: MergedPages | None = None

    def open(self, members: Sequence[ChildProcess], beat: Any) -> MergedPages:
        self.pages = MergedPages(members, beat, host="127.0.0.1", port=0)
        return self.pages

    def get(self, path: str) -> httpx.Response:
        until("the pages", lambda: self.pages is not None)
        assert self.pages is not None
        return httpx.get(f"http://127.0.0.1:{self.pages.port}{path}", timeout=60, trust_env=False)

    def wait_until_ready(self) -> None:
        until("readiness", lambda: self.get("/readyz").status_code == HTTPStatus.OK)


@contextmanager
def beside(body: Any) -> Iterator[list[BaseException]]:
    """Runs ``body`` in a thread beside the parent, which needs the main thread, and stops the parent at its end."""
    problems: list[BaseException] = []

    def run() -> None:
        try:
            body()
        except BaseException as error:  # noqa: BLE001 - raised again in the test's thread
            problems.append(error)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=run)
    thread.start()
    yield problems
    thread.join()
    if problems:
        raise problems[0]


def test_one_that_is_killed_is_started_again_on_the_same_port_and_all_end_with_the_parent(tmp_path: Path) -> None:
    site = Supervised(children(tmp_path, 2))
    pids: list[int] = []

    def body() -> None:
        site.wait_until_ready()
        first = site.members[0]
        port, before = first.port, first.pid
        assert before is not None
        os.kill(before, signal.SIGKILL)
        until("another process", lambda: first.starts == 2 and site.get("/readyz").status_code == HTTPStatus.OK)
        found = site.get("/status").json()["processes"]
        pids.extend(one["pid"] for one in found.values())
        assert first.port == port
        assert (found["1"]["starts"], found["2"]["starts"]) == (2, 1)
        assert found["1"]["last_exit"] == "signal 9"
        assert before not in pids

    with beside(body):
        code = Parent(site.members, drain_s=10.0).run(site.open)

    assert code == 0
    assert pids
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_readiness_names_the_process_and_metrics_have_its_number(tmp_path: Path) -> None:
    (tmp_path / "2.unready").touch()
    site = Supervised(children(tmp_path, 2))

    def body() -> None:
        until("the second", lambda: "process 2: member 2 waits" in site.get("/readyz").text)
        until("both", lambda: site.get("/metrics").text.count("calls{") == 2)
        assert site.get("/readyz").status_code == HTTPStatus.SERVICE_UNAVAILABLE
        assert site.get("/livez").status_code == HTTPStatus.OK
        shown = site.get("/metrics").text
        assert 'calls{process="1"} 1\n' in shown
        assert 'calls{process="2"} 1\n' in shown
        assert 'connector_process_starts_total{process="2"} 1\n' in shown

    with beside(body):
        Parent(site.members, drain_s=10.0).run(site.open)


def test_one_whose_configuration_is_wrong_ends_all_with_its_exit_code(tmp_path: Path) -> None:
    (tmp_path / "2.exit").write_text("2")
    members = children(tmp_path, 2)

    assert Parent(members, drain_s=10.0).run(lambda *_: None) == 2
    assert [one.pid for one in members] == [None, None]


def test_one_that_stands_still_is_killed_and_started_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parent, "_LOOK_S", 0.05)
    monkeypatch.setattr(parent, "STARTING_S", 0.0)
    (tmp_path / "1.stuck").touch()
    site = Supervised(children(tmp_path, 2))

    def body() -> None:
        until("a second start", lambda: site.members[0].starts >= 2)
        (tmp_path / "1.stuck").unlink()

    with beside(body):
        Parent(site.members, drain_s=10.0).run(site.open)

    assert site.members[0].last_exit


def test_a_member_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from tests.unit.connector.supervisor.test_parent import children\n"
        "[one] = children(Path(sys.argv[1]), 1); one.step(); print('pid', one.pid, flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE) as running:
        assert running.stdout is not None
        try:
            pid = next(int(line.split()[1]) for line in running.stdout if line.startswith(b"pid "))
        finally:
            running.kill()

    until("the end of the member", lambda: not Path(f"/proc/{pid}").exists() or _is_zombie(pid))


def _is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGKILL, 1)])
def test_a_stop_while_a_process_is_loading_is_a_clean_end(tmp_path: Path, number: int, code: int) -> None:
    (tmp_path / "2.early").touch()
    site = Supervised(children(tmp_path, 2))

    def body() -> None:
        until("the second begins", (tmp_path / "2.begun").exists)
        if number == signal.SIGKILL:  # what nobody has asked for is no clean end
            site.members[1].stop(number)

    with beside(body):
        assert Parent(site.members, drain_s=10.0).run(site.open) == code


def test_a_look_that_fails_does_not_end_the_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[int] = []

    def fails(child: ChildProcess, _: str) -> None:
        looks.append(child.number)
        raise OSError("too many open files")

    monkeypatch.setattr(parent, "_LOOK_S", 0.05)
    monkeypatch.setattr(parent, "STARTING_S", 0.0)
    monkeypatch.setattr(parent, "asked", fails)
    site = Supervised(children(tmp_path, 1))

    with beside(lambda: until("further looks", lambda: len(looks) > 3)):
        Parent(site.members, drain_s=10.0).run(site.open)

    assert site.members[0].starts == 1
