"""Durations in words, for people. Pure."""


def in_words(duration_s: float) -> str:
    """Formats a number of seconds: 3 d 4 h, 5 h 10 min, 7 min, 40 s."""
    whole_s = max(0, int(duration_s))
    minutes = whole_s // 60
    days, hours = minutes // 1440, minutes % 1440 // 60
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes % 60} min"
    return f"{minutes} min" if minutes else f"{whole_s} s"
