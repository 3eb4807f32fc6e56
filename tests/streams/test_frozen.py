"""A changed copy says what ``dataclasses.replace`` would."""

import dataclasses
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.frozen import replace


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    x: int
    y: int = 0
    name: str | None = dataclasses.field(default=None, compare=False)


@given(st.integers(), st.integers(), st.dictionaries(st.sampled_from(["x", "y"]), st.integers()))
def test_a_changed_copy_is_that_of_the_standard_library(x: int, y: int, changes: dict[str, int]) -> None:
    point = Point(x=x, y=y, name="here")

    copy = replace(point, **changes)  # type: ignore[arg-type]  # name is not among them

    assert copy == dataclasses.replace(point, **changes)  # type: ignore[arg-type]  # name is not among them
    assert copy.name == "here"
    assert copy is not point
    assert (point.x, point.y) == (x, y)


def test_an_unknown_field_is_refused() -> None:
    with pytest.raises(AttributeError):
        replace(Point(x=1), z=2)  # type: ignore[call-arg]


def test_a_constructor_that_checks_its_arguments_is_not_passed_by() -> None:
    @dataclass(frozen=True, slots=True)
    class Checked:
        x: int

        def __post_init__(self) -> None:
            assert self.x > 0

    with pytest.raises(TypeError, match="Checked"):
        replace(Checked(1), x=-1)


def test_a_value_without_slots_is_refused() -> None:
    @dataclass(frozen=True)
    class Loose:
        x: int

    with pytest.raises(TypeError, match="Loose"):
        replace(Loose(1), x=2)
