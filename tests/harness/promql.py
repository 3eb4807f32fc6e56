"""Evaluates alert rules on samples, in plain Python: as much of PromQL as the rules use, everything else raises.

Unlike Prometheus, ``increase`` and ``rate`` do not extrapolate to the ends of their range. ``tests/test_alerts.py``
evaluates the input of ``rules_test.yaml`` here, which ``make rules`` gives to promtool: both must see the same alerts.
"""

import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from itertools import pairwise
from typing import Any, Final, TypeAlias

import promql_parser

Labels: TypeAlias = frozenset[tuple[str, str]]
Vector: TypeAlias = dict[Labels, float]
Samples: TypeAlias = Sequence[tuple[float, float | None]]  # (time in s, value), oldest first; None: the series ended

LOOKBACK_S: Final = 300.0
_ARITHMETIC: Final[Mapping[str, Callable[[float, float], float]]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}
_COMPARISON: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "<": operator.lt,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
}
_AGGREGATE: Final[Mapping[str, Callable[[Sequence[float]], float]]] = {"sum": sum, "max": max, "min": min, "count": len}


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleHistory:
    """The samples of every series, by name and labels, and the expressions of recorded rules by name."""

    series: Mapping[str, Mapping[Labels, Samples]]
    recorded: Mapping[str, str] = field(default_factory=dict)


def evaluate(expression: str, history: SampleHistory, at_s: float) -> Vector:
    """Returns the series for which an alert's expression holds at a time, with their values."""
    found = _value(_parsed(expression), history, at_s)
    assert isinstance(found, dict), "the expression of an alert is a vector"
    return found


@cache
def _parsed(expression: str) -> promql_parser.Expr:
    return promql_parser.parse(expression)


def _value(expr: Any, history: SampleHistory, at_s: float) -> Vector | float:
    match expr:
        case promql_parser.NumberLiteral():
            return expr.val
        case promql_parser.ParenExpr():
            return _value(expr.expr, history, at_s)
        case promql_parser.VectorSelector() if (name := expr.name or "") in history.recorded:
            return evaluate(history.recorded[name], history, at_s)
        case promql_parser.VectorSelector():
            return dict(_newest(expr, history, at_s))
        case promql_parser.Call():
            return _call(expr, history, at_s)
        case promql_parser.AggregateExpr():
            return _aggregate(expr, history, at_s)
        case promql_parser.BinaryExpr():
            return _binary(expr, history, at_s)
        case _:
            raise NotImplementedError(type(expr))


# ---- series ---------------------------------------------------------------------------------------------------------


def _selected(expr: promql_parser.VectorSelector, history: SampleHistory) -> Iterator[tuple[Labels, Samples]]:
    for labels, samples in history.series.get(expr.name or "", {}).items():
        if all(_matches(matcher, dict(labels).get(matcher.name, "")) for matcher in expr.matchers.matchers):
            yield labels, samples


def _matches(matcher: promql_parser.Matcher, text: str) -> bool:
    match str(matcher.op).rpartition(".")[2]:
        case "Equal":
            return text == matcher.value
        case "NotEqual":
            return text != matcher.value
        case "Re":
            return re.fullmatch(matcher.value, text) is not None
        case _:
            return re.fullmatch(matcher.value, text) is None


def _newest(expr: promql_parser.VectorSelector, history: SampleHistory, at_s: float) -> Iterator[tuple[Labels, float]]:
    end_s = at_s - _seconds(expr.offset)
    for labels, samples in _selected(expr, history):
        within = [value for time_s, value in samples if end_s - LOOKBACK_S < time_s <= end_s]
        if within and within[-1] is not None:
            yield labels, within[-1]


def _ranged(
    expr: promql_parser.MatrixSelector, history: SampleHistory, at_s: float
) -> Iterator[tuple[Labels, list[float]]]:
    end_s = at_s - _seconds(expr.vector_selector.offset)
    begin_s = end_s - expr.range.total_seconds()
    for labels, samples in _selected(expr.vector_selector, history):
        within = [value for time_s, value in samples if begin_s < time_s <= end_s and value is not None]
        if within:
            yield labels, within


def _seconds(offset: timedelta | None) -> float:
    return 0.0 if offset is None else offset.total_seconds()


# ---- functions and operators ----------------------------------------------------------------------------------------


def _call(expr: promql_parser.Call, history: SampleHistory, at_s: float) -> Vector | float:
    name = expr.func.name
    match name:
        case "time":
            return at_s
        case "absent":
            return {} if _value(expr.args[0], history, at_s) else {frozenset(): 1.0}
        case "abs":
            return {labels: abs(value) for labels, value in _vector(expr.args[0], history, at_s).items()}
        case "histogram_quantile":
            share = _value(expr.args[0], history, at_s)
            assert isinstance(share, float)
            return dict(_quantiles(share, _vector(expr.args[1], history, at_s)))
        case "max_over_time":
            return {labels: max(values) for labels, values in _ranged(expr.args[0], history, at_s)}
        case "increase" | "rate":
            over_s = expr.args[0].range.total_seconds() if name == "rate" else 1.0
            ranged = _ranged(expr.args[0], history, at_s)
            return {labels: _increase(values) / over_s for labels, values in ranged if len(values) > 1}
        case _:
            raise NotImplementedError(name)


def _quantiles(share: float, buckets: Vector) -> Iterator[tuple[Labels, float]]:
    """Yields the quantile of each histogram, as Prometheus does: linear within a bucket; none of an empty one."""
    histograms: dict[Labels, list[tuple[float, float]]] = {}
    for labels, count in buckets.items():
        named = dict(labels)
        bound = float(named.pop("le"))
        histograms.setdefault(frozenset(named.items()), []).append((bound, count))
    for labels, found in histograms.items():
        counts = sorted(found)
        rank = share * counts[-1][1]
        if rank > 0:
            below = [(0.0, 0.0), *(pair for pair in counts if pair[1] < rank)][-1]
            bound, count = next(pair for pair in counts if pair[1] >= rank)
            part = (rank - below[1]) / (count - below[1])
            yield labels, below[0] if bound == float("inf") else below[0] + (bound - below[0]) * part


def _increase(values: Sequence[float]) -> float:
    """Returns how much a counter went up; one that is lower than before has begun at 0 again."""
    return sum(later - earlier if later >= earlier else later for earlier, later in pairwise(values))


def _aggregate(expr: promql_parser.AggregateExpr, history: SampleHistory, at_s: float) -> Vector:
    kept = expr.modifier.labels if expr.modifier is not None else ()
    groups: dict[Labels, list[float]] = {}
    for labels, value in _vector(expr.expr, history, at_s).items():
        groups.setdefault(_only(labels, kept), []).append(value)
    return {labels: _AGGREGATE[str(expr.op).strip()](values) for labels, values in groups.items()}


def _binary(expr: promql_parser.BinaryExpr, history: SampleHistory, at_s: float) -> Vector | float:
    name = str(expr.op).strip()
    left, right = _value(expr.lhs, history, at_s), _value(expr.rhs, history, at_s)
    on = expr.modifier.matching.labels if expr.modifier is not None and expr.modifier.matching is not None else None
    if name in ("and", "unless", "or"):
        assert isinstance(left, dict)
        assert isinstance(right, dict)
        return _set_operation(name, left, right, on)
    if not isinstance(left, dict) and not isinstance(right, dict):
        return _ARITHMETIC[name](left, right)
    if name in _COMPARISON:
        return {labels: one for labels, one, other in _pairs(left, right, on) if _COMPARISON[name](one, other)}
    return {labels: _ARITHMETIC[name](one, other) for labels, one, other in _pairs(left, right, on)}


def _set_operation(name: str, left: Vector, right: Vector, on: Sequence[str] | None) -> Vector:
    there = {_only(labels, on) for labels in (left if name == "or" else right)}
    if name == "or":
        return left | {labels: value for labels, value in right.items() if _only(labels, on) not in there}
    return {labels: value for labels, value in left.items() if (_only(labels, on) in there) == (name == "and")}


def _pairs(
    left: Vector | float, right: Vector | float, on: Sequence[str] | None
) -> Iterator[tuple[Labels, float, float]]:
    """Yields both operands for each series that has both."""
    if not isinstance(left, dict):
        assert isinstance(right, dict)
        yield from ((labels, left, value) for labels, value in right.items())
    elif not isinstance(right, dict):
        yield from ((labels, value, right) for labels, value in left.items())
    else:
        others = {_only(labels, on): value for labels, value in right.items()}
        for labels, value in left.items():
            if (key := _only(labels, on)) in others:
                yield labels, value, others[key]


def _only(labels: Labels, names: Sequence[str] | None) -> Labels:
    return labels if names is None else frozenset(pair for pair in labels if pair[0] in names)


def _vector(expr: Any, history: SampleHistory, at_s: float) -> Vector:
    found = _value(expr, history, at_s)
    assert isinstance(found, dict)
    return found
