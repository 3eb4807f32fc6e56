"""Compares the working tree with another commit: what an event costs in process, as ``benchmarks/event_cost.py`` says.

The other commit is checked out into a temporary worktree of git. Both are measured in turn, each time in a process of
its own, so that other load meets both alike. Both use the libraries that are installed here.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final

from benchmarks.report import ReportSection, at_most

ROOT: Final = Path(__file__).parents[1]
SLOWER: Final = 1.05
"""The highest ratio of processor time that is not a loss of speed: about what the noise of a busy machine leaves."""
_WHAT: Final = {
    "repeated_us": "processor µs, event that repeats what is so",
    "applied_us": "processor µs, event that is applied",
    "repeated_calls": "Python calls, event that repeats what is so",
    "applied_calls": "Python calls, event that is applied",
}


class NoSuchCommit(ValueError):
    """Git cannot check this revision out."""


def compare(revision: str, pairs: int) -> ReportSection:
    """Measures both in ``pairs`` pairs of processes. Raises ``NoSuchCommit``."""
    found: list[tuple[Mapping[str, float], Mapping[str, float]]] = []
    with worktree(revision) as tree:
        for _ in range(pairs):
            found.append((_measured(tree), _measured(ROOT)))  # noqa: PERF401 - the order is the measurement
    return section(revision, found)


def section(revision: str, found: Sequence[tuple[Mapping[str, float], Mapping[str, float]]]) -> ReportSection:
    """Returns the report of pairs: the other commit first."""
    ratios = {name: median(ours[name] / theirs[name] for theirs, ours in found) for name in _WHAT}
    return ReportSection(
        title=f"The cost of an event against {revision}",
        head=("what", revision, "here", "ratio"),
        rows=[
            (
                _WHAT[name],
                f"{min(theirs[name] for theirs, _ in found):,.1f}",
                f"{min(ours[name] for _, ours in found):,.1f}",
                f"{ratio:.2f}",
            )
            for name, ratio in ratios.items()
        ],
        notes=[f"the lowest of {len(found)} processes each, in turn; the ratio is the median of the pairs"],
        goals=[
            at_most(f"ratio of the {_WHAT[name]}", ratio, SLOWER)
            for name, ratio in ratios.items()
            if name.endswith("_us")
        ],
    )


@contextmanager
def worktree(revision: str) -> Iterator[Path]:
    """Checks a commit out into a temporary directory. Raises ``NoSuchCommit``."""
    with TemporaryDirectory(prefix="bench-") as folder:
        tree = Path(folder) / "tree"
        try:
            _git("worktree", "add", "--detach", "--quiet", str(tree), revision)
        except subprocess.CalledProcessError as error:
            raise NoSuchCommit(f"git cannot check {revision} out: {error.stderr.strip()}") from None
        try:
            yield tree
        finally:
            _git("worktree", "remove", "--force", str(tree))


def _git(*arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True, text=True)


def _measured(tree: Path) -> Mapping[str, float]:
    """Runs our measurement with the modules of a tree."""
    script = Path(__file__).with_name("event_cost.py")
    environment = {**os.environ, "PYTHONPATH": str(tree), "PYTHONHASHSEED": "0"}
    command = [sys.executable, "-P", str(script)]
    done = subprocess.run(command, cwd=tree, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    costs: Mapping[str, float] = json.loads(done.stdout)
    return costs
