"""``connector demo --keep``: the summary stays correct after the actions that docs/getting-started.md describes."""

import os
import re
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from connector.offers.producer_kit import ProducerKit
from devstack.backbone import Backbone
from devstack.clients import Reader, RegistryReader, Row, Writer
from devstack.embedded_broker import CLIENT_PROPERTIES
from devstack.processes import ModuleProcess
from devstack.waiting import until
from tests.harness.console_pages import ReadPage
from tests.harness.pages import block

EVENTS = 300
INPUT, RESULTS = "demo.offer-changes.v1", "demo.offer-results.v1"


class KeptRun:
    """A finished demo whose processes were left running."""

    def __init__(self, folder: Path) -> None:
        self.demo = ModuleProcess("demo", ["connector", "demo", "--keep", "--events", str(EVENTS)], folder / "demo.log")
        self.folder = folder
        until(
            "the demo to be left running",
            lambda: "  logs  " in self.text() or not self.demo.running,
            progress=self.text,
        )
        self.broker, self.registry = self.named("broker"), self.named("registry")
        backbone = Backbone(bootstrap_servers=self.broker, registry_url=self.registry, properties=CLIENT_PROPERTIES)
        self.backbone, self.subjects = backbone, RegistryReader(self.registry)
        self.results = Reader(backbone, RESULTS, self.subjects)

    def text(self) -> str:
        return self.demo.text()

    def named(self, what: str) -> str:
        found = re.search(rf"^ *{what} +(\S+)", self.text(), flags=re.MULTILINE)
        assert found, self.text()
        return found[1]

    def end_the_connector(self) -> None:
        number = re.search(r"connector   process (\d+)", self.text())
        assert number, self.text()
        os.kill(int(number[1]), signal.SIGTERM)
        until(
            "the demo to say so", lambda: "The connector has ended, with exit code 0" in self.text(), progress=self.text
        )

    def start_another(self) -> ModuleProcess:
        command = re.search(r"connector (run --config \S+)", self.text())
        assert command, self.text()
        return ModuleProcess("another", ["connector", *command[1].split()], self.folder / "another.log")

    def read_from_the_beginning(self) -> None:
        """Runs the snippet of the page."""
        exec(block("docs/getting-started.md", "python", "demo.connector").body, {"broker": self.broker})

    def replayed(self) -> list[Mapping[str, Any]]:
        return [row for row in self.results.rows() if row["origin"] == "REPLAY"]

    def send(self, event_id: str, ean: str, stock: int) -> None:
        """Produces an event that the demo did not send."""
        at_us = time.time_ns() // 1000
        said = {"event_id": event_id, "occurred_at_us": at_us, "ean": ean, "target_id": "shop-de", "condition": "NEW"}
        writer = Writer(self.backbone, INPUT)
        writer.send(*ProducerKit(self.subjects.id_of(INPUT)).message({**said, "stock": stock}), lambda *_: None)
        writer.flush()

    def row_of(self, event_id: str) -> Mapping[str, Any] | None:
        return next((row for row in self.results.rows() if row["event_id"] == event_id), None)

    def newest(self, topic: str) -> list[Row]:
        """Returns the newest row of each key of a topic."""
        with closing(Reader(self.backbone, f"demo.{topic}.v1", self.subjects)) as reader:
            return list(reader.newest().values())

    def first_page(self) -> str:
        """Returns the words of the console's first page."""
        answer = httpx.get(self.named("console"), timeout=60, trust_env=False)
        assert answer.status_code == 200, answer.text
        page = ReadPage(answer.text)
        assert list(page.faults()) == []
        return page.words

    def counts_add_up(self) -> bool:
        """Whether the console's figures are those of the topics."""
        still_open = sum(bool(order["units_open"]) for order in self.newest("orders"))
        told = (f"{len(self.newest('offers-not-found')):,} not found", f" {still_open} order")
        words = self.first_page()
        return all(one in words for one in told) and "Not up to date" not in words


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[KeptRun]:
    made = KeptRun(tmp_path)
    try:
        yield made
    finally:
        made.results.close()
        made.demo.end()


@pytest.mark.slow
def test_a_demo_that_is_kept_outlives_its_connector_and_a_replay_and_events_of_others_add_up(kept: KeptRun) -> None:
    applied = next(row for row in kept.results.rows() if row["status"] == "APPLIED" and row["condition"] == "NEW")

    until("the console to count what the topics have", kept.counts_add_up, progress=kept.first_page)
    kept.end_the_connector()
    kept.read_from_the_beginning()
    another = kept.start_another()
    try:
        until("the replay", lambda: len(kept.replayed()) > EVENTS / 2, progress=lambda: len(kept.replayed()))
        kept.send("mine", applied["ean"], 77)
        until("its result", lambda: kept.row_of("mine") is not None, progress=lambda: len(kept.results.rows()))
        assert another.stop() == 0
    finally:
        another.end()
    os.kill(kept.demo.pid, signal.SIGINT)

    assert kept.demo.wait() == 0, kept.text()
    assert "✗" not in kept.text()
    assert "Sent by others, not by the demo" in kept.text()
    assert re.search(r"events +1: 1 results, 0 dead letters", kept.text())
