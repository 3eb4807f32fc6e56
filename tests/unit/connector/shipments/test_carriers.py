"""How carrier names match codes, and how long the accounts' carrier tables are used."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from connector.shipments.carrier_names import CarrierNames
from connector.shipments.carrier_tables import CarrierTables, Unlisted, Unmatched
from connector.shipments.policy import loosened
from tests.harness.shipment_harness import CARRIERS, SECOND, START_US, policy

NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
TABLES = st.sets(NAMES, max_size=6)
ALIASES = st.dictionaries(NAMES, NAMES, max_size=4)


def varied(draw: st.DrawFn, name: str) -> str:
    """Returns the name in another case, with other white space."""
    return "".join(
        draw(st.sampled_from(["", " ", "\t"])) + draw(st.sampled_from([letter.upper(), letter.lower(), letter]))
        for letter in name
    )


VARIED = st.composite(varied)


@given(TABLES, ALIASES)
def test_every_exact_code_means_itself(table: set[str], aliases: dict[str, str]) -> None:
    names = CarrierNames(table, aliases)

    assert all(names.match(code) == code for code in table)


@given(TABLES, ALIASES, NAMES)
def test_a_match_is_always_in_the_table_and_equal_but_for_case_and_space_or_an_alias(
    table: set[str], aliases: dict[str, str], name: str
) -> None:
    found = CarrierNames(table, aliases).match(name)

    if found is not None:
        meant = {loosened(code) for alias, code in aliases.items() if loosened(alias) == loosened(name)}
        assert found in table
        assert loosened(found) in {loosened(name), *meant}


@given(st.data(), st.sets(st.sampled_from(CARRIERS), min_size=1))
def test_case_and_white_space_do_not_matter(data: st.DataObject, table: set[str]) -> None:
    code = data.draw(st.sampled_from(sorted(table)))

    assert CarrierNames(table, {}).match(data.draw(VARIED(code))) == code


@given(TABLES, NAMES)
def test_a_name_that_is_only_similar_is_unknown(table: set[str], name: str) -> None:
    assume(loosened(name) not in {loosened(code) for code in table})

    assert CarrierNames(table, {}).match(name) is None


@given(TABLES, NAMES, NAMES)
def test_an_alias_means_its_code_where_the_table_knows_none_of_that_name(
    table: set[str], alias: str, code: str
) -> None:
    assume(loosened(alias) not in {loosened(known) for known in table})
    assume([known for known in table if loosened(known) == loosened(code)] in ([], [code]))

    assert CarrierNames({*table, code}, {alias: code}).match(alias) == code or loosened(alias) == loosened(code)


@pytest.mark.parametrize("name", ["dpd", "DP D"])
def test_an_ambiguous_name_matches_only_exactly(name: str) -> None:
    names = CarrierNames(["DPD", "Dpd"], {})

    assert names.match(name) is None
    assert names.match("Dpd") == "Dpd"


def test_the_table_comes_before_an_alias() -> None:
    assert CarrierNames(["DHL", "GLS"], {"dhl": "GLS"}).match("dhl") == "DHL"


def test_an_alias_for_a_missing_code_is_unknown() -> None:
    assert CarrierNames(["DHL"], {"post": "Deutsche Post"}).match("post") is None


# ---- how long a table is used ---------------------------------------------------------------------------------------

HOUR = 3600 * SECOND


def known(**changes: object) -> CarrierTables:
    carriers = CarrierTables(policy(**changes))
    carriers.replace("main", CARRIERS, START_US)
    return carriers


@pytest.mark.parametrize(
    ("name", "later_us", "code"),
    [
        ("DHL", 0, "DHL"),
        ("DHL", 24 * HOUR - 1, "DHL"),
        ("DHL", 24 * HOUR, Unmatched.NOT_YET),
        ("snail", 0, "Other"),
        ("snail", HOUR - 1, "Other"),
        ("snail", HOUR, Unmatched.NOT_YET),
    ],
)
def test_a_table_is_used_for_a_day_and_for_an_hour_for_unknown_names(
    name: str, later_us: int, code: str | Unmatched
) -> None:
    assert known(unknown_carrier="Other").code("main", name, START_US + later_us) == code


def test_each_account_has_a_table_of_its_own() -> None:
    assert known().code("other", "DHL", START_US) is Unmatched.NOT_YET


@pytest.mark.parametrize("fallback", ["reject", "No Such Carrier"])
def test_an_unknown_name_is_refused_by_rule_or_where_the_fallback_is_unknown_too(fallback: str) -> None:
    carriers = known(unknown_carrier=fallback)

    assert carriers.code("main", "snail", START_US) is Unmatched.UNKNOWN
    assert carriers.shown("main", "snail") is None


def test_a_table_that_cannot_be_renewed_is_kept_for_as_long_again() -> None:
    carriers = known()

    assert carriers.keep("main", START_US + 30 * HOUR)
    assert carriers.code("main", "DHL", START_US + 31 * HOUR) == "DHL"
    assert not carriers.keep("other", START_US)


def test_configured_carriers_that_the_marketplace_does_not_list_are_named_once() -> None:
    said: list[tuple[str, Unlisted]] = []
    of = policy(untracked_carriers=frozenset({"other", "Own Truck"}), aliases={"post": "Deutsche Post", "van": "Other"})
    carriers = CarrierTables(of, lambda account, unlisted: said.append((account, unlisted)))

    carriers.replace("main", CARRIERS, START_US)
    carriers.replace("main", CARRIERS, START_US + HOUR)
    carriers.replace("other", (*CARRIERS, "Own Truck", "Deutsche Post"), START_US)

    assert said == [("main", {"untracked_carriers": ("Own Truck",), "carriers": ("Deutsche Post",)})]


@pytest.mark.parametrize("fallback", ["reject", "Other", "Otter"])
def test_a_fallback_that_the_marketplace_does_not_list_is_named(fallback: str) -> None:
    said: list[Unlisted] = []

    CarrierTables(policy(unknown_carrier=fallback), lambda _, unlisted: said.append(unlisted)).replace(
        "main", CARRIERS, 0
    )

    assert said == ([{"unknown_carrier": ("Otter",)}] if fallback == "Otter" else [])


# ---- which lane reads the table -------------------------------------------------------------------------------------


def test_other_lanes_wait_for_the_lane_that_reads_the_table_but_not_for_long() -> None:
    carriers = CarrierTables(policy())

    carriers.note_reader("main", "order-1", START_US)

    assert carriers.wait_until_us("main", "order-1", START_US) is None
    assert carriers.wait_until_us("main", "order-2", START_US) == START_US + SECOND // 2
    assert carriers.wait_until_us("other", "order-2", START_US) is None
    assert carriers.wait_until_us("main", "order-2", START_US + 10 * SECOND) is None


def test_asking_who_reads_the_table_makes_nobody_its_reader() -> None:
    carriers = CarrierTables(policy())

    assert carriers.wait_until_us("main", "order-1", START_US) is None
    assert carriers.wait_until_us("main", "order-2", START_US) is None


def test_a_lane_that_is_noted_again_does_not_extend_the_time_that_others_wait() -> None:
    carriers = CarrierTables(policy())

    carriers.note_reader("main", "order-1", START_US)
    carriers.note_reader("main", "order-1", START_US + 9 * SECOND)

    assert carriers.wait_until_us("main", "order-2", START_US + 10 * SECOND) is None
