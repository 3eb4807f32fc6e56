"""Fixtures for the tests of the command line."""

import os
from collections.abc import Iterator

import pytest

from devstack.processes import own_environment


@pytest.fixture(scope="module", autouse=True)
def _own_environment() -> Iterator[None]:
    """Removes the proxy and the CA certificates of the environment: commands run in this process would use them."""
    with pytest.MonkeyPatch.context() as patched:
        for name in os.environ.keys() - own_environment(os.environ).keys():
            patched.delenv(name)
        yield
