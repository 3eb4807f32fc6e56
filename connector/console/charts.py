"""Draws trends as small SVG images without scripts or styles of their own. Pure."""

from typing import Final

from connector.console.html import Child, Html, element, joined
from connector.console.trends import Trend

_WIDTH: Final = 240
_HEIGHT: Final = 60
_MARGIN: Final = 3


def chart(title: str, trend: Trend, *, second: Trend | None = None, second_class: str = "second") -> Html:
    """Returns a figure of a trend, with a second one in the same scale, and its last and highest value in words."""
    told = joined((*_told(trend), *(_told(second) if second is not None else ())))
    drawn = (_drawn(trend, trend, second, "line"), _drawn(second, trend, second, second_class) if second else None)
    svg = element(
        "svg",
        element("title", title),
        *drawn,
        viewBox=f"0 0 {_WIDTH} {_HEIGHT}",
        role="img",
        aria_label=title,
    )
    return element("figure", element("h3", title), svg, element("figcaption", told))


def _told(trend: Trend) -> tuple[Child, ...]:
    if trend.last is None:
        return (f"{trend.name}: nothing yet. ",)
    return (f"{trend.name}: {number(trend.last)} {trend.unit}, at most {number(trend.highest)}. ",)


def _drawn(trend: Trend | None, first: Trend, second: Trend | None, name: str) -> Html | None:
    if trend is None or len(trend.points) < 2:
        return None
    every = (*first.points, *(second.points if second is not None else ()))
    begin, end = min(at for at, _ in every), max(at for at, _ in every)
    top = max(value for _, value in every) or 1.0
    places = " ".join(
        f"{_MARGIN + (at - begin) / max(1, end - begin) * (_WIDTH - 2 * _MARGIN):.1f},"
        f"{_HEIGHT - _MARGIN - value / top * (_HEIGHT - 2 * _MARGIN):.1f}"
        for at, value in trend.points
    )
    return element("polyline", points=places, class_=name)


def number(value: float) -> str:
    """Formats a value for people: at most one decimal."""
    return f"{value:,.1f}" if 0 < value < 100 and value != int(value) else f"{value:,.0f}"
