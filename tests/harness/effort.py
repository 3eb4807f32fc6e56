"""How much a test tries: everything in ``make test``, the first part of it in ``make unit``, which sets ``TESTS=unit``.

What a test checks is the same in both. The marker ``slow`` is for what takes seconds by its nature; ``make unit``
leaves that out.
"""

import os

UNIT = os.environ.get("TESTS") == "unit"
SHARE = 5


def examples(count: int) -> int:
    """Of so many examples of a property, those that are tried."""
    return max(5, count // SHARE) if UNIT else count
