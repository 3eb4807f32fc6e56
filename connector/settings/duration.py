"""Parses and formats durations: ``250ms``, ``60s``, ``6h``, ``7d``, ``inf``, or a plain number of seconds. Pure."""

import math
import re
from collections.abc import Mapping
from typing import Annotated, Final, get_args

from pydantic import BeforeValidator
from pydantic.fields import FieldInfo

_SECONDS: Final[Mapping[str, float]] = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_WRITTEN = re.compile(r"(?P<number>\d+(\.\d+)?)\s*(?P<unit>ms|s|m|h|d)?")


def seconds(written: object) -> float:
    """Parses a duration to seconds. Raises ValueError for anything else, and for a negative number."""
    if isinstance(written, str) and written.strip() == "inf":
        return math.inf
    if isinstance(written, str) and (match := _WRITTEN.fullmatch(written.strip())):
        return float(match["number"]) * _SECONDS[match["unit"] or "s"]
    if isinstance(written, int | float) and not isinstance(written, bool) and written >= 0:
        return float(written)
    raise ValueError("expected a duration such as 250ms, 60s, 6h, 7d or inf")


def written(duration_s: float) -> str:
    """Formats a duration in its shortest form; ``seconds`` parses it back."""
    if math.isinf(duration_s):
        return "inf"
    for unit in ("d", "h"):
        if duration_s and duration_s % _SECONDS[unit] == 0:
            return f"{_plain(duration_s / _SECONDS[unit])}{unit}"
    return f"{_plain(duration_s)}s" if duration_s >= 1 or not duration_s else f"{_plain(duration_s * 1000)}ms"


def is_duration(field: FieldInfo) -> bool:
    """Whether the field is a ``Duration``, or a union with one."""
    of_union = (rule for kind in get_args(field.annotation) for rule in getattr(kind, "__metadata__", ()))
    return any(getattr(rule, "func", None) is seconds for rule in (*field.metadata, *of_union))


def _plain(number: float) -> str:
    """Formats without an exponent, which ``seconds`` does not parse."""
    return f"{number:.6f}".rstrip("0").rstrip(".")


Duration = Annotated[float, BeforeValidator(seconds)]
"""A number of seconds; a settings file may write it in any form that ``seconds`` parses."""
