"""``python -m simulator``: runs the simulator as a process.

Prints one JSON line once it listens, ``{"url", "control_url", "units", "sellers"}``, and runs until SIGTERM or SIGINT.
Exit codes: 0 after a signal, 2 for an invalid scenario or when the port or the journal file can't be opened.
"""

import argparse
import gc
import signal
import sys
import threading
import tomllib
from collections.abc import Sequence
from pathlib import Path

import orjson
from pydantic import ValidationError

from simulator.scenario import Scenario
from simulator.simulator import Simulator


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs until SIGTERM or SIGINT and returns the exit code."""
    options = _options(arguments)
    try:
        scenario = Scenario() if options.scenario is None else Scenario.load(options.scenario)
        if options.seed is not None:
            scenario = scenario.with_changes(seed=options.seed)
    except (OSError, tomllib.TOMLDecodeError, ValidationError) as error:
        sys.stderr.write(f"scenario {options.scenario}: {error}\n")
        return 2
    return serve(scenario, host=options.host, port=options.port, journal_path=options.journal)


def serve(scenario: Scenario, *, host: str, port: int, journal_path: Path | None = None) -> int:
    """Serves until SIGTERM or SIGINT and returns the exit code. Must be called from the main thread."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        with Simulator(scenario, host=host, port=port, journal_path=journal_path) as simulator:
            gc.freeze()  # the catalogue lives as long as the process: exclude it from garbage collection
            sys.stdout.buffer.write(orjson.dumps(_greeting(simulator)) + b"\n")
            sys.stdout.flush()
            stop.wait()
    except OSError as error:
        sys.stderr.write(f"simulator: {error}\n")
        return 2
    return 0


def _greeting(simulator: Simulator) -> dict[str, object]:
    """Returns the addresses and the sellers, without secret keys: those are available at the control address."""
    return {
        "url": simulator.url,
        "control_url": simulator.control_url,
        "units": len(simulator.catalogue),
        "sellers": [
            {"name": seller.name, "client_key": seller.client_key, "storefronts": sorted(seller.storefronts)}
            for seller in simulator.sellers.values()
        ],
    }


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="connector simulate", description="A stand-in for the marketplace's API.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=0, help="0 = any free one")
    parser.add_argument("--scenario", type=Path, help="TOML file; without one: one seller with made-up keys")
    parser.add_argument("--seed", type=int, help="instead of the scenario's")
    parser.add_argument("--journal", type=Path, help="file to append every call and write to, as JSON lines")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
