"""A command covers what meets all of its restrictions, and is over from its expiry on."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.controls.commands import CommandScope, ControlCommand, ControlKind, ControlState, ScopedField

CHANGE: dict[str, Any] = {
    "account": "main",
    "target_id": "shop-de",
    "storefront": "de",
    "ean": "4006381333931",
    "attributes": {"brand": "Y", "group": "toys"},
    "field": "price",
}


def command(**other: Any) -> ControlCommand:
    given: dict[str, Any] = {
        "command_id": "hold-1",
        "kind": ControlKind.HOLD,
        "state": ControlState.IN_FORCE,
        "issued_by": "anna",
        "issued_at_us": 1_000,
    }
    return ControlCommand(**{**given, **other})


@pytest.mark.parametrize(
    "restriction",
    [
        {},
        {"accounts": ("main",)},
        {"target_ids": ("shop-at", "shop-de")},
        {"storefronts": ("de",)},
        {"eans": ("4006381333931",)},
        {"attributes": {"brand": "Y"}},
        {"attributes": {"brand": "Y", "group": "toys"}},
        {"fields": ("price", "stock")},
        {"accounts": ("main",), "attributes": {"brand": "Y"}, "fields": ("price",)},
    ],
)
def test_a_change_that_meets_every_restriction_is_covered(restriction: dict[str, Any]) -> None:
    assert CommandScope(**restriction).covers(ScopedField(**CHANGE))


@pytest.mark.parametrize(
    "restriction",
    [
        {"accounts": ("other",)},
        {"target_ids": ("shop-at",)},
        {"storefronts": ("at",)},
        {"eans": ("4006381333948",)},
        {"attributes": {"brand": "y"}},
        {"attributes": {"brand": "Y", "colour": "red"}},
        {"fields": ("stock",)},
        {"accounts": ("main",), "storefronts": ("at",)},
    ],
)
def test_a_change_that_misses_one_restriction_is_not_covered(restriction: dict[str, Any]) -> None:
    assert not CommandScope(**restriction).covers(ScopedField(**CHANGE))


names = st.sampled_from(["a", "b"])
some = st.lists(names, max_size=2).map(tuple)
scopes = st.builds(
    CommandScope,
    accounts=some,
    target_ids=some,
    storefronts=some,
    eans=some,
    fields=some,
    attributes=st.dictionaries(names, names, max_size=2),
)
changes = st.fixed_dictionaries(
    {**dict.fromkeys(["account", "target_id", "storefront", "ean", "field"], names)}
    | {"attributes": st.dictionaries(names, names, max_size=2)}
)


@given(scopes, changes)
def test_a_scope_covers_exactly_what_none_of_its_restrictions_excludes(
    scope: CommandScope, change: dict[str, Any]
) -> None:
    listed = {
        "account": scope.accounts,
        "target_id": scope.target_ids,
        "storefront": scope.storefronts,
        "ean": scope.eans,
        "field": scope.fields,
    }
    excluded = [name for name, values in listed.items() if values and change[name] not in values]
    excluded += [name for name, value in scope.attributes.items() if change["attributes"].get(name) != value]

    assert scope.covers(ScopedField(**change)) == (not excluded)


def test_a_command_is_over_from_its_expiry_on() -> None:
    expiring = command(expires_at_us=5_000)

    assert expiring.state_at(4_999) is ControlState.IN_FORCE
    assert expiring.state_at(5_000) is ControlState.RELEASED
    assert command().state_at(2**62) is ControlState.IN_FORCE


def test_a_dropped_command_stays_dropped_after_its_expiry() -> None:
    assert command(state=ControlState.DROPPED, expires_at_us=5_000).state_at(9_000) is ControlState.DROPPED


def test_a_stop_of_writes_never_expires() -> None:
    stop = command(kind=ControlKind.STOP_WRITES, expires_at_us=5_000)

    assert stop.state_at(9_000) is ControlState.IN_FORCE
