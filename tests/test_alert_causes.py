"""What wakes somebody at night: the alerts of a running process, each fired by its real cause.

The process is ``connector run`` with a broker, a registry and the simulator. Its ``/metrics`` is scraped before and
after the cause, and the expressions of ``deploy/prometheus/rules.yaml`` are evaluated as if the time before had lasted
a day. How long an alert then waits (``for``) is tested by the input of ``rules_test.yaml``. The other alerts:
``tests/unit/connector/console/test_alerts_over_hours.py`` and ``tests/faults/test_29_alerts.py``.
"""

import re
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner

from connector.cli.main import cli
from connector.offers.gtin import check_digit
from devstack.backbone import Backbone, embedded
from devstack.deployment import Deployment
from devstack.processes import ModuleProcess
from devstack.traffic import OfferPlace
from tests.faults.test_05_bulk_edges import change
from tests.faults.test_15_push import buy
from tests.faults.workload import wall_us
from tests.harness.alert_rules import ALERTS, RECORDED, Page, holding, scraped
from tests.harness.tcp_proxy import TcpProxy
from tests.harness.tls_certificates import CLIENT

SETTINGS = """
[offers]
not_found_grace = "1s"
[mappings]
overrides_file = "{overrides}"
[push]
enabled = true
port = 0
public_url = "{callback}"
"""
UNKNOWN = 60


class ScrapedProcess:
    """A deployment with the page that Prometheus last scraped of its process."""

    def __init__(self, deployment: Deployment[Backbone]) -> None:
        self.deployment = deployment
        self.process: ModuleProcess | None = None
        self.before: Page = {}
        self.lasting: set[str] = set()  # alerts whose causes are not removed
        self.times = wall_us()

    def scrape(self) -> list[Page]:
        if self.process is None:
            return []
        with self.process.health() as health:
            return [scraped(health.get("/metrics").text)]

    def remember(self) -> None:
        """Makes the present page the one before the next cause."""
        [self.before] = self.scrape()

    def alerts(self, later_s: float = 0.0) -> set[str]:
        """Returns the alerts whose expression holds; ``later_s``: if nothing changes for so long."""
        return holding(self.before, self.scrape(), time.time() + later_s)

    def value(self, name: str) -> float:
        [page] = self.scrape()
        return sum(value for (found, _), value in page.items() if found == name)

    def fires(self, *alerts: str) -> None:
        """Waits until the expressions of exactly these alerts, and of those that last, hold."""
        expected = self.lasting | set(alerts)
        self.deployment.wait_for(
            f"{sorted(expected)} and no other",
            lambda: self.alerts() == expected,
            progress=self.alerts,
            still_s=120,
        )

    def produce(self, *places: OfferPlace, **carried: object) -> None:
        self.deployment.produce(change(place, next(self.times), **carried) for place in places)

    def applied(self, *places: OfferPlace, **carried: object) -> None:
        produced = self.deployment.produce([change(place, next(self.times), **carried) for place in places])
        self.deployment.wait_for_results(produced)


@pytest.fixture
def started(tmp_path: Path) -> Iterator[tuple[ScrapedProcess, TcpProxy, TcpProxy]]:
    """Yields a deployment, the way to its push receiver, and the way to its registry."""
    with ExitStack() as opened:
        backbone = opened.enter_context(embedded())
        callback, registry = opened.enter_context(TcpProxy()), opened.enter_context(TcpProxy(backbone.registry_url))
        overrides = tmp_path / "overrides.csv"
        overrides.write_text("ean,target,hold\n")
        deployment = Deployment(
            kafka=backbone,
            folder=tmp_path / "night",
            partitions=2,
            storefronts=("de",),
            catalogue="eans = 30\nlinked = 0.0\nambiguous = 0.0\nmissing = 0.0\nfurther_condition = 0.0",
            scenario="[orders]\nconfirm_delay_s = 0.0\n[push]\nretry_after_s = [0.1]\n",
            settings=SETTINGS.format(overrides=overrides, callback=callback.url),
            orders={"interval": "5s"},
            reconcile={"interval": "5s", "settle": "1s"},
            targeted={"price_step_pct": 50},
            registry_url=registry.url,
        )
        yield ScrapedProcess(opened.enter_context(deployment)), callback, registry


def lacking_series(page: Page) -> set[str]:
    """Returns the alerts that would miss the first event of a process that has this page after its start.

    An alert adds up what a series has grown by; a series that is not there before its first event does not grow by it,
    unless the rule says what it means that a series appears.
    """
    there = {name for name, _ in page}
    grown = {name: set(GROWTH.findall(_inlined(rule["expr"]))) for name, rule in ALERTS.items()}
    appears = {name: set(APPEARANCE.findall(rule["expr"])) for name, rule in ALERTS.items()}
    return {name for name, series in grown.items() if series - there - appears[name]}


GROWTH = re.compile(r"(?:increase|rate)\((\w+)")
APPEARANCE = re.compile(r"unless (\w+) offset")


def _inlined(expression: str) -> str:
    for name, recorded in RECORDED.items():
        expression = expression.replace(name, recorded)
    return expression


def run(deployment: Deployment[Backbone], *arguments: str) -> None:
    """Runs a command in this process: each start of Python takes a second."""
    done = CliRunner().invoke(cli, [*arguments, "--config", str(deployment.config("cli"))])
    assert done.exit_code == 0, (done.output, done.exception)


def start_and_lose_push(watched: ScrapedProcess, callback: TcpProxy) -> None:
    """Starts a process, and lets the marketplace disable its subscription: nobody answers at its address."""
    deployment = watched.deployment
    watched.process = deployment.connector("one")
    with watched.process.health() as health:
        deployment.wait_for("readiness", lambda: health.get("/readyz").status_code == 200)
    [port] = [orjson.loads(line)["push_port"] for line in watched.process.text().splitlines() if '"push_port"' in line]
    callback.lead_to(f"http://127.0.0.1:{port}")
    run(deployment, "push", "subscribe", "--email", "shop@example.com", "--event", "order_new")
    watched.remember()
    assert lacking_series(watched.before) == set()
    watched.applied(*deployment.places()[0][:3], stock=5)
    watched.remember()
    callback.shut()
    buy(deployment)  # type: ignore[arg-type] # uses the marketplace alone
    deployment.wait_for(
        "the last try to notify", lambda: any(push.is_last for push in deployment.marketplace.journal().pushes)
    )


@pytest.mark.slow
def test_each_alert_fires_by_its_cause_and_no_other_with_it(started: tuple[ScrapedProcess, TcpProxy, TcpProxy]) -> None:
    watched, callback, registry = started
    deployment = watched.deployment
    places, marketplace = deployment.places()[0], deployment.marketplace
    [changed, held, edited, *others] = places
    start_and_lose_push(watched, callback)
    watched.fires()
    assert watched.process is not None

    # the process is gone; its successor waits for a registry, and finds a disabled subscription and an old certificate
    assert watched.process.stop() == 0
    watched.process = None
    watched.fires("ConnectorAbsent")
    registry.shut()
    deployment.http = {"ca_file": str(CLIENT.with_name("expired.pem"))}
    watched.process = deployment.connector("two")
    watched.fires("ConnectorNotReady")
    registry.open()
    watched.fires("ConnectorPushDisabled", "ConnectorCertificateEnds")
    watched.lasting = {"ConnectorPushDisabled", "ConnectorCertificateEnds"}

    # what the input does
    watched.remember()
    deployment.produce([replace(change(changed, next(watched.times)), payload=None, raw=b"{}")])
    watched.fires("ConnectorDeadLetters")
    watched.remember()
    watched.produce(*(replace(changed, ean=ean) for ean in unknown(UNKNOWN)), price=(Decimal(20), "EUR"))
    watched.fires("ConnectorNotFoundJump")
    watched.remember()
    watched.produce(changed, price=(Decimal("0.01"), "EUR"))
    watched.fires("ConnectorGuardTripped")

    # what people do
    run(deployment, "hold", "add", "--ean", held.ean, "--reason", "a test")
    watched.remember()
    watched.produce(held, stock=6)
    watched.fires("ConnectorHeldForLong")
    watched.remember()
    marketplace.edit(edited.unit_id, amount=77)
    watched.fires("ConnectorDrift")
    watched.remember()
    (deployment.folder.parent / "overrides.csv").write_text("no column that is known\n")
    watched.fires("ConnectorFileRefused")
    (deployment.folder.parent / "overrides.csv").write_text("ean,target,hold\n")

    # what the marketplace does
    watched.remember()
    marketplace.policy(clock_offset_s=30.0)
    watched.fires("ConnectorClockSkew")
    marketplace.policy(clock_offset_s=0.0)
    watched.fires()
    for stock in (7, 8):  # a storm of 429 lasts longer than from one scrape to the next
        marketplace.fault("429", {"kind": "respond", "status": 429}, times=3)
        watched.remember()
        watched.applied(*others, stock=stock)
    watched.fires("ConnectorThrottled")
    watched.remember()
    marketplace.fault("orders", {"kind": "respond", "status": 500}, path="/order-units*")
    deployment.wait_for("polls that fail", lambda: watched.value("connector_orders_failures_in_a_row") >= 2)
    assert "ConnectorOrdersNotPolled" not in watched.alerts()
    assert "ConnectorOrdersNotPolled" in watched.alerts(later_s=960)
    marketplace.heal("orders")
    marketplace.rotate("main", "n" * 32, "0" * 64)
    watched.produce(*others, stock=9)
    watched.fires("ConnectorKeysRefused", "ConnectorAccountClosed", "ConnectorNoResults")


def unknown(count: int) -> list[str]:
    """Returns EANs that the marketplace's catalogue does not have."""
    bodies = (f"40000000{number:04d}" for number in range(count))
    return [body + check_digit(body) for body in bodies]
