"""``python -m tests.simulation SEED [SEED ...]``: runs histories again and prints their traces."""

import sys

from tests.simulation.history import SeededHistory


def main(seeds: list[str]) -> int:
    failed = 0
    for seed in map(int, seeds):
        outcome = SeededHistory(seed, trace=True).run()
        print(outcome.report(lines=1_000_000))
        print(f"seed {seed}: {len(outcome.violations)} violations, {outcome.lasted_s:.1f} s, {outcome.seen}")
        failed += bool(outcome.violations)
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
