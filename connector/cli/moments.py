"""Parses the points in time that options take: ``2h`` ago, or a date or time in UTC. Pure."""

import math
from datetime import UTC, datetime

from connector.settings.duration import seconds
from streams.errors import SettingsError

DATE_FORMATS = ("%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ")


def moment_us(option: str, text: str | None, now_us: int) -> int | None:
    """Returns the point in time that an option names, in microseconds since the epoch; None if it is not given.

    Raises SettingsError for a text that is neither a duration, which counts back from ``now_us``, nor a date or time.
    """
    if text is None:
        return None
    for form in DATE_FORMATS:
        try:
            return int(datetime.strptime(text, form).replace(tzinfo=UTC).timestamp()) * 1_000_000
        except ValueError:
            continue
    try:
        ago_s = seconds(text)
    except ValueError:
        ago_s = math.inf
    if text.strip().isdigit() or math.isinf(ago_s):
        raise SettingsError(
            f"{option} {text}: expected how long ago, such as 30m, 2h or 7d, or a time in UTC, such as "
            "2026-01-31T06:00:00"
        )
    return now_us - int(ago_s * 1_000_000)
