"""``frozen.replace``, ``quick`` and ``maker`` do the same as ``dataclasses.replace`` and the standard constructor."""

import dataclasses
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.frozen import maker, quick, replace

T = TypeVar("T")


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


# ---- constructors ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Line:
    start: int
    end: int = 9
    marks: list[int] = dataclasses.field(default_factory=list)
    dashed: bool = dataclasses.field(default=False, kw_only=True)
    colour: str = dataclasses.field(kw_only=True)


@quick
@dataclass(frozen=True, slots=True)
class QuickLine:
    start: int
    end: int = 9
    marks: list[int] = dataclasses.field(default_factory=list)
    dashed: bool = dataclasses.field(default=False, kw_only=True)
    colour: str = dataclasses.field(kw_only=True)


def outcome(kind: type, positional: list[Any], named: dict[str, Any]) -> Any:
    try:
        return dataclasses.astuple(kind(*positional, **named))
    except TypeError as error:
        return str(error).replace(kind.__name__, "Line")


@given(
    st.lists(st.integers(), max_size=4),
    st.dictionaries(st.sampled_from(["start", "end", "marks", "dashed", "colour", "width"]), st.lists(st.integers())),
)
def test_a_quick_constructor_takes_and_refuses_what_the_standard_one_does(
    positional: list[int], named: dict[str, list[int]]
) -> None:
    assert outcome(QuickLine, positional, named) == outcome(Line, positional, named)


def test_a_quick_value_is_as_frozen_as_any() -> None:
    line = QuickLine(1, colour="red")

    with pytest.raises(dataclasses.FrozenInstanceError):
        line.end = 3  # type: ignore[misc]


def test_no_two_quick_values_share_what_is_made_for_each() -> None:
    first, second = QuickLine(1, colour="red"), QuickLine(1, colour="red")

    first.marks.append(5)

    assert second.marks == []


def test_a_class_whose_constructor_checks_cannot_be_quick() -> None:
    @dataclass(frozen=True, slots=True)
    class CheckedAgain:
        x: int

        def __post_init__(self) -> None:
            assert self.x > 0

    with pytest.raises(TypeError, match="CheckedAgain"):
        quick(CheckedAgain)


def test_a_changed_copy_is_as_frozen_as_any() -> None:
    copy = replace(Point(x=1), x=2)

    assert type(copy) is Point
    with pytest.raises(dataclasses.FrozenInstanceError):
        copy.y = 3  # type: ignore[misc]


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class NamedLikeCode:
    """Has the names that generated code might use itself."""

    value: int
    kind: int
    new: int
    open: int
    blank: int = 5
    missing: list[int] = dataclasses.field(default_factory=list)


def test_a_field_may_have_any_name() -> None:
    named = NamedLikeCode(value=1, kind=2, new=3, open=4)

    assert dataclasses.astuple(named) == (1, 2, 3, 4, 5, [])
    assert dataclasses.astuple(replace(named, kind=6, missing=[7])) == (1, 6, 3, 4, 5, [7])
    assert dataclasses.astuple(maker(NamedLikeCode, ["open", "value", "new", "kind"])(4, 1, 3, 2)) == (
        1,
        2,
        3,
        4,
        5,
        [],
    )


@quick
@dataclass(frozen=True, slots=True)
class Box(Generic[T]):
    inside: T


@quick
@dataclass(frozen=True, slots=True)
class LabelledBox(Box[T]):
    label: str = ""


def test_values_of_generic_and_of_derived_classes_are_made_and_copied() -> None:
    box = LabelledBox(1, label="tools")

    assert (box.inside, box.label) == (1, "tools")
    assert replace(box, inside=2) == LabelledBox(2, "tools")
    assert type(box) is LabelledBox


def test_an_object_of_a_derived_class_without_a_constructor_keeps_its_class() -> None:
    class Crate(Box[int]):
        __slots__ = ()

    assert type(Crate(1)) is Crate


# ---- makers ---------------------------------------------------------------------------------------------------------


@given(st.permutations(["start", "end", "dashed", "colour"]))
def test_a_maker_takes_its_fields_in_the_given_order(names: list[str]) -> None:
    fields: dict[str, Any] = {"start": 1, "end": 2, "dashed": True, "colour": "red"}

    made = maker(QuickLine, names)(*(fields[name] for name in names))

    assert made == QuickLine(**fields)
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.end = 3  # type: ignore[misc]


@pytest.mark.parametrize("names", [["start"], ["colour", "end"], ["start", "colour", "width"]])
def test_a_maker_without_a_needed_field_or_with_an_unknown_one_is_refused(names: list[str]) -> None:
    with pytest.raises(TypeError, match="QuickLine cannot be made from"):
        maker(QuickLine, names)
