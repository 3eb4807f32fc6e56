"""Capabilities beyond updates: each has a switch of its own, for the account and for the target."""

from decimal import Decimal
from pathlib import Path

import pytest

from connector import flows
from connector.configuration import rates, routing
from connector.contracts.capabilities import Capability, described
from connector.offers.conversion import ConversionRule, Rounding
from connector.offers.policy import NewUnitRule
from connector.settings.convert import capabilities_on, offer_policy, topics
from tests.unit.connector.settings.test_load import MINIMAL, folder, problems, read

__all__ = ["folder"]

ON = "capabilities = ['offers.create', 'offers.delete']\n"
CREATE = "[targets.shop-de.create]\nall_eans = true\n"
BOTH = MINIMAL.replace("[targets.shop-de]", f"{ON}[targets.shop-de]")


def writes(folder: Path, text: str) -> str:
    settings = read(folder, text).settings
    return flows.writes(topics(settings), capabilities_on(settings))


def test_nothing_is_on_unless_account_and_target_both_name_it(folder: Path) -> None:
    updates = "updates of price, stock and handling time"

    assert writes(folder, MINIMAL) == writes(folder, BOTH) == writes(folder, MINIMAL + ON + CREATE) == updates
    assert writes(folder, BOTH + ON + CREATE) == (
        f"{updates}; creation of units (target shop-de); deletion of units (target shop-de)"
    )


def test_each_capability_has_its_own_switch(folder: Path) -> None:
    settings = read(folder, BOTH + "capabilities = ['offers.delete']\n").settings

    assert capabilities_on(settings) == {Capability.OFFERS_DELETE: ("shop-de",)}
    assert described(capabilities_on(settings)) == ("deletion of units (target shop-de)",)
    assert routing(settings).targets["shop-de"].capabilities == {Capability.OFFERS_DELETE}
    assert routing(settings).targets["shop-de"].create_eans == frozenset()


def test_half_a_switch_is_a_note(folder: Path) -> None:
    [of_target] = [note for note in read(folder, MINIMAL + ON + CREATE).ignored if "capabilities" in note]
    [of_account] = [note for note in read(folder, BOTH).ignored if "capabilities" in note]

    assert of_target == (
        "targets.shop-de.capabilities: offers.create, offers.delete is off, "
        "because accounts.main.capabilities does not name it"
    )
    assert of_account.startswith("accounts.main.capabilities: offers.create, offers.delete is off, because no target")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (ON, "targets.shop-de.create: offers.create needs the EANs that may be created"),
        (ON + CREATE + "eans_file = 'client_key'\n", "targets.shop-de.create.all_eans: contradicts eans_file"),
        (ON + "[targets.shop-de.create]\neans_file = 'gone'\n", "cannot be read"),
        ("capabilities = ['offers.creat']\n", "targets.shop-de.capabilities"),
        (ON + CREATE + "vat_indicator = '19'\n", "targets.shop-de.create.vat_indicator"),
        (ON + CREATE + "[[targets.shop-de.create.rules]]\nwhen = { a = 'b' }\n", "sets none of shipping_group"),
    ],
)
def test_what_does_not_fit_together_is_refused(folder: Path, text: str, line: str) -> None:
    found = problems(folder, BOTH + text)

    assert [one for one in found if line in one], found


def test_a_new_unit_is_given_what_the_first_matching_rule_says_and_else_the_targets_defaults(folder: Path) -> None:
    rule = "[[targets.shop-de.create.rules]]\nwhen = { category = 'books' }\nvat_indicator = 'reduced_rate_1'\n"
    settings = read(folder, BOTH + ON + CREATE + "shipping_group = 4\nwarehouse = 2\nnote = 'new'\n" + rule).settings

    rules = offer_policy(settings).new_units["shop-de"]

    assert rules.of({}) == NewUnitRule(shipping_group=4, warehouse=2, note="new")
    assert rules.of({"category": "books"}) == NewUnitRule(
        shipping_group=4, warehouse=2, note="new", vat_indicator="reduced_rate_1"
    )


RATES = "from,to,rate,at,source\nPLN,EUR,0.2337,2026-03-31T16:00:00Z,NBP\n"
CONVERT = "capabilities = ['prices.convert']\n"
CONVERTED = MINIMAL.replace("[targets.shop-de]", f"{CONVERT}[targets.shop-de]") + CONVERT


def test_prices_are_converted_by_the_rule_of_the_target_only_where_both_name_it(folder: Path) -> None:
    (folder / "rates.csv").write_text(RATES)
    mappings = "[mappings]\nrates_file = 'rates.csv'\n"
    rule = "[targets.shop-de.convert]\nrounding = 'up'\nstep = 5\nmax_age = '1d'\njump_pct = 2.5\n"
    settings = read(folder, CONVERTED + rule + mappings).settings

    assert offer_policy(settings).conversions == {
        "shop-de": ConversionRule(rounding=Rounding.UP, step=5, max_age_s=86_400.0, jump_pct=Decimal("2.5"))
    }
    assert rates(settings).find("PLN", "EUR") is not None
    assert writes(folder, CONVERTED + mappings).endswith("; prices converted from other currencies (target shop-de)")
    half = read(folder, MINIMAL + CONVERT + rule + mappings)
    assert offer_policy(half.settings).conversions == {}
    [note] = read(folder, MINIMAL + rule + mappings).ignored
    assert note == "targets.shop-de.convert: no effect while capabilities does not name prices.convert"


def test_conversion_needs_rates_and_a_wrong_file_is_a_problem(folder: Path) -> None:
    (folder / "rates.csv").write_text(RATES + "EUR,EUR,1,2026-03-31T16:00:00Z,NBP\n")

    assert problems(folder, CONVERTED) == [
        "targets.shop-de.capabilities: prices.convert needs exchange rates: set rates_file in [mappings]"
    ]
    [fault] = problems(folder, MINIMAL + "[mappings]\nrates_file = 'rates.csv'\n")
    assert fault.startswith("mappings.rates_file: ")
    assert fault.endswith("rates.csv' is not valid: line 3: both currencies are EUR")
