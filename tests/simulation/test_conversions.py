"""Histories of converted prices with kills, replays and other rates; and a mutant of their rules."""

from collections import Counter
from typing import Any
from unittest.mock import patch

import pytest

from connector.offers import guards
from tests.harness.effort import examples
from tests.simulation.conversions import ConversionHistory

SEEDS = 40
MUST_HAPPEN = (
    "killed",
    "replay",
    "reload",
    "lost answer",
    "LIVE HELD",
    "LIVE UNCHANGED",
    "REPLAY UNCHANGED",
    "REPLAY SUPERSEDED",
    "RELEASE APPLIED",
    "price APPLIED",
    "price UNCHANGED",
)


def test_converted_prices_keep_every_invariant_whatever_the_rates_do() -> None:
    happened: Counter[str] = Counter()
    for seed in range(examples(SEEDS)):
        history = ConversionHistory(seed).run()
        assert not history.violations, history.report()
        happened.update(history.seen)

    assert [what for what in MUST_HAPPEN if not happened[what]] == []


def _never(*_args: Any) -> None:
    """Knows of no conversion before."""


@pytest.mark.slow
def test_a_replay_that_is_converted_with_another_rate_is_noticed() -> None:
    with patch.object(guards, "converted_before", _never):
        for seed in range(SEEDS):
            if "E" in {violation.invariant for violation in ConversionHistory(seed).run().violations}:
                return

    raise AssertionError(f"{SEEDS} histories do not miss it")
