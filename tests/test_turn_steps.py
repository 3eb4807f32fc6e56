"""The steps of a turn import only earlier steps, directly and indirectly; checked from the imports of the flows."""

from collections.abc import Iterator, Mapping

import pytest

from tests.test_architecture import imports_of, module_of, parsed, sources

LATER_STEPS = {
    "merge": ("decide", "outcomes", "wants", "results", "flow"),
    "outcomes": ("merge", "decide", "wants", "results", "flow"),
    "decide": ("merge", "outcomes", "wants", "results", "flow"),
    "wants": ("merge", "decide", "outcomes", "results", "flow"),
    "results": ("merge", "decide", "outcomes", "wants", "flow"),
}
"""Step -> steps that it must not import. The flow calls them in turn: merge or outcomes, decide, wants and results."""


def graph_of(tree: Mapping[str, str]) -> dict[str, list[str]]:
    modules = frozenset(module_of(path) for path in tree)
    return {module_of(path): sorted(set(imports_of(path, parsed(source), modules))) for path, source in tree.items()}


def reached(graph: Mapping[str, list[str]], module: str) -> set[str]:
    found: set[str] = set()
    left = [module]
    while left:
        for name in graph.get(left.pop(), ()):
            if name not in found:
                found.add(name)
                left.append(name)
    return found


def wrong_steps(graph: Mapping[str, list[str]], flow: str) -> Iterator[str]:
    for step, later in LATER_STEPS.items():
        behind = reached(graph, f"{flow}.{step}")
        yield from (f"{flow}.{step} reaches {name}" for name in later if f"{flow}.{name}" in behind)


@pytest.mark.parametrize("flow", ["connector.offers", "connector.shipments"])
def test_a_step_of_a_turn_imports_earlier_steps_only(flow: str) -> None:
    assert list(wrong_steps(graph_of(sources()), flow)) == []


def test_a_step_that_reaches_a_later_one_through_another_module_is_found() -> None:
    tree = {
        "connector/offers/merge.py": "from connector.offers.plan import OfferPlan",
        "connector/offers/plan.py": "from connector.offers.decide import decide",
        "connector/offers/decide.py": "",
    }

    assert list(wrong_steps(graph_of(tree), "connector.offers")) == ["connector.offers.merge reaches decide"]
