"""The time of the console's pages with a million offers behind them: `python -m benchmarks.console [--offers N]`.

Needs no broker: the projection's file is filled with records as the connector writes them, and an embedded registry has
their schemas. Pages are asked for over HTTP, one after the other.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import httpx

from benchmarks.report import ReportSection, at_most
from connector import configuration
from connector.console.console_server import ConsoleServer
from connector.console.facts import ProcessFacts, Readiness
from connector.console.projected import ConsoleProjection
from connector.contracts.codec import writer_of
from connector.offers.events import FieldResult, FieldStatus, OfferNotFound, OfferResult, Origin, Pending, Sent, Status
from connector.operations.projected import FollowedProjection, open_followed
from connector.operations.standing import NAME, count
from connector.orders.events import OrderObserved, OrderStatus
from connector.projection.codecs import add_record
from connector.projection.rows import LISTED, ProjectedRows
from connector.reconciliation.codec import unit_key
from connector.reconciliation.events import UnitObserved
from connector.settings.model import Settings
from devstack.embedded_registry import EmbeddedRegistry

GOAL_MS: Final = 300.0
ASKED: Final = 100
"""Requests for each page."""
BATCH: Final = 10_000
NOW_US: Final = time.time_ns() // 1000
BASE_US: Final = NOW_US - 30 * 86_400 * 1_000_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--offers", type=int, default=1_000_000, help="units, and results, behind the pages")
    parser.add_argument("--requests", type=int, default=ASKED, help="for each page")
    options = parser.parse_args()
    found = measure(options.offers, options.requests)
    print("\n".join(found.lines()))
    sys.exit(0 if found.all_met else 1)


def measure(offers: int, requests: int) -> ReportSection:
    """Fills a projection with that many units, and as many results, and asks for each page."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="bench-console-")))
        configured = _settings(stack.enter_context(EmbeddedRegistry()).url)
        with open_followed(configured, folder) as projection:
            filled_s = _timed(lambda: _fill(projection, offers))
            counted_s = _timed(lambda: projection.file.keep_summary(NAME, count(projection.reader, NOW_US).text()))
        size_mb = sum(file.stat().st_size for file in folder.iterdir()) / 1e6
        server = stack.enter_context(
            ConsoleServer(_facts, configured, ConsoleProjection(configured, folder), host="127.0.0.1", port=0)
        )
        http = stack.enter_context(
            httpx.Client(base_url=f"http://127.0.0.1:{server.port}", trust_env=False, timeout=60)
        )
        times = {path: _asked(http, path, requests) for path in _pages(offers)}
    worst_ms = max(_percentile(one, 0.95) for one in times.values())
    return ReportSection(
        title=f"Console: pages with {offers:,} offers behind them",
        head=("page", "p50 ms", "p95 ms", "highest ms"),
        rows=[
            (path, f"{_percentile(one, 0.5):,.1f}", f"{_percentile(one, 0.95):,.1f}", f"{max(one):,.1f}")
            for path, one in times.items()
        ],
        notes=[
            f"{offers:,} units and results; a tenth of the units is not live, a fiftieth of the EANs is not found, as "
            f"many orders are open; {requests} requests for each page, one after the other",
            f"the process of the projection took {filled_s:,.0f} s for the rows, {counted_s:,.1f} s to count them; the "
            f"file has {size_mb:,.0f} MB",
        ],
        goals=[at_most("p95 of the slowest page in ms", worst_ms, GOAL_MS)],
    )


def _pages(offers: int) -> Iterator[str]:
    yield "/"
    yield "/units?state=live"
    yield "/units?state=live&target=shop-at"
    yield "/units?state=off-sale"
    yield "/not-found"
    yield "/not-found?code=OFFER_NOT_FOUND&target=shop-de"
    yield "/held"
    yield "/orders"
    yield f"/orders/M{offers // 100:08}"
    yield f"/offers/{_ean(offers // 2)}"
    yield f"/search?q=SKU-{offers // 3}"


def _asked(http: httpx.Client, path: str, requests: int) -> list[float]:
    """Returns the milliseconds of each request, after one that makes the decoders."""
    http.get(path)
    taken = []
    for _ in range(requests):
        began_s = time.perf_counter()
        answer = http.get(path)
        taken.append((time.perf_counter() - began_s) * 1000)
        assert answer.status_code in (200, 303), (path, answer.status_code, answer.text[:500])
    return sorted(taken)


def _percentile(taken: list[float], part: float) -> float:
    return taken[min(len(taken) - 1, int(len(taken) * part))]


def _timed(work: Callable[[], object]) -> float:
    began_s = time.perf_counter()
    work()
    return time.perf_counter() - began_s


def _settings(registry_url: str) -> Settings:
    config = Path(__file__).parent.parent / "config" / "example.toml"
    environ = {
        "CONNECTOR__REGISTRY__URL": registry_url,
        "CONNECTOR__RECONCILE__ENABLED": "true",
        "CONNECTOR__ORDERS__ENABLED": "true",
    }
    command = [sys.executable, "-m", "connector", "schemas", "register", "--config", str(config)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, **environ})
    return configuration.load_settings(config, environ, datetime.now(UTC)).settings


def _facts() -> ProcessFacts:
    return ProcessFacts(about={"group": "bench"}, beat_age_s=0.0, readiness=Readiness())


# ---- the rows -------------------------------------------------------------------------------------------------------


def _fill(projection: FollowedProjection, offers: int) -> None:
    """Adds the rows as the process of the projection does, in batches."""
    codecs, ids = projection.codecs, projection.codecs.ids
    write = {
        kind: writer_of(kind, ids.value(kind)) for kind in (OfferResult, UnitObserved, OfferNotFound, OrderObserved)
    }
    offsets: dict[str, int] = {}
    rows = ProjectedRows()
    for number, (dataset, key, value) in enumerate(_records(offers), 1):
        offset = offsets[dataset] = offsets.get(dataset, -1) + 1
        raw = write[type(value)](value)
        missing = add_record(
            rows, codecs, dataset, LISTED[dataset], partition=0, offset=offset, key=key.encode(), value=raw
        )
        assert missing is None, missing
        if number % BATCH == 0:
            projection.file.add(rows, {}, {})
            rows = ProjectedRows()
    projection.file.add(rows, {}, {})


def _records(offers: int) -> Iterator[tuple[str, str, Any]]:
    for number in range(offers):
        ean = _ean(number)
        unit = _unit(number, ean)
        yield "units", unit_key(unit), unit
        yield "offer_results", ean, _result(number, ean, "HELD" if number % 500 == 0 else "APPLIED")
        if number % 50 == 0:
            missing = _missing(number, _ean(offers + number))
            yield "offers_not_found", missing.key, missing
            yield "orders", f"M{number:08}", _order(number)


def _ean(number: int) -> str:
    """Returns a GTIN-13 that is valid."""
    digits = f"4{number:011d}"
    total = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(digits))
    return digits + str(-total % 10)


def _unit(number: int, ean: str) -> UnitObserved:
    at_us = BASE_US + number
    return UnitObserved(
        ean=ean,
        account="demo",
        storefront="de" if number % 2 else "at",
        unit_id=100_000 + number,
        condition="NEW",
        offer_id=f"SKU-{number}",
        status="ONHOLD" if number % 10 == 0 else "AVAILABLE",
        is_live=number % 10 != 0,
        price=Decimal("19.99"),
        currency="EUR",
        stock=7,
        handling_time_days=2,
        requested_at_us=at_us,
        observed_at_us=at_us,
        sweep_at_us=BASE_US,
    )


def _result(number: int, ean: str, status: str) -> OfferResult:
    at_us = BASE_US + number * 1_000
    field = FieldResult(
        field="price",
        status=FieldStatus(status),
        requested=Decimal("19.99"),
        currency="EUR",
        before=Decimal("18.99"),
        sent=Decimal("19.99"),
    )
    sent = Sent(
        account="demo",
        storefront="de",
        offer_id=f"SKU-{number}",
        call_ids=(f"call-{number}",),
        attempts=1,
        sent_at_us=at_us,
        answered_at_us=at_us + 40_000,
        unit_status="AVAILABLE",
    )
    return OfferResult(
        result_id=f"00000000-0000-5000-8000-{number:012d}",
        event_id=str(number),
        origin=Origin.LIVE,
        status=Status(status),
        ean=ean,
        target_id="shop-de" if number % 2 else "shop-at",
        condition="NEW",
        unit_id=100_000 + number,
        fields=(field,),
        input_topic="kaufland.offer-changes.v1",
        input_partition=0,
        input_offset=number,
        occurred_at_us=at_us,
        received_at_us=at_us,
        decided_at_us=at_us,
        sent=sent if status == "APPLIED" else None,
    )


def _missing(number: int, ean: str) -> OfferNotFound:
    return OfferNotFound(
        result_id=f"r-{number}",
        event_id=f"e-{number}",
        code="OFFER_NOT_FOUND",
        message=f"Cannot find existing offer: EAN {ean}",
        advice="Create the offer.",
        target_id="shop-de",
        account="demo",
        storefront="de",
        ean=ean,
        condition="NEW",
        attributes={"brand": f"brand-{number % 40}"},
        pending=(
            Pending(field="price", value=Decimal("19.99"), currency="EUR", event_time_us=BASE_US, event_id="e"),
            Pending(field="stock", value=Decimal(3), event_time_us=BASE_US, event_id="e"),
        ),
        first_seen_at_us=BASE_US + number,
        last_seen_at_us=BASE_US + number,
        times_seen=1,
    )


def _order(number: int) -> OrderObserved:
    return OrderObserved(
        account="demo",
        order_id=f"M{number:08}",
        storefront="de",
        created_at_us=BASE_US + number,
        changed_at_us=BASE_US + number,
        status=OrderStatus.NEED_TO_BE_SENT,
        units=(),
        units_open=(number,),
        open_since_us=BASE_US + number,
        complete=False,
        payout_waits=False,
        fulfillment_type="fulfilled_by_merchant",
        observed_at_us=BASE_US + number,
        content_sha256="00",
    )


if __name__ == "__main__":
    main()
