"""Loading and validation of scenario files."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from simulator.exchange import Endpoint
from simulator.faults.mishaps import (
    Alter,
    ApplyLate,
    Delay,
    Drip,
    Garble,
    HalfBody,
    InjectedFault,
    LoseAnswer,
    Match,
    Mishap,
    Outage,
    Refuse,
    Reset,
    Respond,
)
from simulator.orders.orders import Defect
from simulator.routes import GROUPS
from simulator.scenario import FaultSection, Scenario, made_up_keys

FILE = """
seed = 9

[catalogue]
eans = 50
storefronts = ["de", "pl"]

[[sellers]]
name = "main"
client_key = "0123456789abcdef0123456789abcdef"
secret_key = "secret"

[limits]
requests_per_second = 20
retry_after = true

[limits.groups.reads]
requests_per_second = 25
kinds = ["list", "unit"]

[server]
clock_window_s = 900

[rules]
listing_price_required = true

[limits.groups.orders]
requests_per_second = 5

[orders]
sellers = ["main"]
at_start = 7
per_second = 2.5
total = 20
undocumented = true
malformed = [{ order = 3, defect = "no_id" }]

[push]
time_scale = 0.001

[[faults]]
name = "storm"
do = { kind = "respond", status = 429, retry_after = "2" }
when = { from_s = 10, until_s = 40, share = 0.5, path = "/units/*" }

[[key_changes]]
seller = "main"
at_s = 30
client_key = "new"
secret_key = "newer"
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "scenario.toml"
    file.write_text(FILE, "utf-8")
    return file


def test_an_empty_file_is_a_whole_scenario(tmp_path: Path) -> None:
    empty = tmp_path / "empty.toml"
    empty.touch()

    scenario = Scenario.load(empty)

    assert scenario == Scenario()
    assert scenario.policy().requests_per_second == 111
    assert scenario.policy().clock_window_s == 300
    assert not scenario.strictness().listing_price_required
    assert (scenario.orders.at_start, scenario.orders.per_second) == (0, 0)


def test_every_section_reaches_what_it_is_for(path: Path) -> None:
    scenario = Scenario.load(path)

    policy = scenario.policy()
    assert (policy.requests_per_second, policy.retry_after, policy.clock_window_s) == (20, True, 900)
    assert [(group.name, group.requests_per_second, group.kinds) for group in policy.groups] == [
        ("reads", 25, frozenset({Endpoint.LIST, Endpoint.UNIT})),
        ("orders", 5, GROUPS["orders"]),
    ]
    plan = scenario.orders.plan(scenario.seed)
    assert (plan.seed, plan.at_start, plan.per_second, plan.total) == (9, 7, 2.5, 20)
    assert plan.defects == ((3, Defect.NO_ID),)
    assert (scenario.push.terms(9).time_scale, scenario.push.terms(9).retry_after_s) == (0.001, (60, 900, 1800, 3600))
    assert scenario.strictness().listing_price_required
    assert (scenario.catalogue.plan(scenario.seed).seed, scenario.catalogue.plan(9).eans) == (9, 50)
    seller = scenario.sellers[0].seller(scenario.catalogue.storefronts)
    assert (seller.client_key[:4], seller.secret_key, seller.storefronts) == ("0123", "secret", frozenset({"de", "pl"}))
    assert scenario.faults[0].fault(scenario.seed) == InjectedFault(
        name="storm",
        mishap=Respond(status=429, retry_after="2"),
        match=Match(from_s=10, until_s=40, share=0.5, path="/units/*"),
        seed=9,
    )


def test_a_secret_is_never_shown(path: Path) -> None:
    scenario = Scenario.load(path)

    shown = f"{scenario!r} {scenario.sellers[0].seller(('de',))!r}"

    assert "secret'" not in shown
    assert "newer" not in shown


@pytest.mark.parametrize(
    ("do", "mishap"),
    [
        ({"kind": "respond", "status": 503}, Respond(status=503)),
        ({"kind": "garble"}, Garble()),
        ({"kind": "slow", "wait_s": 2}, Delay(wait_s=2)),
        ({"kind": "drip", "interval_s": 0.1, "bytes_at_once": 2}, Drip(interval_s=0.1, bytes_at_once=2)),
        ({"kind": "reset"}, Reset()),
        ({"kind": "half_body", "share": 0.1}, HalfBody(share=0.1)),
        ({"kind": "lose_answer", "reset": True}, LoseAnswer(reset=True)),
        ({"kind": "apply_late", "after_s": 3}, ApplyLate(after_s=3)),
        ({"kind": "outage"}, Outage()),
        ({"kind": "refuse", "field": "amount"}, Refuse(field="amount")),
        ({"kind": "alter", "field": "amount", "value": 1}, Alter(field="amount", value=1)),
    ],
    ids=lambda value: value["kind"] if isinstance(value, dict) else "",
)
def test_every_fault_can_be_configured(do: dict[str, Any], mishap: Mishap) -> None:
    assert FaultSection.model_validate({"name": "x", "do": do}).fault() == InjectedFault(name="x", mishap=mishap)


@pytest.mark.parametrize(
    "values",
    [
        {"unknown": 1},
        {"catalogue": {"storefronts": ["ro"]}},
        {"catalogue": {"storefronts": []}},
        {"catalogue": {"conditions": ["new"]}},
        {"catalogue": {"missing": 1.1}},
        {"limits": {"requests_per_second": 0}},
        {"limits": {"groups": {"x": {"requests_per_second": 1, "kinds": ["nothing"]}}}},
        {"sellers": [{"name": "a"}, {"name": "a"}]},
        {"faults": [{"name": "a", "do": {"kind": "explode"}}]},
        {"faults": [{"name": "a", "do": {"kind": "slow"}}]},
        {"faults": [{"name": "a", "do": {"kind": "reset"}, "when": {"unit": 1}}]},
        {"faults": [{"name": "a", "do": {"kind": "reset"}}] * 2},
        {"limits": {"groups": {"x": {"requests_per_second": 1}}}},
        {"orders": {"sellers": ["nobody"]}},
        {"orders": {"units_min": 3, "units_max": 2}},
        {"orders": {"at_start": 3, "total": 2}},
        {"orders": {"unusual": 0.1}},
        {"orders": {"malformed": [{"order": 1, "defect": "no_id"}]}},
        {"orders": {"undocumented": True, "malformed": [{"order": 1, "defect": "other"}]}},
        {"orders": {"unusual_status": "sent"}},
        {"orders": {"cancelled": 1.1}},
        {"push": {"duplicated": -1}},
        {"key_changes": [{"seller": "nobody", "at_s": 1, "client_key": "a", "secret_key": "b"}]},
    ],
)
def test_invalid_scenarios_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Scenario.model_validate(values)


def test_all_problems_are_reported_at_once() -> None:
    with pytest.raises(ValidationError) as raised:
        Scenario.model_validate({"catalogue": {"missing": 2, "linked": -1}, "limits": {"requests_per_second": 0}})

    assert raised.value.error_count() == 3


def test_made_up_keys_have_the_lengths_of_real_ones_and_are_each_sellers_own() -> None:
    client_key, secret_key = made_up_keys("demo")

    assert (len(client_key), len(secret_key)) == (32, 64)
    assert made_up_keys("demo") == (client_key, secret_key)
    assert made_up_keys("other")[0] != client_key


def test_a_changed_scenario_is_validated_again() -> None:
    assert Scenario().with_changes(seed=5).seed == 5
    with pytest.raises(ValidationError):
        Scenario().with_changes(seed="five")
