"""The number of examples of property tests: all in ``make test``, a part in ``make unit``, which sets ``TESTS=unit``.

What a test checks is the same in both. Tests that inherently take seconds have the marker ``slow``; ``make unit``
skips them.
"""

import os

UNIT = os.environ.get("TESTS") == "unit"
SHARE = 5


def examples(count: int) -> int:
    """Returns how many of ``count`` examples of a property to run: all, or in unit runs a part, but at least 5."""
    return max(5, count // SHARE) if UNIT else count
