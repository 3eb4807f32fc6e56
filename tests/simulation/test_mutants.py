"""Tests the simulation: for every safety rule that a mutant disables, the checker finds a violation."""

import pytest

from tests.simulation.history import SeededHistory
from tests.simulation.mutants import MUTANTS, Mutant


def first_red(mutant: Mutant) -> int | None:
    """Returns the first seed whose history violates an invariant that the disabled rule protects."""
    with mutant.alive():
        for seed in range(mutant.within):
            history = SeededHistory(seed, breaks=mutant.breaks(), flow=mutant.flow, change=mutant.change)
            if any(violation.invariant in mutant.goes_red for violation in history.run().violations):
                return seed
    return None


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_disabled_rule_is_noticed(mutant: Mutant) -> None:
    seed = first_red(mutant)

    assert seed is not None
    assert SeededHistory(seed, change=mutant.change).run().violations == []  # with the rule in place
