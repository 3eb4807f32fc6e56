"""``connector run --processes 2``: members of one group under one parent, through a kill and a stop."""

import os
import signal
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx
import orjson

from devstack.processes import ModuleProcess, wait_for
from tests.faults.conftest import Deploy
from tests.faults.workload import SHORT, all_hold, mixed, wall_us


def merged_pages(parent: ModuleProcess) -> httpx.Client:
    """Returns a client of the parent's pages; waits until its log names their port."""

    def told() -> list[int]:
        lines = [orjson.loads(line) for line in parent.text().splitlines() if "serves the pages of all" in line]
        return [line["health_port"] for line in lines]

    wait_for("the port of the pages", lambda: bool(told()), progress=parent.text)
    return httpx.Client(base_url=f"http://127.0.0.1:{told()[0]}", timeout=60, trust_env=False)


def test_two_processes_share_the_work_one_is_killed_and_all_end_when_asked(deploy: Deploy) -> None:
    deployment = deploy(processing=SHORT, partitions=4)
    times, traffic = wall_us(), mixed(deployment, seed=28)
    parent = deployment.connector("host", "--processes", "2")
    with merged_pages(parent) as pages:

        def members() -> dict[str, Any]:
            found: dict[str, Any] = pages.get("/status").json()["processes"]
            return found

        def partitions() -> list[int]:
            shown = [one["status"] for one in members().values()]
            return [len(one["engine"]["partitions"]) if one and one.get("engine") else 0 for one in shown]

        wait_for("two partitions each", lambda: partitions() == [2, 2], progress=partitions)
        assert {one["status"]["instance_id"][-6:] for one in members().values()} == {"host-1", "host-2"}
        produced = deployment.produce(traffic.messages(1_000, times))
        deployment.wait_for_calls(20)
        os.kill(members()["1"]["pid"], signal.SIGKILL)
        produced += deployment.produce(traffic.messages(500, times))
        deployment.settle(produced)

        wait_for("the second start", lambda: partitions() == [2, 2], progress=partitions)
        wait_for("readiness", lambda: pages.get("/readyz").status_code == HTTPStatus.OK)
        assert [(one["starts"], one["last_exit"]) for one in members().values()] == [(2, "signal 9"), (1, None)]
        shown = pages.get("/metrics").text
        assert 'connector_ready{process="1"} 1' in shown
        assert 'connector_ready{process="2"} 1' in shown
        for name in ("process_resident_memory_bytes", "connector_build_info", "stream_responses_total"):
            assert f'{name}{{process="2"' in shown
        for client in ("consumer", "producer"):
            assert f'stream_kafka_requests_waiting{{process="2",client="{client}"}}' in shown
        pids = [one["pid"] for one in members().values()]

    all_hold(deployment, produced)
    assert parent.stop() == 0
    assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]
    ends = [line for line in parent.text().splitlines() if '"ended"' in line]
    assert len(ends) == 3, "each process drains, and the parent after them"
