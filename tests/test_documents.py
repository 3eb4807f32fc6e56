"""Generated pages in docs/ match the source, pages contain what a newcomer needs, and their paths and links exist."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

import schemas
from benchmarks.__main__ import MEASUREMENTS
from connector.console import document as metrics
from connector.contracts import topics
from connector.contracts.call_log_row import CallItem, MarketplaceCalled
from connector.contracts.codec import writer_of
from connector.marketplace.offers import Field
from connector.settings import document as settings_document
from connector.settings.model import Settings
from tests.harness.pages import Page, missing, pages
from tests.unit.connector.kaufland.wants import unit

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize(
    ("page", "module", "document"),
    [
        ("settings", "connector.settings.document", settings_document.document),
        ("metrics", "connector.console.document", metrics.document),
        ("topics", "connector.contracts.topics", topics.document),
    ],
)
def test_a_generated_page_matches_the_source(page: str, module: str, document: Callable[[], str]) -> None:
    path = ROOT / "docs" / f"{page}.md"

    assert path.read_text() == document(), f"run: python -m {module} > docs/{page}.md"


def test_every_setting_has_a_meaning() -> None:
    rows = [line for line in settings_document.document().splitlines() if line.startswith("| `")]

    assert len(rows) > len(Settings.model_fields)
    assert [row for row in rows if row.endswith("|  |")] == []


def test_a_topic_that_is_kept_for_a_while_says_how_long() -> None:
    assert re.search(r"offer-results\.v1` .* 90 d ", topics.document())
    assert re.search(r"marketplace-calls\.v1` .* 30 d ", topics.document())


def test_the_pages_explain_where_api_keys_come_from() -> None:
    configuration = (ROOT / "docs" / "configuration.md").read_text()

    assert "Settings > API Access > Generate API Keys" in " ".join(configuration.split())


def test_unit_and_offer_are_both_explained_where_a_reader_meets_them() -> None:
    assert re.search(r"\| unit \| .*offer", (ROOT / "docs" / "glossary.md").read_text())
    for name in ("offer_changed", "offer_result", "offer_state"):
        words = json.dumps(schemas.load(name, 1)).lower()
        assert "offer" in words, name
        assert "unit" in words, name


def test_the_scope_names_all_four_domains_of_the_api() -> None:
    scope = (ROOT / "docs" / "scope.md").read_text()

    for domain in ("Product data", "Inventory", "Sales", "Tickets"):
        assert f"| {domain} |" in scope


def test_the_scope_names_one_owner_of_each_field_and_an_event_names_its_source() -> None:
    scope = (ROOT / "docs" / "scope.md").read_text()
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \| [^|]+ \|$", scope, flags=re.MULTILINE)
    owners = dict(rows)

    [fields] = [owner for data, owner in owners.items() if all(f"`{field}`" in data for field in Field)]
    assert fields.startswith("the event source")
    for data in ("identity", "unit id", "product data", "publishing status", "account and storefront", "orders"):
        assert [name for name in owners if name.startswith(data)], data
    for record in ("offer_changed", "shipment_dispatched"):
        [source] = [one for one in schemas.load(record, schemas.newest(record))["fields"] if one["name"] == "source"]
        assert (source["type"], "default" in source) == ("string", False)


def test_the_page_of_benchmarks_lists_every_measurement() -> None:
    text = (ROOT / "docs" / "benchmarks.md").read_text()

    assert re.findall(r"^\| `(\w+)` \|", text, flags=re.MULTILINE) == list(MEASUREMENTS)


NAMED = re.compile(
    r"(\.ci|benchmarks|config|connector|deploy|devstack|docs|schemas|simulator|streams|tests)/[\w./-]*(::\w+)?"
    r"|[A-Z]\w+\.md|Makefile"
)
"""Matches paths of this repository, relative to its root."""


def named_in(text: str) -> list[str]:
    return [span for span in re.findall(r"(?<!`)`([^`\n]+)`(?!`)", text) if NAMED.fullmatch(span)]


@pytest.mark.parametrize("shown", [pytest.param(one, id=one.name) for one in pages()])
def test_every_path_and_function_that_a_page_names_exists(shown: Page) -> None:
    assert missing(named_in(shown.prose)) == []


@pytest.mark.parametrize("shown", [pytest.param(one, id=one.name) for one in pages()])
def test_every_link_leads_somewhere(shown: Page) -> None:
    links = [link for link in re.findall(r"\]\(([^)\s]+)\)", shown.prose) if "://" not in link]

    assert [link for link in links if not leads(ROOT / shown.name, link)] == []


def leads(start: Path, link: str) -> bool:
    path, _, anchor = link.partition("#")
    file = (start.parent / path).resolve() if path else start
    return file.exists() and (not anchor or anchor in anchors(file.read_text()))


def anchors(text: str) -> set[str]:
    """Returns the anchors of a page's headings."""
    headings = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_a_path_a_link_and_an_anchor_that_do_not_exist_are_found() -> None:
    assert missing(named_in("`docs/no.md` `tests/test_documents.py::no_such` `tests/no/` `tests/`")) == [
        "docs/no.md",
        "tests/test_documents.py::no_such",
        "tests/no/",
    ]
    assert not leads(ROOT / "README.md", "docs/no.md")
    assert not leads(ROOT / "README.md", "docs/operations.md#no-such-section")
    assert leads(ROOT / "README.md", "docs/operations.md#rebuild-the-state")


def test_logged_bodies_cost_what_the_page_says() -> None:
    encode = writer_of(MarketplaceCalled, 4)
    numbers = range(100_000, 100_150)
    values = {"listing_price": 1999, "amount": 5}
    row = MarketplaceCalled(
        call_id="connector-0-1",
        account="main",
        storefront="de",
        kind="update:de",
        method="POST",
        path="/v2/units/bulk?storefront=de",
        attempt=1,
        sent_at_us=1,
        duration_us=1,
        outcome="done",
        tokens_left=97,
        request_sha256="0" * 64,
        response_sha256="0" * 64,
        items=tuple(CallItem(unit_id=n, event_ids=(f"{n:036d}",), event_count=1, status_code=200) for n in numbers),
        instance_id="connector-0",
    )
    request = json.dumps([{"id_unit": n, "unit_data": values} for n in numbers]).encode()
    answer = json.dumps({"data": [{"id_unit": n, "status_code": 200, "unit": unit(n)} for n in numbers]}).encode()

    without = len(encode(row))
    with_bodies = len(encode(replace(row, request_body=request, response_body=answer)))

    assert f"from {without / 1000:.0f} KB to {with_bodies / 1000:.0f} KB" in settings_document.document()
