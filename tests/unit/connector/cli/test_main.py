"""The command line as a person meets it: processes, their output and their exit codes."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from typer.testing import CliRunner

from connector.cli.main import cli

ROOT = Path(__file__).parents[4]
EXAMPLE = str(ROOT / "config" / "example.toml")
NOBODY = "127.0.0.1:1"


def printed(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> str:
    """What a command prints that succeeds; in this process, for speed."""
    for name in [name for name in os.environ if name.startswith("CONNECTOR")]:
        monkeypatch.delenv(name)
    done = CliRunner().invoke(cli, arguments)
    assert done.exit_code == 0, done.output
    return done.output


def connector(*arguments: str, environ: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run it with the environment of the test less any configuration of its own."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("CONNECTOR")}
    return subprocess.run(
        [sys.executable, "-m", "connector", *arguments],
        cwd=ROOT,
        env={**inherited, **(environ or {})},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_a_configuration_with_five_errors_is_five_lines_and_exit_code_2(tmp_path: Path) -> None:
    broken = (ROOT / "config" / "example.toml").read_text()
    for right, wrong in {
        'start = "earliest" ': 'start = "yesterday" ',
        'url = "http': 'url = "ftp',
        "requests_per_second = 100": "request_per_second = 100",
        'account = "demo"\nstorefront = "de"': 'account = "nobody"\nstorefront = "de"',
        'storefront = "at"': 'storefront = "zz"',
    }.items():
        assert right in broken
        broken = broken.replace(right, wrong, 1)
    keys = tmp_path / "simulator-keys"
    keys.mkdir()
    for name in ("client_key", "secret_key"):
        (keys / name).write_text("k" * 32)
    (tmp_path / "connector.toml").write_text(broken)

    done = connector("run", "--config", str(tmp_path / "connector.toml"))

    assert done.returncode == 2
    heading, *lines = done.stderr.splitlines()
    assert heading.startswith("5 problems in ")
    assert len(lines) == 5
    assert "did you mean requests_per_second?" in done.stderr
    assert "Traceback" not in done.stderr


def test_where_json_is_asked_for_the_problems_of_a_configuration_are_one_line_of_json() -> None:
    done = connector("run", environ={"CONNECTOR__LOG__FORMAT": "json"})

    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    said = json.loads(line)
    assert (said["event"], said["kind"]) == ("ended", "SettingsError")
    assert "kafka.bootstrap_servers: is missing" in said["reason"]


def test_without_a_configuration_every_missing_setting_is_named() -> None:
    done = connector("check")

    assert done.returncode == 2
    assert "kafka.bootstrap_servers: is missing" in done.stderr


def test_the_example_can_be_shown_and_shows_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    said = printed(monkeypatch, "config", "show", "--config", EXAMPLE)

    assert "accounts.demo.requests_per_second = 100" in said
    assert "simulator-secret-key-0" not in said


def test_a_secret_in_the_environment_is_never_repeated() -> None:
    canary = "canary-secret-key-0123456789"

    done = connector("config", "show", "-c", EXAMPLE, environ={"CONNECTOR__ACCOUNTS__DEMO__SECRET_KEY": canary})

    assert done.returncode == 2, "a key from a file and one from the environment is one too many"
    assert canary not in done.stdout + done.stderr


def test_the_routing_table_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    said = printed(monkeypatch, "config", "routing", "--config", EXAMPLE)

    assert "shop-de" in said
    assert "EUR" in said


def test_the_manifest_is_printed_without_any_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    said = printed(monkeypatch, "topics", "--config", EXAMPLE)

    assert "kaufland.offer-state.v1" in said
    assert "kafka-acls" in said


def test_topics_are_printed_for_tools_that_keep_a_cluster_as_code(monkeypatch: pytest.MonkeyPatch) -> None:
    said = printed(monkeypatch, "topics", "--config", EXAMPLE, "--format", "strimzi", "--strimzi-cluster", "events")

    assert said.startswith("---\napiVersion:")
    assert 'strimzi.io/cluster: "events"' in said


@pytest.mark.parametrize("other", ["--check", "--create"])
def test_a_format_is_for_printing_only(other: str) -> None:
    done = connector("topics", "--config", EXAMPLE, "--format", "json", other)

    assert done.returncode == 2
    assert "--format goes with neither --create nor --check" in done.stderr


@pytest.mark.slow
def test_check_prints_json_for_a_pipeline() -> None:
    done = connector("check", "--json", "--config", EXAMPLE, environ={"CONNECTOR__KAFKA__BOOTSTRAP_SERVERS": NOBODY})

    assert done.returncode == 1
    document = json.loads(done.stdout)
    assert not document["ready"]
    assert "failed" in {check["status"] for check in document["checks"]}


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [["topics", "--check"], ["check"]])
def test_a_broker_that_is_down_is_one_sentence_and_exit_code_1(arguments: list[str]) -> None:
    done = connector(*arguments, "--config", EXAMPLE, environ={"CONNECTOR__KAFKA__BOOTSTRAP_SERVERS": NOBODY})

    assert done.returncode == 1
    assert "no broker answers" in done.stdout + done.stderr
    assert NOBODY in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_a_registry_that_is_down_is_one_sentence_and_exit_code_1() -> None:
    done = connector("schemas", "check", "--config", EXAMPLE, environ={"CONNECTOR__REGISTRY__URL": f"http://{NOBODY}"})

    assert done.returncode == 1
    assert f"the schema registry does not answer at {NOBODY}" in done.stderr


@pytest.mark.parametrize(
    "command", ["run", "check", "topics", "schemas register", "schemas check", "config show", "state digest"]
)
def test_a_command_explains_itself(command: str) -> None:
    done = CliRunner().invoke(cli, [*command.split(), "--help"])

    assert done.exit_code == 0
    assert "--config" in done.stdout


def test_a_demo_without_java_names_what_to_install(tmp_path: Path) -> None:
    done = connector("demo", "--real-kafka", environ={"PATH": str(tmp_path)})

    assert done.returncode == 1
    assert "install a Java 17 runtime and Maven" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_the_demo_of_an_installation_without_devstack_says_that_it_needs_a_checkout(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("devstack", "devstack.command"):
        monkeypatch.setitem(sys.modules, name, None)  # as if the package were not installed

    done = CliRunner().invoke(cli, ["demo"])

    assert done.exit_code == 1
    assert "runs from a checkout of the repository" in done.stderr
    assert "make demo" in done.stderr


@pytest.mark.parametrize("command", ["simulate", "demo"])
def test_a_command_with_a_command_line_of_its_own_passes_help_on(command: str) -> None:
    done = connector(command, "--help")

    assert done.returncode == 0
    assert done.stdout.startswith("usage:")
