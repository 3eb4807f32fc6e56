"""``connector demo``: everything on one machine, mixed traffic, and a summary that adds up.

Exit codes: 0 when every sum and promise held, 1 when one did not or a part failed, 2 for a wrong command line.
"""

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from connector.demo import backbone as wires
from connector.demo.expectation import UnitThere
from connector.demo.summary import Observed, final_rows, summarise
from connector.demo.traffic import Place, Traffic
from connector.simulator.journal import Cause, Journal
from connector.simulator.scenario import made_up_keys
from streams.kafka.jvm import StackUnavailable

PREFIX = "demo"
PARTITIONS = 8
STOREFRONTS = ("de", "at")
CURRENCY = "EUR"
LIMIT = 111
INPUT_PER_SECOND = 700
STUCK_S = 120.0  # without any result, while events are left
TARGETS = {f"shop-{storefront}": (storefront, CURRENCY) for storefront in STOREFRONTS}
SCENARIO = f"""
seed = 42
[catalogue]
eans = 500
storefronts = {json.dumps(STOREFRONTS)}
conditions = ["NEW", "USED___GOOD"]
ambiguous = 0.02
linked = 0.3
[[sellers]]
name = "demo"
[limits]
requests_per_second = {LIMIT}
"""


def main(arguments: Sequence[str]) -> int:
    options = _options(arguments)
    console = Console(highlight=False, soft_wrap=True)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _interrupted)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="connector-demo-")))
        try:
            return Demo(console, stack, folder, options).run()
        except (DemoFailed, StackUnavailable) as error:
            console.print(f"The demo failed: {error}", markup=False)
            return 1
        except KeyboardInterrupt:
            return 1


class DemoFailed(Exception):
    """A part of the demo did not come up or did not finish."""


class Demo:
    """One run; everything it starts ends with its ``stack``."""

    def __init__(self, console: Console, stack: ExitStack, folder: Path, options: argparse.Namespace) -> None:
        self._console = console
        self._stack = stack
        self._folder = folder
        self._events: int = options.events
        self._keep: bool = options.keep
        self._real: bool = options.real_kafka
        self._cache: Path = options.cache

    def run(self) -> int:
        self._start()
        self._traffic()
        self._settle()
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

    # ---- parts ------------------------------------------------------------------------------------------------------

    def _start(self) -> None:
        self._backbone = self._stack.enter_context(self._broker())
        kind = "Apache Kafka, exactly once" if self._real else "embedded broker, at least once"
        self._console.print(f"broker      {self._backbone.bootstrap_servers}  ({kind})", markup=False)
        self._console.print(f"registry    {self._backbone.registry_url}", markup=False)
        self._marketplace()
        config = self._configure()
        self._create_topics(config)
        self._connector(config)
        topics = {name: self._reader(name, PARTITIONS) for name in ("offer-results", "offers-not-found")}
        self._readers = {**topics, "dlq": self._reader("offer-changes", PARTITIONS, ".dlq")}

    def _broker(self) -> AbstractContextManager[wires.Backbone]:
        return wires.real(self._cache, self._console.print) if self._real else wires.embedded()

    def _marketplace(self) -> None:
        path = self._folder / "scenario.toml"
        path.write_text(SCENARIO, "utf-8")
        process = self._process("simulator", "simulate", "--scenario", str(path))
        greeting: dict[str, Any] = json.loads(self._first_line(process, "simulator"))
        self._url: str = greeting["url"]
        self._control = self._stack.enter_context(
            httpx.Client(base_url=greeting["control_url"], timeout=60, trust_env=False)
        )
        self._units = self._all_units()
        self._console.print(f"marketplace {self._url}  ({len(self._units):,} units of one seller)", markup=False)

    def _configure(self) -> Path:
        keys = dict(zip(("client", "secret"), made_up_keys("demo"), strict=True))
        for name, key in keys.items():
            (self._folder / name).write_text(key, "utf-8")
        guarantee = "exactly_once_v2" if self._backbone.transactions else "at_least_once"
        properties = "\n".join(f'"{name}" = {json.dumps(value)}' for name, value in self._backbone.properties.items())
        targets = "\n".join(
            f'[targets.{name}]\naccount = "demo"\nstorefront = "{storefront}"'
            for name, (storefront, _) in TARGETS.items()
        )
        path = self._folder / "connector.toml"
        path.write_text(
            f"""
[kafka]
bootstrap_servers = "{self._backbone.bootstrap_servers}"
group = "demo"
start = "earliest"
instance_id = "demo-1"
[kafka.properties]
{properties}
[registry]
url = "{self._backbone.registry_url}"
[topics]
prefix = "{PREFIX}"
[processing]
guarantee = "{guarantee}"
[offers]
not_found_grace = "2s"
[health]
port = 0
[accounts.demo]
client_key_file = "{self._folder / "client"}"
secret_key_file = "{self._folder / "secret"}"
base_url = "{self._url}"
simulator = true
[accounts.demo.rate]
strict = true
{targets}
""",
            "utf-8",
        )
        return path

    def _create_topics(self, config: Path) -> None:
        if self._backbone.create_topic is None:
            self._command("topics", "--create", "--partitions", str(PARTITIONS), "--config", str(config))
        else:
            names = (
                "offer-changes",
                "offer-results",
                "offers-not-found",
                "offer-state",
                "marketplace-calls",
                "routing",
            )
            for name in [*(f"{PREFIX}.{name}.v1" for name in names), f"{PREFIX}.offer-changes.v1.dlq"]:
                self._backbone.create_topic(name, PARTITIONS)
        self._command("schemas", "register", "--config", str(config))

    def _connector(self, config: Path) -> None:
        self._run = self._process("connector", "run", "--config", str(config))
        self._console.print(f"connector   process {self._run.pid}", markup=False)

    def _reader(self, dataset: str, partitions: int, suffix: str = "") -> wires.Reader:
        reader = wires.Reader(self._backbone, f"{PREFIX}.{dataset}.v1{suffix}", partitions)
        self._stack.callback(reader.close)
        return reader

    # ---- the run ----------------------------------------------------------------------------------------------------

    def _traffic(self) -> None:
        single, several = self._places()
        source = Traffic(single, ambiguous=several, seed=42)
        topic = f"{PREFIX}.offer-changes.v1"
        self._writer = wires.Writer(self._backbone, topic, self._schema_id(topic))
        began = time.monotonic()
        with self._progress("events sent", self._events) as advance:
            for number, message in enumerate(source.messages(self._events, _wall_us())):
                self._writer.send(message)
                advance(min(number + 1, self._events))
                ahead_s = number / INPUT_PER_SECOND - (time.monotonic() - began)
                if ahead_s > 0.01:
                    time.sleep(ahead_s)  # the pace of the traffic, not a wait for something
        self._writer.flush()

    def _settle(self) -> None:
        """Until every event has its result or dead letter. Raises DemoFailed when the connector ends or is stuck."""
        wanted = {(one.partition, one.offset) for one in self._writer.produced}
        have: set[tuple[int, int]] = set()
        looked_at = 0
        deadline = time.monotonic() + STUCK_S
        with self._progress("results read", len(wanted)) as advance:
            while True:
                before = len(have)
                records = self._readers["offer-results"].read()
                have |= final_rows(wires.decoded(records[looked_at:], "offer_result")).keys() | set(self._dead())
                looked_at = len(records)
                advance(len(have & wanted))
                if wanted <= have:
                    return
                if len(have) > before:
                    deadline = time.monotonic() + STUCK_S
                if self._run.poll() is not None:
                    raise DemoFailed(f"the connector ended with {self._run.returncode}:\n{self._log('connector')}")
                if time.monotonic() > deadline:
                    raise DemoFailed(f"{len(wanted - have)} events have no result; {self._log('connector')}")

    def _observe(self) -> Observed:
        journal = Journal.read(self._control.get("journal").raise_for_status().content.splitlines())
        misses = wires.newest(self._readers["offers-not-found"].read())
        return Observed(
            produced=self._writer.produced,
            results=wires.decoded(self._readers["offer-results"].read(), "offer_result"),
            dead=self._dead(),
            not_found=wires.decoded(misses, "offer_not_found"),
            before=_there(self._units),
            after=self._all_units(),
            storefronts=TARGETS,
            writes=[write for write in journal.writes if write.cause is not Cause.MARKETPLACE],
            calls_by_kind={kind.value: count for kind, count in journal.by_kind.items()},
            calls_by_status=journal.by_status,
            worst_second=journal.worst_second("demo"),
            created=journal.created,
            deleted=journal.deleted,
            limit=LIMIT,
            once=self._backbone.transactions,
        )

    def _leave_running(self) -> None:
        self._console.print("\nLeft running; end with Ctrl-C, then comes the summary.")
        self._console.print(f"  connector status  {self._health_address()}/status  (/metrics, /readyz)", markup=False)
        self._console.print(f"  marketplace log   {self._control.base_url}summary", markup=False)
        self._console.print(f"  topics            {PREFIX}.*.v1 on {self._backbone.bootstrap_servers}", markup=False)
        self._console.print(f"  schemas           {self._backbone.registry_url}/subjects", markup=False)
        self._console.print(f"  logs              {self._folder}", markup=False)
        try:
            while self._run.poll() is None:
                time.sleep(0.5)  # until a person ends it
        except KeyboardInterrupt:
            self._console.print()

    def _health_address(self) -> str:
        """As the connector's first line of log tells it."""
        begins = next(line for line in self._whole_log("connector").splitlines() if '"health_port"' in line)
        return f"http://127.0.0.1:{json.loads(begins)['health_port']}"

    def _dead(self) -> list[tuple[int, int]]:
        found = []
        for record in self._readers["dlq"].read():
            headers = dict(record.headers() or [])
            place = [headers[f"__connect.errors.{name}"] for name in ("partition", "offset")]
            found.append((int(place[0] or b"-1"), int(place[1] or b"-1")))
        return found

    # ---- the marketplace's side -------------------------------------------------------------------------------------

    def _all_units(self) -> dict[int, dict[str, Any]]:
        lines = self._control.get("units").raise_for_status().content.splitlines()
        return {unit["id_unit"]: unit for unit in map(json.loads, lines)}

    def _places(self) -> tuple[list[Place], list[Place]]:
        """(places that one unit fits, places that several fit)."""
        grouped: dict[tuple[str, str, str], list[Place]] = {}
        for there in _there(self._units):
            place = Place(
                target_id=f"shop-{there.storefront}",
                ean=there.ean,
                condition=there.condition,
                currency=CURRENCY,
                unit_id=there.unit_id,
                offer_id=there.offer_id,
            )
            grouped.setdefault((place.target_id, place.ean, place.condition), []).append(place)
        groups = list(grouped.values())
        return [g[0] for g in groups if len(g) == 1], [g[0] for g in groups if len(g) > 1]

    def _schema_id(self, topic: str) -> int:
        url = f"{self._backbone.registry_url}/subjects/{topic}-value/versions/latest"
        schema_id: int = httpx.get(url, trust_env=False).raise_for_status().json()["id"]
        return schema_id

    # ---- processes --------------------------------------------------------------------------------------------------

    def _process(self, name: str, *arguments: str) -> "subprocess.Popen[bytes]":
        out = self._stack.enter_context((self._folder / f"{name}.log").open("wb"))
        command = [sys.executable, "-m", "connector", *arguments]
        # in a session of its own: Ctrl-C is for the demo, which ends its parts when it has read what they know
        process = subprocess.Popen(  # noqa: S603 - our own command
            command, stdout=out, stderr=subprocess.STDOUT, start_new_session=True
        )
        self._stack.callback(_end, process)
        return process

    def _command(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "connector", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own command
        if done.returncode:
            raise DemoFailed(f"connector {' '.join(arguments)}:\n{done.stdout}{done.stderr}")

    def _first_line(self, process: "subprocess.Popen[bytes]", name: str) -> str:
        deadline = time.monotonic() + 60
        while "\n" not in self._whole_log(name):
            if process.poll() is not None or time.monotonic() > deadline:
                raise DemoFailed(f"{name} did not start:\n{self._log(name)}")
            time.sleep(0.05)
        return self._whole_log(name).splitlines()[0]

    def _log(self, name: str) -> str:
        return self._whole_log(name)[-3000:]

    def _whole_log(self, name: str) -> str:
        return (self._folder / f"{name}.log").read_text("utf-8", errors="replace")

    def _progress(self, what: str, total: int) -> "Bar":
        return Bar(self._console, what, total)


class Bar:
    """A line that grows on a terminal; a line every tenth elsewhere."""

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


def _there(units: dict[int, dict[str, Any]]) -> list[UnitThere]:
    """The marketplace's units as the expectation takes them; it spells conditions with three underscores."""
    return [
        UnitThere(
            unit_id=unit_id,
            storefront=unit["storefront"],
            ean=unit["eans"][0],
            condition=unit["condition"].replace("___", "_"),
            offer_id=unit["id_offer"],
            values={name: unit[name] for name in ("listing_price", "amount", "handling_time")},
        )
        for unit_id, unit in units.items()
    ]


def _wall_us() -> Iterator[int]:
    last = 0
    while True:
        last = max(last + 1, time.time_ns() // 1000)
        yield last


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _interrupted(*_: object) -> None:
    raise KeyboardInterrupt


def _some(text: str) -> int:
    count = int(text)
    if count < 1:
        raise argparse.ArgumentTypeError("at least 1 is needed")
    return count


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="connector demo", description="See offers flow, no account needed.")
    parser.add_argument("--events", type=_some, default=20_000, help="how many events to send (default 20,000)")
    parser.add_argument("--real-kafka", action="store_true", help="on a real Apache Kafka: needs Java 17 and Maven")
    parser.add_argument("--keep", action="store_true", help="leave everything running until Ctrl-C")
    parser.add_argument("--cache", type=Path, default=Path(".stack"), help="where the real Kafka's jars are kept")
    return parser.parse_args(arguments)
