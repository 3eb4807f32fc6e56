"""The settings of the shipment flow are checked when its policy is built."""

from typing import Any

import pytest

from tests.harness.shipment_harness import policy


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"accounts": frozenset()}, "accounts"),
        ({"disabled": frozenset({"other"})}, "disabled names accounts that are not configured: other"),
        ({"unknown_carrier": ""}, "unknown_carrier"),
        ({"aliases": {" ": "DHL"}}, "alias"),
        ({"aliases": {"post": ""}}, "alias"),
        ({"recheck_s": 0}, "recheck_s"),
        ({"recheck_max_s": 0}, "recheck_max_s"),
        ({"carriers_s": float("nan")}, "carriers_s"),
        ({"carriers_again_s": -1}, "carriers_again_s"),
        ({"keep_s": 0}, "keep_s"),
        ({"wait_open_s": -1}, "wait_open_s"),
        ({"future_limit_s": -1}, "future_limit_s"),
    ],
)
def test_invalid_policies_are_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        policy(**changes)


def test_a_single_account_is_the_default_account() -> None:
    assert policy().only_account == "main"
    assert policy(accounts=frozenset({"main", "other"})).only_account is None
