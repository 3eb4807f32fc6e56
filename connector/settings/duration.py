"""Durations as people write them: ``250ms``, ``60s``, ``6h``, ``7d``, ``inf``, or a plain number of seconds. Pure."""

import math
import re
from typing import Annotated

from pydantic import BeforeValidator

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_WRITTEN = re.compile(r"(?P<number>\d+(\.\d+)?)\s*(?P<unit>ms|s|m|h|d)?")


def seconds(written: object) -> float:
    """Raises ValueError for what is no duration, or a negative one."""
    if isinstance(written, str) and written.strip() == "inf":
        return math.inf
    if isinstance(written, str) and (match := _WRITTEN.fullmatch(written.strip())):
        return float(match["number"]) * _SECONDS[match["unit"] or "s"]
    if isinstance(written, int | float) and not isinstance(written, bool) and written >= 0:
        return float(written)
    raise ValueError("expected a duration such as 250ms, 60s, 6h, 7d or inf")


Duration = Annotated[float, BeforeValidator(seconds)]
"""Seconds inside, whatever way it was written."""
