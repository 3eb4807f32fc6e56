"""A process that has imported the connector and forks a copy of itself for each start: importing takes a second.

``python -m tests.harness.fork_server`` reads one order for each start from its standard input and answers with the
process id. A fork runs the module as ``python -m`` does, with the arguments, environment and output of its own. It
becomes a child of the process that asked, which must be a subreaper (prctl(2)) until it has the answer.
"""

import os
import runpy
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Final

import orjson

from tests.harness.linux_processes import die_with_parent

IMPORTED: Final = ("connector.cli.main", "connector.cli.running", "simulator.simulator")
"""The modules that a start would import: those of ``connector run`` and of the simulator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What to start: a module with its arguments, for the process ``parent``, with its output in the file ``log``."""

    arguments: Sequence[str]
    environment: Mapping[str, str]
    folder: str
    log: str
    parent: int


def serve() -> Order | None:
    """Forks for each order. Returns the order in the fork, and None in this process when there are no more."""
    for line in sys.stdin.buffer:
        order = Order(**orjson.loads(line))
        between = os.fork()
        if between == 0:
            pid = os.fork()
            if pid == 0:
                return order
            os.write(sys.stdout.fileno(), b"%d\n" % pid)
            os._exit(0)
        os.waitpid(between, 0)  # its child is now one of the process that asked
        os.write(sys.stdout.fileno(), b"\n")
    return None


def become(order: Order) -> None:
    """Makes this process what the order names, up to the module's own code."""
    while os.getppid() != order.parent:
        time.sleep(0.001)
    die_with_parent(order.parent)
    os.chdir(order.folder)
    os.environ.clear()
    os.environ.update(order.environment)
    output = os.open(order.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for here, there in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(here, there)
    os.close(output)
    os.close(nothing)
    sys.argv = list(order.arguments)


def main() -> None:
    for module in IMPORTED:
        import_module(module)
    order = serve()
    if order is not None:
        become(order)
        runpy.run_module(order.arguments[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
