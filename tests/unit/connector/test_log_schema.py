"""Every log line is of a listed event, and follows the published schema."""

import ast
import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from jsonschema_rs import validator_for

from connector import logs
from connector.console.log_schema import document, schema
from connector.log_events import LIBRARY, OWN_EVENTS, WAITING, id_of
from streams.messages import Notice
from streams.telemetry import EVENTS
from tests.unit.connector.test_logs import out

__all__ = ["out"]  # the fixture

ROOT = Path(__file__).parents[3]
LEVELS = {"debug", "info", "warning", "error", "critical"}
BY_ID = {event.id: event for event in OWN_EVENTS}


def logged() -> Iterator[tuple[str, set[str]]]:
    """Yields the text of each line that the connector logs, with the fields that are written there."""
    for path in (ROOT / "connector").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in LEVELS:
                owner = node.func.value
                is_log = isinstance(owner, ast.Name) and owner.id == "_log"
                if is_log or (isinstance(owner, ast.Call) and getattr(owner.func, "attr", "") == "get_logger"):
                    text = node.args[0].value if isinstance(node.args[0], ast.Constant) else WAITING
                    yield str(text), {keyword.arg for keyword in node.keywords if keyword.arg} - {"exc_info"}


def test_every_line_of_the_connector_is_listed_with_its_fields_and_every_listed_one_is_logged() -> None:
    found = list(logged())
    unlisted = [(text, fields) for text, fields in found if not fields <= set(BY_ID[id_of(text)].fields)]

    assert unlisted == []
    assert {id_of(text) for text, _ in found} == set(BY_ID)


def test_ids_are_distinct_and_no_sentence() -> None:
    ids = [*BY_ID, *(event.name for event in EVENTS), LIBRARY]

    assert len(set(ids)) == len(ids) == len(OWN_EVENTS) + len(EVENTS) + 1
    assert len({event.text for event in OWN_EVENTS}) == len(OWN_EVENTS)
    assert all(one.isidentifier() and one.islower() for one in ids)


def test_the_published_schema_is_the_one_that_is_made_of_the_lists() -> None:
    assert (ROOT / "deploy/logs/log-line.schema.json").read_text() == document()


def test_lines_of_runtime_connector_and_libraries_follow_it(out: io.StringIO) -> None:
    of_schema = validator_for(schema())
    logs.write_notice(Notice(event="partition_opened", fields={"topic": "t", "partition": 1, "reason": "caught up"}))
    structlog.get_logger("connector").warning("waiting for the broker", reason="down")
    structlog.get_logger("connector").info("ended", reason="asked to")
    logging.getLogger("some.library").warning("ended")
    try:
        int("fault")
    except ValueError:
        structlog.get_logger("crash").critical("crashed", exc_info=True)
        logging.getLogger("some.library").exception("broken")
    lines = [json.loads(line) for line in out.getvalue().splitlines()]

    assert [line["event_id"] for line in lines] == [
        "partition_opened", "waits", "ended", LIBRARY, "crashed", LIBRARY,
    ]  # fmt: skip
    assert [line for line in lines if not of_schema.is_valid(line)] == []


@pytest.mark.parametrize(
    "changed",
    [
        {"event_id": "unheard_of"},
        {"level": "loud"},
        {"timestamp": "yesterday"},
        {"price": 12},
        {"reason": {"nested": 1}},
    ],
)
def test_what_is_not_listed_does_not_follow_it(changed: dict[str, object]) -> None:
    line = {"timestamp": "2026-01-31T06:00:00.1Z", "level": "info", "event": "ended", "event_id": "ended"}
    of_schema = validator_for(schema())

    assert of_schema.is_valid({**line, "reason": "asked to"})
    assert not of_schema.is_valid({**line, **changed})
