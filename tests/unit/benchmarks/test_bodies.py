"""The benchmark of request bodies compares two ways to the same request, which differ in validations alone."""

import json
from collections.abc import Callable, Sequence

import pytest

from benchmarks import bodies
from connector.kaufland.http.exchange import ApiRequest
from connector.marketplace.offers import Update
from tests.harness.counted import counted_validations


def test_both_ways_make_the_same_request_with_all_units() -> None:
    updates = bodies.made_up_updates()

    request = bodies.validated_once(updates)

    assert request == bodies.validated_twice(updates)
    assert len(json.loads(request.body)) == bodies.UNITS


@pytest.mark.parametrize(("way", "times"), [(bodies.validated_once, 1), (bodies.validated_twice, 2)])
def test_a_way_validates_each_update_as_often_as_its_name_says(
    monkeypatch: pytest.MonkeyPatch, way: Callable[[Sequence[Update]], ApiRequest], times: int
) -> None:
    validated = counted_validations(monkeypatch)

    way(bodies.made_up_updates())

    assert len(validated) == times * bodies.UNITS


def test_the_report_has_both_ways_and_their_ratio() -> None:
    report = "\n".join(bodies.measure(rounds=1).lines())

    assert "| validated once" in report
    assert "| validated twice" in report
