"""The pages are correct: each command, configuration and snippet in them is run or, where it can't be, checked."""

import argparse
import io
import os
import re
import shlex
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from socket import socket

import pytest
import yaml

from connector import configuration
from connector.contracts.topic_checks import wanted
from connector.contracts.topics import Feature, named
from connector.kaufland.reference import load_reference
from connector.settings.load import Loaded, load
from devstack import backbone
from devstack import command as demo
from devstack.processes import own_environment
from devstack.waiting import until
from simulator import __main__ as simulator_cli
from tests.harness.command_tree import refusal
from tests.harness.pages import ROOT, Block, block, commands, page, pages

ON = frozenset({Feature.OFFERS, Feature.SHIPMENTS, Feature.ORDERS})
"""The features that config/example.toml enables."""
PROGRESS = ("events sent", "results read", "orders settled")
PAGES = tuple(pages())
BLOCKS = [pytest.param(one, id=f"{one.page}-{n}") for each in PAGES for n, one in enumerate(each.blocks)]
NEVER_RUN = {
    "text": "pictures, and the output of commands, which tests of their own compare",
    "python": "run by tests of their own, named in SNIPPETS",
    "sql": "run by tests of their own, named in SNIPPETS",
    "csv": "files that a person writes, which tests of their readers show",
}
SNIPPETS = {
    "demo.connector": "tests/unit/devstack/test_keep.py",
    "ProducerKit(": "tests/test_readme.py::test_the_snippet_that_sends_an_event_shows_its_result",
    "ROW_NUMBER()": "tests/test_readme.py::test_the_query_keeps_one_row_of_each_event",
    "waited_us": "tests/test_readme.py::test_the_query_joins_results_with_their_calls",
    "NOT u.is_live": "tests/test_readme.py::test_the_query_finds_units_that_are_not_live_by_their_newest_row",
}
"""A text that identifies each snippet -> the test that runs it."""
KAFKAS_OWN = frozenset(
    {
        "--bootstrap-server", "--group", "--topic", "--reset-offsets", "--to-datetime", "--to-earliest", "--to-latest",
        "--execute", "--delete",
    }
)  # fmt: skip
"""Options of Kafka's command line tools, which the tests do not run; ``tests/faults`` uses an admin client instead."""


# ---- the demo's output ----------------------------------------------------------------------------------------------


def shown_output() -> list[str]:
    return normalised(block("docs/getting-started.md", "text", "registry    http").body)


def normalised(text: str) -> list[str]:
    """Returns the lines without progress, with figures, addresses and example offers replaced by placeholders."""
    lines = []
    for line in text.splitlines():
        if not line.strip() or line.startswith(PROGRESS) or line.strip() == "...":
            continue
        alike = re.sub(r"\border M\w{6}:", "order ID:", line)
        alike = re.sub(r"\d[\d,.]*", "N", alike)
        alike = re.sub(r"\b(NEW|USED_GOOD)\b", "CONDITION", alike)
        alike = re.sub(r"shop-(de|at)\b", "TARGET", alike)
        alike = re.sub(r"storefront (de|at)\b", "storefront S", alike)
        alike = re.sub(r"waiting: .*", "waiting: VALUES", alike)
        lines.append(re.sub(r" +", " ", alike))
    return lines


@pytest.mark.slow
def test_the_readme_shows_what_the_demo_prints_and_the_demo_adds_up() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "connector", "demo", "--events", "6000"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert normalised(done.stdout) == shown_output()
    assert any(line.startswith(PROGRESS) for line in done.stdout.splitlines()), "no progress was shown"


def test_the_readme_shows_lines_of_the_whole_output() -> None:
    excerpt = block("README.md", "console", "$ make demo").body.partition("\n")[2]

    assert [line for line in normalised(excerpt) if line not in shown_output()] == []
    assert len(excerpt.splitlines()) <= 12


def test_the_readme_names_the_two_commands_on_its_first_screens() -> None:
    lines = page("README.md").text.splitlines()

    assert len(lines) <= 150
    for command in ("make demo", "make test"):
        assert any(f"$ {command}" in line for line in lines[:50])


# ---- every block ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shown", BLOCKS)
def test_every_block_is_run_or_checked(shown: Block, tmp_path: Path) -> None:
    match shown.language:
        case "console":
            found = list(commands(shown))
            assert found, "a console block shows commands after a $"
            assert [problem for one in found if (problem := unknown(one))] == []
        case "toml":
            assert configured(shown.body, tmp_path).settings.kafka.group
        case "yaml":
            assert list(yaml.safe_load_all(shown.body))
        case "python" | "sql":
            assert [text for text in SNIPPETS if text in shown.body], "no test runs this snippet"
        case other:
            assert other in NEVER_RUN


@pytest.mark.parametrize("shown", [pytest.param(each, id=each.name) for each in PAGES])
def test_every_command_in_the_text_exists(shown: object) -> None:
    spans = [span for each in PAGES if each is shown for span in each.spans]

    problems = [problem for span in spans if is_command(span) and (problem := unknown(span))]

    assert [problem for problem in problems if "Missing parameter" not in problem] == []


def test_every_snippet_has_its_test() -> None:
    snippets = [one for each in PAGES for one in each.blocks if one.language in ("python", "sql")]

    for text, test in SNIPPETS.items():
        path, _, function = test.partition("::")
        assert [one for one in snippets if text in one.body], text
        assert f"def {function}" in (ROOT / path).read_text(), test


@pytest.mark.parametrize(
    "wrong",
    [
        "connector rnu",
        "connector run --drye-run",
        "connector topics --partitions many",
        "connector state forget",
        "connector simulate --prot 1",
        "make coffee",
        'make demo ARGS="--keeps"',
        ".venv/bin/pytest tests/no_such_test.py",
        ".venv/bin/python -m tests.no_such_module 1",
        "kafka-topics --bootstrap-server broker:9092 --topic kaufland.no-such.v1",
        "CONNECTOR__KAFKA__GRUOP=x connector run",
        "rm -rf /",
    ],
)
def test_a_command_that_does_not_exist_is_found(wrong: str) -> None:
    assert unknown(wrong)


# ---- commands -------------------------------------------------------------------------------------------------------


def is_command(span: str) -> bool:
    return bool(re.match(r"(connector|make) [a-z]+( |$)|(\.venv/bin/)?(python|pytest) -?\w|connector \w+ ", span))


def unknown(command: str) -> str:
    """Returns why a command can't be run as shown; "" if it can."""
    words = shlex.split(command.rstrip("& "), comments=True)
    environ = {}
    while words and (words[0] == "export" or re.match(r"\w+=", words[0])):
        name, _, value = words.pop(0).partition("=")
        environ[name] = value
    problem = _unknown_settings({name: value for name, value in environ.items() if name.startswith("CONNECTOR__")})
    if problem or not words:
        return problem
    program = Path(words[0]).name
    checks: dict[str, Callable[[list[str]], str]] = {
        "connector": _unknown_to_us,
        "make": _unknown_target,
        "pytest": _unknown_test,
        "python": _unknown_module,
        "kafka-topics": _unknown_to_kafka,
        "kafka-consumer-groups": _unknown_to_kafka,
        "cp": lambda words: "",
        "kill": lambda words: "",
        "helm": _missing,
        "kubectl": _missing,
        "docker": lambda words: "" if words[0] == "compose" and "up" in words else f"{command}: not known",
        **{path.name: lambda _: "" for path in (ROOT / "deploy" / "image").iterdir() if path.suffix == ""},
    }
    check = checks.get(program)
    return check(words[1:]) if check is not None else f"{program}: no check for it"


def _unknown_settings(environ: dict[str, str]) -> str:
    try:
        load(
            ROOT / "config" / "example.toml",
            environ,
            datetime.now(UTC),
            lambda over: configuration.marketplace_facts(load_reference(over)),
        )
    except Exception as error:  # noqa: BLE001 - any error means that the page is wrong
        return str(error)
    return ""


def _unknown_to_us(words: list[str]) -> str:
    if words[:1] == ["demo"]:
        return _refused(lambda: demo._options(words[1:]))
    if words[:1] == ["simulate"]:
        return _refused(lambda: simulator_cli._options(words[1:]))
    return refusal(words)


def _refused(parse: Callable[[], argparse.Namespace]) -> str:
    with redirect_stderr(io.StringIO()) as said:
        try:
            parse()
        except SystemExit:
            return said.getvalue() or "refused"
    return ""


def _unknown_target(words: list[str]) -> str:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    target, given = words[0], dict(word.split("=", 1) for word in words[1:])
    if not re.search(rf"^{re.escape(target)}:", makefile, flags=re.MULTILINE) and target != ".venv/.installed":
        return f"make {target}: no such target"
    arguments = shlex.split(given.get("ARGS", ""))
    return _unknown_to_us(["demo", *arguments]) if target == "demo" else _missing(arguments)


def _missing(words: Iterable[str]) -> str:
    """Returns the paths that do not exist."""
    return ", ".join(word for word in words if "/" in word and not (ROOT / word.partition("::")[0]).exists())


def _unknown_test(words: list[str]) -> str:
    chosen = words[words.index("-k") + 1] if "-k" in words else ""
    files = [ROOT / word for word in words if word.endswith(".py") and (ROOT / word).is_file()]
    if chosen and not any(re.search(rf"def test_\w*{chosen}", file.read_text("utf-8")) for file in files):
        return f"no test of {files} has {chosen} in its name"
    return _missing(words)


def _unknown_module(words: list[str]) -> str:
    if words[:1] != ["-m"]:
        return _missing(words)
    try:
        return "" if find_spec(words[1]) is not None else f"no module {words[1]}"
    except ModuleNotFoundError as error:
        return str(error)


def _unknown_to_kafka(words: list[str]) -> str:
    options = [word for word in words if word.startswith("--")]
    topics = named("kaufland", frozenset(Feature))
    manifest = {getattr(topics, name) for name in dir(topics) if isinstance(getattr(topics, name), str)}
    given = [words[at + 1].partition(":")[0] for at, word in enumerate(words) if word == "--topic"]
    return ", ".join([*(o for o in options if o not in KAFKAS_OWN), *(t for t in given if t not in manifest)])


# ---- configuration --------------------------------------------------------------------------------------------------


def configured(text: str, folder: Path) -> Loaded:
    """Loads a configuration from a page as ``connector run`` does; its secrets are files with the simulator's keys."""
    keys = ROOT / "config" / "simulator-keys"
    environ = {
        f"CONNECTOR__ACCOUNTS__MAIN__{key.upper()}_FILE": str(keys / key) for key in ("client_key", "secret_key")
    }
    file = folder / "connector.toml"
    file.write_text(text, "utf-8")
    return load(file, environ, datetime.now(UTC), lambda over: configuration.marketplace_facts(load_reference(over)))


# ---- queries --------------------------------------------------------------------------------------------------------


def asked(query: str, **tables: list[dict[str, object]]) -> list[dict[str, object]]:
    """Runs a query on these tables and returns the rows."""
    with sqlite3.connect(":memory:") as database:
        database.row_factory = sqlite3.Row
        for name, rows in tables.items():
            columns = ", ".join(rows[0])
            database.execute(f"CREATE TABLE {name} ({columns})")
            marks = ", ".join("?" for _ in rows[0])
            database.executemany(f"INSERT INTO {name} VALUES ({marks})", [tuple(row.values()) for row in rows])
        return [dict(row) for row in database.execute(query)]


def test_the_query_keeps_one_row_of_each_event() -> None:
    rows: list[dict[str, object]] = [
        {"result_id": "a", "origin": "LIVE", "status": "NOT_FOUND", "decided_at": 1},
        {"result_id": "a", "origin": "RECHECK", "status": "APPLIED", "decided_at": 2},
        {"result_id": "a", "origin": "REPLAY", "status": "UNCHANGED", "decided_at": 3},
        {"result_id": "b", "origin": "REPLAY", "status": "APPLIED", "decided_at": 4},
        {"result_id": "b", "origin": "REPLAY", "status": "UNCHANGED", "decided_at": 5},
    ]

    found = asked(block("docs/analytics.md", "sql", "ROW_NUMBER()").body, offer_results=rows)

    assert {(row["result_id"], row["status"]) for row in found} == {("a", "APPLIED"), ("b", "UNCHANGED")}


def test_the_query_finds_units_that_are_not_live_by_their_newest_row() -> None:
    def row(unit_id: int, is_live: bool | None, observed_at: int) -> dict[str, object]:
        shown = {"ean": "1", "account": "main", "storefront": "de", "unit_id": unit_id, "status": "ONHOLD", "stock": 3}
        return {**shown, "is_live": is_live, "observed_at": observed_at}

    found = asked(
        block("docs/analytics.md", "sql", "NOT u.is_live").body,
        units=[row(1, False, 5), row(1, True, 6), row(2, True, 5), row(2, False, 6), row(3, None, 5)],
    )

    assert found == [{"ean": "1", "storefront": "de", "unit_id": 2, "status": "ONHOLD", "stock": 3}]


def test_the_query_joins_results_with_their_calls() -> None:
    found = asked(
        block("docs/analytics.md", "sql", "waited_us").body,
        offer_results=[
            {"result_id": "a", "ean": "1", "status": "APPLIED", "received_at": 5},
            {"result_id": "b", "ean": "2", "status": "FAILED", "received_at": 6},
        ],
        result_calls=[{"result_id": "a", "call_id": "c-1"}, {"result_id": "b", "call_id": "c-2"}],
        marketplace_calls=[
            {"call_id": "c-1", "http_status": 202, "answered_at": 9},
            {"call_id": "c-2", "http_status": 500, "answered_at": 9},
        ],
    )

    assert found == [{"ean": "1", "call_id": "c-1", "http_status": 202, "waited_us": 4}]


# ---- a deployment by hand -------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_snippet_that_sends_an_event_shows_its_result(tmp_path: Path) -> None:
    """Runs every command of "Your own broker", then the snippet, on the embedded broker, which has no transactions and
    lets only its own process create topics."""
    snippet = tmp_path / "snippet.py"
    snippet.write_text(block("docs/getting-started.md", "python", "ProducerKit(").body, "utf-8")
    port = _free_port()
    overrides = {
        "PROCESSING__GUARANTEE": "at_least_once",
        "HEALTH__PORT": "0",
        "ACCOUNTS__DEMO__BASE_URL": f"http://127.0.0.1:{port}/v2",
    }
    with backbone.embedded() as there, ExitStack() as started:
        assert there.make_topic is not None
        for topic in wanted(named("kaufland", ON), {}, partitions=8, replication=None):
            there.make_topic(topic.name, topic.partitions)
        shell = Shell(there, port, {f"CONNECTOR__{name}": value for name, value in overrides.items()}, tmp_path)
        for command in commands(block("docs/getting-started.md", "console", "connector simulate --port")):
            if command.startswith("export "):
                shell.begin += f"{command}\n"
            elif "simulate" in command or command == "connector run":
                started.enter_context(shell.start(command))
            else:
                shell.run(command)

        assert shell.run(f"python {snippet}").strip() == "APPLIED"
        assert "order" in shell.run("connector orders open")


class Shell:
    """Runs a page's commands, each in a shell of its own after ``begin``, with the page's addresses replaced."""

    def __init__(self, there: backbone.Backbone, port: int, environ: dict[str, str], folder: Path) -> None:
        self.begin = ""
        self._replaced = {
            "127.0.0.1:9092": there.bootstrap_servers,
            "http://127.0.0.1:8081/apis/ccompat/v7": there.registry_url,
            "--port 8090": f"--port {port}",
        }
        self._environ = {**own_environment(os.environ), **environ}
        self._folder = folder

    def run(self, command: str) -> str:
        done = subprocess.run(
            ["bash", "-ec", self._here(command)],
            cwd=ROOT,
            env=self._environ,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout

    @contextmanager
    def start(self, command: str) -> Iterator[None]:
        """Runs a command in the background; ends it by SIGTERM and expects exit code 0."""
        log = self._folder / "started.log"
        with log.open("ab") as out:
            process = subprocess.Popen(
                ["bash", "-ec", self._here(f"exec {command.rstrip('& ')}")],
                cwd=ROOT,
                env=self._environ,
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        try:
            if "simulate" in command:
                until("the simulator to listen", lambda: b'"url"' in log.read_bytes(), progress=log.read_bytes)
            yield
        finally:
            process.terminate()
            assert process.wait(60) == 0, log.read_text()

    def _here(self, command: str) -> str:
        script = f"{self.begin}{command}"
        for shown, here in self._replaced.items():
            script = script.replace(shown, here)
        return script


def _free_port() -> int:
    with socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port
