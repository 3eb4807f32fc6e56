"""A cold start with a whole catalogue, through the engine: calls and minutes with a sweep and with look-ups alone."""

import pytest

from connector.offers.cold_start import ColdStartState
from tests.harness.cold_shop import cold_start


def test_1_000_units_and_400_unknown_eans_are_11_pages_instead_of_400_look_ups() -> None:
    looked = cold_start(1_000, 400, per_second=10.0, latency_s=0.05, sweeps=False)
    swept = cold_start(1_000, 400, per_second=10.0, latency_s=0.05, sweeps=True)

    assert swept.statuses == looked.statuses == {"APPLIED": 200, "UNCHANGED": 200}
    assert swept.shop.units == looked.shop.units
    assert looked.calls["lookup"] == 400
    assert swept.calls["unit-page"] == 11
    assert swept.calls.get("lookup", 0) <= 40, "those that left before the first page was answered"
    assert swept.seconds < looked.seconds / 4
    (choice,) = swept.engine.cold.choices().values()
    assert (choice.state, choice.sweep_calls, choice.units) == (ColdStartState.USED, 11, 1_000)
    assert choice.waiting == choice.identified
    assert swept.engine.reports[0].unknown == choice.unknown == choice.waiting


def test_a_few_unknown_eans_are_looked_up_although_a_sweep_has_begun() -> None:
    few = cold_start(3_000, 25, per_second=2.0, latency_s=0.05, sweeps=True)

    (choice,) = few.engine.cold.choices().values()
    assert choice.state is ColdStartState.LOOK_UPS
    assert few.calls["lookup"] == 25
    assert choice.sweep_s > choice.look_ups_s


@pytest.mark.slow
def test_20_000_units_and_4_000_unknown_eans_make_a_look_up_for_few() -> None:
    swept = cold_start(20_000, 4_000, per_second=10.0, latency_s=0.1, sweeps=True)

    assert swept.statuses == {"APPLIED": 2_000, "UNCHANGED": 2_000}
    assert swept.calls["unit-page"] == 201
    assert swept.calls["lookup"] < 40
    assert swept.seconds < 4_000 / 10 / 4
