"""The comparison of two commits measures the modules of each, and judges by the ratio of pairs."""

import subprocess
from pathlib import Path

import pytest

from benchmarks import against

COSTS = {"repeated_us": 200.0, "applied_us": 300.0, "repeated_calls": 240.0, "applied_calls": 360.0}


def test_speed_that_is_lost_misses_the_goal_though_the_machine_became_busier_for_both() -> None:
    busy = {name: 3 * cost for name, cost in COSTS.items()}
    slower = [({**found, "applied_us": found["applied_us"] / 1.2}, found) for found in (COSTS, busy)]

    missed = [goal.what for goal in against.section("HEAD~1", slower).goals if not goal.met]

    assert missed == ["ratio of the processor µs, event that is applied"]
    assert against.section("HEAD~1", [(COSTS, COSTS), (busy, busy)]).all_met


def test_the_measurement_runs_with_the_modules_of_the_given_tree(tmp_path: Path) -> None:
    module = tmp_path / "benchmarks" / "inprocess.py"
    module.parent.mkdir()
    module.write_text("raise SystemExit('the other tree')\n", "utf-8")
    (module.parent / "__init__.py").touch()

    with pytest.raises(subprocess.CalledProcessError):
        against._measured(tmp_path)


def test_a_commit_that_does_not_exist_is_named() -> None:
    with pytest.raises(against.NoSuchCommit, match="no-such-commit"), against.worktree("no-such-commit"):
        pass
