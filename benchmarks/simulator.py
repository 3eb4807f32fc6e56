"""Measures the simulator's cost: bulk calls of 150 units, one-unit patches and look-ups, over real sockets.

The simulator must not be the bottleneck of a measurement of the connector, so it has to serve several times the
marketplace's 111 calls a second with a fraction of one core. Run: ``python -m benchmarks.simulator [seconds per
figure]``. Linux only.
"""

import hashlib
import hmac
import http.client
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import orjson

UNITS_A_CALL = 150
CONNECTIONS = 4
EANS = 20_000
SCENARIO = f"""
[catalogue]
eans = {EANS}
[limits]
requests_per_second = 1000000
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """The result of one measurement; ``cpu_us_per_call`` is the server's processor time."""

    what: str
    calls_per_s: float
    cpu_us_per_call: float

    def line(self) -> str:
        share = 100 * 111 * self.cpu_us_per_call / 1e6
        return (
            f"{self.what:28} {self.calls_per_s:8.0f} calls/s   {self.cpu_us_per_call:7.0f} µs of a core a call   "
            f"{share:5.1f} % of a core at 111/s"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredSimulator:
    """A running simulator process, its address and keys, and its units."""

    pid: int
    netloc: str
    client_key: str
    secret_key: str
    unit_ids: list[int]
    eans: list[str]

    def cpu_s(self) -> float:
        fields = Path(f"/proc/{self.pid}/stat").read_text("ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory_mib(self) -> float:
        status = Path(f"/proc/{self.pid}/status").read_text("ascii")
        kib = next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))
        return int(kib) / 1024


@contextmanager
def simulator(scenario: str) -> Iterator[MeasuredSimulator]:
    """Runs the simulator as a process."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "scenario.toml")
        path.write_text(scenario, "utf-8")
        command = [sys.executable, "-m", "simulator", "--scenario", str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            greeting = json.loads(process.stdout.readline())
            try:
                yield _describe(process.pid, greeting)
            finally:
                process.send_signal(signal.SIGTERM)


def _describe(pid: int, greeting: dict[str, Any]) -> MeasuredSimulator:
    control = greeting["control_url"]
    with urlopen(f"{control}sellers") as answer:
        seller = json.load(answer)[0]
    with urlopen(f"{control}units") as answer:
        units = [orjson.loads(line) for line in answer]
    on_de = [unit for unit in units if unit["storefront"] == "de"]
    return MeasuredSimulator(
        pid=pid,
        netloc=greeting["url"].split("/")[2],
        client_key=seller["client_key"],
        secret_key=seller["secret_key"],
        unit_ids=[unit["id_unit"] for unit in on_de],
        eans=[unit["eans"][0] for unit in on_de],
    )


Shape = Callable[[int], tuple[str, str, bytes]]
"""Returns method, path and body of the call with this number."""


def measure(process: MeasuredSimulator, what: str, shape: Shape, seconds: float) -> Figure:
    """Sends calls in a closed loop over a few connections and measures the server's processor time."""
    counts = [0] * CONNECTIONS
    until_s = time.monotonic() + seconds
    before_s, started_s = process.cpu_s(), time.monotonic()
    threads = [
        threading.Thread(target=_drive, args=(process, shape, until_s, counts, place)) for place in range(CONNECTIONS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    calls = sum(counts)
    return Figure(
        what=what,
        calls_per_s=calls / (time.monotonic() - started_s),
        cpu_us_per_call=(process.cpu_s() - before_s) * 1e6 / max(calls, 1),
    )


def _drive(process: MeasuredSimulator, shape: Shape, until_s: float, counts: list[int], place: int) -> None:
    connection = http.client.HTTPConnection(process.netloc)
    number = place
    while time.monotonic() < until_s:
        method, path, body = shape(number)
        connection.request(method, path, body or None, _headers(process, method, path, body))
        answer = connection.getresponse()
        answer.read()
        assert answer.status in (200, 207), answer.status
        counts[place] += 1
        number += CONNECTIONS
    connection.close()


def _headers(process: MeasuredSimulator, method: str, path: str, body: bytes) -> dict[str, str]:
    timestamp = str(int(time.time()))
    text = f"{method}\nhttp://{process.netloc}{path}\n".encode() + body + f"\n{timestamp}".encode()
    headers = {
        "Shop-Client-Key": process.client_key,
        "Shop-Timestamp": timestamp,
        "Shop-Signature": hmac.new(process.secret_key.encode(), text, hashlib.sha256).hexdigest(),
        "User-Agent": "benchmark",
        "Accept": "application/json",
    }
    return headers | ({"Content-Type": "application/json"} if body else {})


def shapes(process: MeasuredSimulator) -> dict[str, Shape]:
    """Returns the measured kinds of calls."""

    def bulk(number: int) -> tuple[str, str, bytes]:
        start = number * UNITS_A_CALL % (len(process.unit_ids) - UNITS_A_CALL)
        items = [
            {"id_unit": unit_id, "unit_data": {"listing_price": 1000 + number, "amount": number % 100}}
            for unit_id in process.unit_ids[start : start + UNITS_A_CALL]
        ]
        return "POST", "/v2/units/bulk?storefront=de", orjson.dumps(items)

    def patch(number: int) -> tuple[str, str, bytes]:
        unit_id = process.unit_ids[number % len(process.unit_ids)]
        return "PATCH", f"/v2/units/{unit_id}?storefront=de", orjson.dumps({"amount": number % 100})

    def look_up(number: int) -> tuple[str, str, bytes]:
        ean = process.eans[number % len(process.eans)]
        return "GET", f"/v2/units?storefront=de&ean={ean}&embedded=products", b""

    return {
        f"bulk of {UNITS_A_CALL} units": bulk,
        "patch of one unit": patch,
        "look-up by EAN": look_up,
    }


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 5.0
    with simulator(SCENARIO) as process:
        at_rest_mib = process.memory_mib()
        print(f"{len(process.unit_ids):,} units on one storefront of two; {at_rest_mib:.0f} MiB at rest")
        for what, shape in shapes(process).items():
            print(measure(process, what, shape, seconds).line(), flush=True)
        print(f"{process.memory_mib():.0f} MiB with the journal of all these calls")


if __name__ == "__main__":
    main()
