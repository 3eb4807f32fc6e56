"""``connector demo``: runs everything on one machine under mixed traffic and prints a summary that must add up.

Exit codes: 0: every check of the summary passed; 1: a check failed, or a process did; 2: wrong command line.
"""

import argparse
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, suppress
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from devstack import backbone, listings
from devstack.clients import Position, position
from devstack.deployment import Deployment
from devstack.expectation import Produced
from devstack.jvm_stack import StackUnavailable
from devstack.processes import DeploymentFailed, ModuleProcess
from devstack.sales import Sales
from devstack.shop import ALIASES
from devstack.summary import Observed, summarise
from devstack.traffic import Message, Traffic
from simulator.journal import WriteCause
from simulator.offers.catalogue import ean_13

SELLER = "shop"
LIMIT = 111
INPUT_PER_SECOND = 700
EVENTS_PER_ORDER = 100
FEWEST_ORDERS = 20
POLL_S = 5
STUCK_S = 120.0  # without any result, while events are left
CATALOGUE = """
eans = 500
conditions = ["NEW", "USED___GOOD"]
ambiguous = 0.02
linked = 0.3
"""
PRODUCTS = 500
NEW = f"missing = 0.1\n{CATALOGUE}"
"""With --all: a tenth of the products have no unit of the seller yet."""
CAPABILITIES = ["offers.create", "offers.delete"]
TARGET = f"{SELLER}-de"  # of the new units
SETTINGS = """
[offers]
not_found_grace = "2s"
"""


def main(arguments: Sequence[str]) -> int:
    """Runs the demo and returns the exit code."""
    options = _options(arguments)
    console = Console(highlight=False, soft_wrap=True)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _interrupted)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="connector-demo-")))
        try:
            return Demo(console, stack, folder, options).run()
        except (DeploymentFailed, StackUnavailable) as error:
            console.print(f"The demo failed: {error}", markup=False)
            return 1
        except KeyboardInterrupt:
            return 1


class Demo:
    """One run of the demo; everything it starts is ended by its ``stack``."""

    def __init__(self, console: Console, stack: ExitStack, folder: Path, options: argparse.Namespace) -> None:
        self._console = console
        self._stack = stack
        self._folder = folder
        self._events: int = options.events
        self._keep: bool = options.keep
        self._all: bool = options.all
        self._new: list[str] = []  # EANs whose unit is created
        self._real: bool = options.real_kafka
        self._cache: Path = options.cache

    def run(self) -> int:
        self._start()
        self._traffic()
        self._settle()
        if self._all:
            self._listings()
        if self._keep:
            self._leave_running()
        summary = summarise(self._observe())
        self._console.print()
        for line in summary.lines:
            self._console.print(line, markup=False)
        self._console.print()
        verdict = "Everything adds up." if summary.good else "Something does not add up: see ✗ above."
        self._console.print(verdict)
        return 0 if summary.good else 1

    # ---- start ------------------------------------------------------------------------------------------------------

    def _start(self) -> None:
        self._backbone = self._stack.enter_context(self._broker())
        kind = "Apache Kafka, exactly once" if self._real else "embedded broker, at least once"
        self._console.print(f"broker      {self._backbone.bootstrap_servers}  ({kind})", markup=False)
        self._console.print(f"registry    {self._backbone.registry_url}", markup=False)
        self._deployment = self._stack.enter_context(
            Deployment(
                kafka=self._backbone,
                folder=self._folder,
                prefix="demo",
                apart=True,
                sellers=(SELLER,),
                seed=42,
                catalogue=NEW if self._all else CATALOGUE,
                scenario=f"[limits]\nrequests_per_second = {LIMIT}",
                settings=SETTINGS,
                account={"rate": {"strict": True}} | ({"capabilities": CAPABILITIES} if self._all else {}),
                targeted={"capabilities": CAPABILITIES, "create": {"all_eans": True}} if self._all else {},
                shipments={"carriers": ALIASES},
                orders={"interval": f"{POLL_S}s", "overlap": "30s"},
                console={"projection": str(self._folder / "console")},
            )
        )
        orders = max(FEWEST_ORDERS, round(self._events / EVENTS_PER_ORDER))
        self._sales = Sales(self._deployment, orders, POLL_S)
        units = len(self._deployment.units_before)
        self._console.print(
            f"marketplace {self._deployment.marketplace.url}  ({units:,} units of one seller)", markup=False
        )
        self._run = self._deployment.connector()
        self._stack.callback(_end, self._run)
        self._console.print(f"connector   process {self._run.pid}", markup=False)
        self._console.print(f"console     {self._run.console_url}  (open it in a browser, until the end)", markup=False)

    def _broker(self) -> AbstractContextManager[backbone.Backbone]:
        return backbone.real(self._cache, self._console.print) if self._real else backbone.embedded()

    # ---- the run ----------------------------------------------------------------------------------------------------

    def _traffic(self) -> None:
        single, several = self._deployment.places()
        source = Traffic(single, ambiguous=several, seed=42)
        with self._progress("events sent", self._events) as advance:
            messages = source.messages(self._events, _wall_us())
            self._produced: Sequence[Produced] = self._deployment.produce(self._paced(messages, advance))

    def _listings(self) -> None:
        """Has the units of offers created that are not there, and some of them deleted again."""
        there = {unit["eans"][0] for unit in self._deployment.units_before.values()}
        self._new = [ean for number in range(PRODUCTS) if (ean := ean_13(number)) not in there]
        now_us = _wall_us()
        for messages in (
            listings.creations(self._new, TARGET, now_us),
            listings.deletions(self._new, TARGET, now_us),
        ):
            made = self._deployment.produce(messages)
            self._produced = [*self._produced, *made]
            wanted = {(one.partition, one.offset) for one in made}
            self._until("units listed", len(wanted), partial(self._ended_of, wanted))

    def _ended_of(self, wanted: set[Position]) -> int:
        return len(self._deployment.ended() & wanted)

    def _paced(self, messages: Iterator[Message], advance: Callable[[int], None]) -> Iterator[Message]:
        began = time.monotonic()
        for number, message in enumerate(messages):
            yield message
            advance(min(number + 1, self._events))
            self._sales.turn((number + 1) / self._events)
            ahead_s = number / INPUT_PER_SECOND - (time.monotonic() - began)
            if ahead_s > 0.01:
                time.sleep(ahead_s)  # keeps the traffic's rate

    def _settle(self) -> None:
        """Waits until every event has its result or dead letter and every order is settled.

        Raises ``DeploymentFailed`` when there is no progress.
        """
        wanted = {(one.partition, one.offset) for one in self._produced}
        self._until("results read", len(wanted), lambda: len(self._deployment.ended() & wanted))
        self._until("orders settled", self._sales.total, self._sales.settled)

    def _until(self, what: str, total: int, count: Callable[[], int]) -> None:
        with self._progress(what, total) as advance:
            have = count()
            while have < total:
                before = have

                def more() -> bool:
                    self._sales.turn(1.0)
                    return count() > before  # noqa: B023 - called within the iteration

                self._deployment.wait_for(f"further {what}", more, still_s=STUCK_S, every_s=0.5)
                have = count()
                advance(have)

    def _observe(self) -> Observed:
        there = self._deployment
        journal = there.marketplace.journal()
        units, results = there.marketplace.units(), there.results()
        listed = listings.seen(len(self._new), results, there.units_before, units) if self._all else None
        return Observed(
            produced=self._produced,
            results=results,
            dead=there.dead_positions(),
            not_found=list(there.newest("offers-not-found").values()),
            before=there.units_there(),
            after=units,
            storefronts=there.targets,
            writes=[
                write
                for write in journal.writes
                if write.cause is not WriteCause.MARKETPLACE and write.unit_id in there.units_before
            ],
            calls_by_kind={kind.value: count for kind, count in journal.by_kind.items()},
            calls_by_status=journal.by_status,
            worst_second=journal.worst_second(SELLER),
            created=journal.created,
            deleted=journal.deleted,
            limit=LIMIT,
            once=self._backbone.transactions,
            orders=self._sales.observe(journal.order_rows),
            others=self._others(),
            listed=listed,
        )

    def _others(self) -> dict[Position, str]:
        """Returns the positions and keys of the events in the input that the demo did not send."""
        ours = {(one.partition, one.offset) for one in self._produced}
        records = {position(record): record for record in self._deployment.read("offer-changes")}
        return {at: (record.key() or b"").decode(errors="replace") for at, record in records.items() if at not in ours}

    def _leave_running(self) -> None:
        there = self._deployment
        self._console.print("\nLeft running; end with Ctrl-C, then comes the summary.")
        self._console.print(f"  console           {self._run.console_url}", markup=False)
        self._console.print(f"  connector status  {self._run.health_url}/status  (/metrics, /readyz)", markup=False)
        self._console.print(f"  marketplace log   {there.marketplace.control.base_url}summary", markup=False)
        self._console.print(
            f"  topics            {there.prefix}.*.v1 on {self._backbone.bootstrap_servers}", markup=False
        )
        config = there.config("setup")
        self._console.print(f"  orders to be sent connector orders open --config {config}", markup=False)
        self._console.print(f"  schemas           {self._backbone.registry_url}/subjects", markup=False)
        self._console.print(f"  logs              {self._folder}", markup=False)
        try:
            self._until_interrupted(config)
        except KeyboardInterrupt:
            self._console.print()

    def _until_interrupted(self, config: Path) -> None:
        """Keeps broker and marketplace running, even after the connector has ended: a replay starts with its end."""
        told = False
        while True:
            if not self._run.running and not told:
                told = True
                code = self._run.wait()
                self._console.print(f"\nThe connector has ended, with exit code {code}. Broker and marketplace go on.")
                self._console.print(f"  start another     connector run --config {config}", markup=False)
            time.sleep(0.5)

    def _progress(self, what: str, total: int) -> "Bar":
        return Bar(self._console, what, total)


class Bar:
    """A progress bar on a terminal; elsewhere, a line per tenth of the progress."""

    def __init__(self, console: Console, what: str, total: int) -> None:
        self._console, self._what, self._total = console, what, max(1, total)
        self._bar = Progress(
            TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console, transient=False
        )
        self._task = self._bar.add_task(what, total=self._total)
        self._tenths = 0

    def __enter__(self) -> Callable[[int], None]:
        if self._console.is_terminal:
            self._bar.start()
        return self._advance

    def __exit__(self, *_: object) -> None:
        if self._console.is_terminal:
            self._bar.stop()

    def _advance(self, done: int) -> None:
        if self._console.is_terminal:
            self._bar.update(self._task, completed=done)
        elif done * 10 // self._total > self._tenths:
            self._tenths = done * 10 // self._total
            self._console.print(f"{self._what} {done:,} of {self._total:,}")


def _wall_us() -> Iterator[int]:
    last = 0
    while True:
        last = max(last + 1, time.time_ns() // 1000)
        yield last


def _end(process: ModuleProcess) -> None:
    with suppress(subprocess.TimeoutExpired):  # a process that does not end is killed with its deployment
        process.stop(20)


def _interrupted(*_: object) -> None:
    raise KeyboardInterrupt


def _some(text: str) -> int:
    count = int(text)
    if count < 1:
        raise argparse.ArgumentTypeError("at least 1 is needed")
    return count


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="connector demo", description="See offers, orders and parcels flow, no account needed."
    )
    parser.add_argument("--events", type=_some, default=20_000, help="how many events to send (default 20,000)")
    parser.add_argument("--real-kafka", action="store_true", help="on a real Apache Kafka: needs Java 17 and Maven")
    parser.add_argument("--all", action="store_true", help="also what is off by default: create and delete units")
    parser.add_argument("--keep", action="store_true", help="leave everything running until Ctrl-C")
    parser.add_argument("--cache", type=Path, default=Path(".stack"), help="where the real Kafka's jars are kept")
    return parser.parse_args(arguments)
