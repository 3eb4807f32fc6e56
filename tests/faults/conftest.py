"""Fixtures for whole deployments on a real broker."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from devstack.stack import Stack
from tests.faults.deployment import WatchedDeployment

Deploy: TypeAlias = Callable[..., WatchedDeployment]
FAST_MISS = '[offers]\nnot_found_grace = "1s"\n'
"""A unit that is not found is looked up again after one second instead of a minute."""


@pytest.fixture
def deploy(kafka: Stack, tmp_path: Path) -> Iterator[Deploy]:
    """Returns a function that starts deployments, which are ended after the test."""
    numbers = count()
    with ExitStack() as stack:

        def build(**parts: Any) -> WatchedDeployment:
            parts = {"kafka": kafka, "settings": FAST_MISS, **parts}
            return stack.enter_context(WatchedDeployment(folder=tmp_path / f"d{next(numbers)}", **parts))

        yield build
