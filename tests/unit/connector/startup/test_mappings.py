"""The mappings in use follow their files; what only a restart can change is refused."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest
from structlog.testing import capture_logs

from connector.contracts.capabilities import Capability
from connector.kaufland.adapter import kaufland
from connector.kaufland.reference import load_reference
from connector.mappings.watched_file import SAME_LOOKS
from connector.marketplace.offers import Condition
from connector.offers.gtin import check_digit
from connector.offers.rails import Rail
from connector.settings import model
from connector.startup.mappings import LiveMappings
from streams.clock import SystemClock

EAN, OTHER_EAN = "4006381333931", "4006381333948"
OVERRIDES = "ean,target,floor_price,currency,buffer,hold,reason\n"


def settings(folder: Path, **mappings: Any) -> model.Settings:
    """Returns settings of one account with an allow-list, carriers and reference data in files."""
    (folder / "eans").write_text(f"{EAN}\n")
    (folder / "carriers.toml").write_text('"DHL Paket" = "DHL"\n')
    (folder / "reference.json").write_text("{}")
    (folder / "overrides.csv").write_text(f"{OVERRIDES}{EAN},,,,2,,\n")
    return model.Settings.model_construct(
        accounts={"main": model.AccountSettings(capabilities=(Capability.OFFERS_CREATE,))},
        targets={
            "main-de": model.TargetSettings(account="main", storefront="de", allow_eans_file=folder / "eans"),
            "main-at": model.TargetSettings(account="main", storefront="at"),
        },
        shipments=model.ShipmentSettings(carriers={"Post": "Deutsche Post"}, carriers_file=folder / "carriers.toml"),
        mappings=model.MappingSettings(
            reference_file=folder / "reference.json", overrides_file=folder / "overrides.csv"
        ),
    )


def look(mappings: LiveMappings) -> None:
    """Does what the watch does until a change is read."""
    watch = mappings.watch()
    for _ in range(SAME_LOOKS):
        watch.look()


@pytest.fixture
def mappings(tmp_path: Path) -> LiveMappings:
    return LiveMappings(settings(tmp_path), kaufland([], clock=SystemClock()))


def test_the_files_are_in_use_from_the_start(mappings: LiveMappings) -> None:
    in_use = mappings.in_use

    assert in_use.overrides.eans == {EAN}
    assert in_use.carriers == {"Post": "Deutsche Post", "DHL Paket": "DHL"}
    assert in_use.routing.targets["main-de"].allow_eans == frozenset({EAN})
    assert in_use.routing.targets["main-at"].allow_eans is None
    assert mappings.problems() == dict.fromkeys(
        [
            "shipments.carriers_file",
            "mappings.reference_file",
            "mappings.overrides_file",
            "targets.main-de.allow_eans_file",
        ],
        "",
    )


def test_a_changed_file_is_in_use_in_another_snapshot(mappings: LiveMappings, tmp_path: Path) -> None:
    before = mappings.in_use
    (tmp_path / "eans").write_text(f"{EAN}\n{OTHER_EAN}\n")
    (tmp_path / "carriers.toml").write_text('"Post" = "DHL Express"\n')

    look(mappings)

    assert mappings.in_use is not before
    assert mappings.in_use.routing.targets["main-de"].allow_eans == frozenset({EAN, OTHER_EAN})
    assert mappings.in_use.carriers == {"Post": "DHL Express"}, "the file takes precedence, and a removed alias is gone"
    assert before.routing.targets["main-de"].allow_eans == frozenset({EAN})


def test_a_bad_file_is_refused_and_the_old_content_stays(mappings: LiveMappings, tmp_path: Path) -> None:
    before = mappings.in_use
    (tmp_path / "eans").write_text("4006381333930\n")

    look(mappings)

    assert mappings.in_use is before
    assert "check digit" in mappings.problems()["targets.main-de.allow_eans_file"]


def test_a_new_storefront_and_a_bound_reach_flows_and_adapter(tmp_path: Path) -> None:
    reference = load_reference(None)
    mappings = LiveMappings(settings(tmp_path), kaufland([], clock=SystemClock(), reference=reference))
    over = {"storefronts": {"ro": {"currency": "RON"}}, "currencies": {"RON": {"exponent": 2, "ceiling": 500}}}
    (tmp_path / "reference.json").write_bytes(orjson.dumps({**over, "max_stock": 77}))

    look(mappings)

    assert mappings.in_use.reference.storefronts["ro"].code == "RON"
    assert mappings.in_use.reference.max_stock == reference.reference.max_stock == 77
    assert reference.storefront("RO") == "ro"
    assert reference.condition(100) is Condition.NEW


@pytest.mark.parametrize(
    ("over", "reason"),
    [
        ({"storefronts": {"de": {"currency": "CZK"}}}, "storefront 'de' has another currency, or is gone"),
        ({"currencies": {"EUR": {"exponent": 3, "ceiling": 5}}}, "another currency"),
        ({"bulk_limit": 10}, "bulk_limit is another: this needs a restart"),
        ({"max_stock": -1}, "max_stock"),
    ],
)
def test_reference_data_that_needs_a_restart_or_is_wrong_is_refused(
    mappings: LiveMappings, tmp_path: Path, over: dict[str, Any], reason: str
) -> None:
    before = mappings.in_use
    (tmp_path / "reference.json").write_bytes(orjson.dumps(over))

    look(mappings)

    assert mappings.in_use is before
    assert reason in mappings.problems()["mappings.reference_file"]


def eans(count: int) -> str:
    """Returns an allow-list of so many EANs."""
    bodies = (f"4{number:011d}" for number in range(count))
    return "".join(f"{body}{check_digit(body)}\n" for body in bodies)


@pytest.mark.parametrize(("left", "is_refused"), [(0, True), (49, True), (50, False), (200, False)])
def test_an_allow_list_that_has_lost_most_of_its_eans_is_refused_until_a_restart(
    tmp_path: Path, left: int, is_refused: bool
) -> None:
    configured, adapter = settings(tmp_path), kaufland([], clock=SystemClock())
    (tmp_path / "eans").write_text(eans(100))
    mappings = LiveMappings(configured, adapter)
    (tmp_path / "eans").write_text(eans(left))

    look(mappings)

    allowed = mappings.in_use.routing.targets["main-de"].allow_eans
    assert allowed is not None
    assert len(allowed) == (100 if is_refused else left)
    assert ("may not be complete" in mappings.problems()["targets.main-de.allow_eans_file"]) is is_refused
    restarted = LiveMappings(configured, adapter).in_use.routing.targets["main-de"].allow_eans
    assert restarted is not None
    assert len(restarted) == left


def test_a_short_allow_list_may_change_as_a_whole_but_not_be_empty(mappings: LiveMappings, tmp_path: Path) -> None:
    (tmp_path / "eans").write_text(f"{OTHER_EAN}\n")
    look(mappings)
    assert mappings.in_use.routing.targets["main-de"].allow_eans == frozenset({OTHER_EAN})

    (tmp_path / "eans").write_text("")
    look(mappings)
    assert mappings.in_use.routing.targets["main-de"].allow_eans == frozenset({OTHER_EAN})


def test_overrides_are_in_use_when_the_file_changes_and_a_bad_or_shorter_one_is_refused(
    mappings: LiveMappings, tmp_path: Path
) -> None:
    file, many = tmp_path / "overrides.csv", eans(100).split()
    with capture_logs() as logs:
        file.write_text(OVERRIDES + "".join(f"{ean},main-de,9.99,EUR,3,,\n" for ean in many))
        look(mappings)
    assert mappings.in_use.overrides.eans == set(many)
    assert [line.get("eans") for line in logs] == [None, 101], "the buffers of these EANs act with the next event"

    in_use = mappings.in_use
    for content, reason in (
        (f"{EAN},main-at,9.99,CZK,,,", "line 2: currency 'CZK' is not that of the target: EUR"),
        (f"{EAN},,,,3,,", "lacks 100 of the 100 in use: it may not be complete, and floors and holds of the others"),
    ):
        file.write_text(f"{OVERRIDES}{content}\n")
        look(mappings)
        assert mappings.in_use is in_use
        assert reason in mappings.problems()["mappings.overrides_file"]


def test_the_last_override_is_removed_without_a_restart_by_a_line_with_nothing_but_its_ean(
    mappings: LiveMappings, tmp_path: Path
) -> None:
    (tmp_path / "overrides.csv").write_text(OVERRIDES)
    look(mappings)
    assert (
        "keep the lines of EANs without an override, with nothing but the EAN"
        in (mappings.problems()["mappings.overrides_file"])
    )

    (tmp_path / "overrides.csv").write_text(f"{OVERRIDES}{EAN}\n")
    look(mappings)
    assert mappings.problems()["mappings.overrides_file"] == ""
    assert mappings.in_use.overrides.buffer(EAN, "main-de") is None


@pytest.mark.parametrize(("line", "level"), [(f"{EAN},,,,2,,", "info"), ("", "warning")])
def test_a_start_says_how_many_overrides_there_are(tmp_path: Path, line: str, level: str) -> None:
    configured = settings(tmp_path)
    (tmp_path / "overrides.csv").write_text(OVERRIDES + line)
    with capture_logs() as logs:
        LiveMappings(configured, kaufland([], clock=SystemClock()))

    assert [(one["log_level"], one.get("eans")) for one in logs] == [(level, 1 if line else None)]


def test_the_eans_that_may_be_created_follow_their_file_and_may_all_be_removed_at_once(tmp_path: Path) -> None:
    (tmp_path / "new").write_text(
        "".join(f"{body}{check_digit(body)}\n" for body in map(str, range(400638133000, 400638133030)))
    )
    configured = settings(tmp_path)
    create = model.CreateSettings(eans_file=tmp_path / "new")
    target = configured.targets["main-at"].model_copy(
        update={"create": create, "capabilities": (Capability.OFFERS_CREATE,)}
    )
    configured = configured.model_copy(update={"targets": {**configured.targets, "main-at": target}})
    mappings = LiveMappings(configured, kaufland([], clock=SystemClock()))
    before = mappings.in_use.routing.targets

    (tmp_path / "new").write_text("")
    look(mappings)

    assert len(before["main-at"].create_eans or ()) == 30
    assert mappings.in_use.routing.targets["main-at"].create_eans == frozenset()
    assert before["main-de"].create_eans == frozenset(), "without the capability, nothing may be created"


def test_switches_and_guard_rails_of_other_settings_are_in_use_beside_the_files(
    mappings: LiveMappings, tmp_path: Path
) -> None:
    before, policy = mappings.in_use, mappings.policy()
    started = settings(tmp_path)
    off = started.targets["main-at"].model_copy(update={"enabled": False, "price_floor": 2})
    guards = model.GuardSettings(zeroed_share_pct=5)
    changed = started.model_copy(update={"targets": {**started.targets, "main-at": off}, "guards": guards})

    mappings.use(changed, "another")

    in_use = mappings.in_use
    assert not in_use.routing.targets["main-at"].enabled
    assert in_use.routing.targets["main-de"] == before.routing.targets["main-de"], "the allow-list of the file stays"
    assert in_use.config_digest == "another"
    assert (policy.has_rails, mappings.policy().has_rails) == (False, True)
    assert list(mappings.policy().window_limits) == [Rail.ZEROED_SHARE]
    (tmp_path / "carriers.toml").write_text('"Post" = "DHL Express"\n')
    look(mappings)
    assert not mappings.in_use.routing.targets["main-at"].enabled, "it stays off when a file is read again"


def test_other_rates_are_in_use_and_a_file_that_lacks_a_pair_is_refused(tmp_path: Path) -> None:
    def put(*lines: str) -> None:
        (tmp_path / "rates.csv").write_text("\n".join(("from,to,rate,at,source", *lines)))

    tail = "2026-03-31T16:00:00Z,ECB"
    put(f"EUR,PLN,4.27,{tail}", f"CZK,EUR,0.04,{tail}")
    configured = settings(tmp_path)
    named = configured.mappings.model_copy(update={"rates_file": tmp_path / "rates.csv"})
    mappings = LiveMappings(configured.model_copy(update={"mappings": named}), kaufland([], clock=SystemClock()))

    put(f"EUR,PLN,4.31,{tail}", f"CZK,EUR,0.04,{tail}")
    look(mappings)
    found = mappings.in_use.rates.find("EUR", "PLN")
    assert found is not None
    assert found.value == Decimal("4.31")

    put(f"EUR,PLN,4.35,{tail}")
    look(mappings)
    assert mappings.in_use.rates.find("CZK", "EUR") is not None
    assert "it lacks CZK/EUR, in use until now" in mappings.problems()["mappings.rates_file"]
