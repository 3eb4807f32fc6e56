"""A configuration file that changes: what counts at once is taken over, and what needs a restart is named."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from connector.configuration import load_settings
from connector.mappings.watched_file import SAME_LOOKS
from connector.settings.load import Loaded
from connector.settings.model import Settings
from connector.startup.configuration_watch import ConfigurationWatch
from tests.unit.connector.settings.test_load import MINIMAL

LEVEL = '[log]\nlevel = "{}"\n'


class WatchedRun:
    """A file, and the watch of a process that was started with it."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "connector.toml"
        for key, length in (("client_key", 32), ("secret_key", 64)):
            (folder / key).write_text("k" * length)
        self.file.write_text(MINIMAL)
        self.used: list[Settings] = []
        self.watch = ConfigurationWatch(self.loaded(), self.loaded, self.used.append)

    @property
    def levels(self) -> list[str]:
        return [settings.log.level for settings in self.used]

    def loaded(self) -> Loaded:
        return load_settings(self.file, {}, datetime.now(UTC))

    def becomes(self, text: str) -> str:
        """Writes the file, lets the watch look until it has read it, and returns what it says of the file."""
        self.file.write_text(text)
        for _ in range(SAME_LOOKS + 1):
            self.watch.look()
        return self.watch.problems()["configuration"]


@pytest.fixture
def run(tmp_path: Path) -> WatchedRun:
    return WatchedRun(tmp_path)


def test_a_changed_level_is_in_use_without_a_restart(run: WatchedRun) -> None:
    assert run.becomes(MINIMAL + LEVEL.format("debug")) == ""
    assert run.becomes(MINIMAL + LEVEL.format("warning")) == ""
    assert run.becomes(MINIMAL + "# a comment\n") == ""
    assert run.levels == ["debug", "warning", "info"]


def test_settings_that_need_a_restart_are_named_until_they_are_as_before(run: WatchedRun) -> None:
    changed = MINIMAL.replace('group = "offers"', 'group = "others"') + '[offers]\nmode = "single"\n'

    said = run.becomes(changed + LEVEL.format("debug"))

    assert said == "changed, and not in use before a restart: kafka.group, offers.mode"
    assert run.levels == ["debug"], "the level is in use all the same"
    assert run.becomes(MINIMAL + LEVEL.format("debug")) == ""


def test_a_file_that_is_not_valid_changes_nothing_and_is_told(run: WatchedRun) -> None:
    said = run.becomes(MINIMAL + LEVEL.format("loud"))

    assert said.startswith("it is not valid, and not in use: 1 problem in ")
    assert "log.level" in said
    assert run.levels == []


def test_a_setting_that_is_added_or_removed_is_named(run: WatchedRun) -> None:
    said = run.becomes(MINIMAL.replace("[targets.shop-de]", "[targets.shop-de]\nkeep = 3\nshow_at_most = 9"))

    assert said == "changed, and not in use before a restart: targets.shop-de.keep, targets.shop-de.show_at_most"
    assert run.used == []


def test_switches_of_targets_and_guard_rails_are_in_use_without_a_restart(run: WatchedRun) -> None:
    limits = '[[targets.shop-de.price_limits]]\nwhen = {brand = "A"}\nprice_step_pct = 9\n'
    switched = MINIMAL + 'enabled = false\nprice_floor = "1.5"\n' + limits

    assert run.becomes(switched + "[guards]\nzeroed_share_pct = 10\n") == ""

    [used] = run.used
    target = used.targets["shop-de"]
    assert (target.enabled, target.price_sync, target.price_floor) == (False, True, Decimal("1.5"))
    assert target.price_limits[0].when == {"brand": "A"}
    assert used.guards.zeroed_share_pct == 10
    assert run.becomes(MINIMAL) == ""
    assert run.used[-1].targets["shop-de"].enabled


def test_of_a_target_that_means_another_storefront_nothing_is_in_use_before_a_restart(run: WatchedRun) -> None:
    said = run.becomes(MINIMAL.replace('storefront = "de"', 'storefront = "at"\nenabled = false'))

    expected = "targets.shop-de.storefront, targets.shop-de.enabled"
    assert said == f"changed, and not in use before a restart: {expected}"
    assert run.used == []


def test_without_a_file_there_is_nothing_to_follow() -> None:
    environ = {
        "CONNECTOR__KAFKA__BOOTSTRAP_SERVERS": "b:1",
        "CONNECTOR__KAFKA__GROUP": "g",
        "CONNECTOR__KAFKA__START": "latest",
        "CONNECTOR__KAFKA__INSTANCE_ID": "i",
        "CONNECTOR__REGISTRY__URL": "http://registry",
        "CONNECTOR__ACCOUNTS__MAIN__CLIENT_KEY": "k" * 32,
        "CONNECTOR__ACCOUNTS__MAIN__SECRET_KEY": "s" * 64,
        "CONNECTOR__TARGETS__SHOP__ACCOUNT": "main",
        "CONNECTOR__TARGETS__SHOP__STOREFRONT": "de",
    }
    loaded = load_settings(None, environ, datetime.now(UTC))
    watch = ConfigurationWatch(loaded, lambda: loaded, print)

    assert (watch.look(), watch.problems()) == (False, {})
