"""Histories of offers that are listed late or edited by others, with kills and replays; and mutants of their rules."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import pytest

from connector.offers import decide, identity, look_ups, merge
from connector.offers.events import Announced
from tests.harness.effort import examples
from tests.simulation.listings import ListingHistory

SEEDS = 60
MUST_HAPPEN = (
    "killed",
    "replay",
    "read again while it was under way",
    "edit",
    "lost answer",
    "not there",
    "LIVE NOT_FOUND",
    "REPLAY NOT_FOUND",
    "REPLAY APPLIED",
    "RECHECK APPLIED",
    "RECHECK SUPERSEDED",
)


def test_late_listed_and_edited_offers_keep_every_invariant() -> None:
    happened: Counter[str] = Counter()
    for seed in range(examples(SEEDS)):
        history = ListingHistory(seed).run()
        assert not history.violations, history.report()
        happened.update(history.seen)

    assert [what for what in MUST_HAPPEN if not happened[what]] == []


def _believes_every_miss(*_args: Any, **_kwargs: Any) -> None:
    """Trusts a remembered miss for every event."""


def _absorbs_what_is_announced(lane: Any, *_args: Any) -> Any:
    return lane


def _takes_all_for_news(lane: Any, *read: Any) -> Any:
    return _merge_event(replace(lane, last_offset=-1), *read)


def _never_again(*_args: Any) -> int:
    return 30 * 24 * 3_600 * 1_000_000


def _answers_a_replay_from_memory(entry: Any, _miss: Any) -> bool:
    return bool(entry.announced is Announced.NONE)


def _trusts_for_ever(*args: Any, **_kwargs: Any) -> bool:
    facts, _, value = args[:3]
    return all(fact is not None and fact.value == value for fact in facts)


_merge_event = merge.merge_event


@pytest.mark.slow
@pytest.mark.parametrize(
    ("owner", "name", "wrong", "goes_red"),
    [
        (look_ups, "asks_again_at_us", _believes_every_miss, "E"),
        (merge, "_read_again", _absorbs_what_is_announced, "N"),
        (merge, "merge_event", _takes_all_for_news, "N"),
        (identity, "recheck_after_us", _never_again, "E"),
        (look_ups, "_is_to_be_announced", _answers_a_replay_from_memory, "N"),
        (decide, "is_already_so", _trusts_for_ever, "E"),
    ],
)
def test_a_disabled_recheck_rule_is_noticed(owner: Any, name: str, wrong: Callable[..., Any], goes_red: str) -> None:
    with patch.object(owner, name, wrong):
        for seed in range(SEEDS):
            if goes_red in {violation.invariant for violation in ListingHistory(seed).run().violations}:
                return

    raise AssertionError(f"{SEEDS} histories do not miss it")


def test_a_seed_reproduces_its_history_of_listings() -> None:
    assert ListingHistory(5).run().seen == ListingHistory(5).run().seen
