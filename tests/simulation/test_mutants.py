"""The simulation sees: for every rule that is taken out, the checker finds an invariant broken."""

import pytest

from tests.simulation.history import SeededHistory
from tests.simulation.mutants import MUTANTS, Mutant


def first_red(mutant: Mutant) -> int | None:
    """The first seed whose history breaks an invariant that this rule guards."""
    with mutant.alive():
        for seed in range(mutant.within):
            history = SeededHistory(seed, breaks=mutant.breaks(), flow=mutant.flow, change=mutant.change)
            if any(violation.invariant in mutant.goes_red for violation in history.run().violations):
                return seed
    return None


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_rule_that_is_taken_out_is_missed(mutant: Mutant) -> None:
    seed = first_red(mutant)

    assert seed is not None
    assert SeededHistory(seed, change=mutant.change).run().violations == []  # with the rule in its place
