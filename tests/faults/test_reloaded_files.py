"""Files that are read again while the connector runs: allow-lists, carriers, reference data, overrides."""

from decimal import Decimal
from pathlib import Path

from devstack.processes import wait_for
from devstack.traffic import OfferPlace
from tests.faults.conftest import FAST_MISS, Deploy
from tests.faults.deployment import WatchedDeployment
from tests.faults.test_05_bulk_edges import change
from tests.faults.workload import wall_us

CATALOGUE = "eans = 40\nlinked = 0.0\nambiguous = 0.0\nmissing = 0.0\nfurther_condition = 0.0"
LIST = "targets.main-de.allow_eans_file"


def priced(deployment: WatchedDeployment, place: OfferPlace, cents: int, at_us: int) -> str:
    """Sends a price and returns how its event ended."""
    produced = deployment.produce([change(place, at_us, price=(Decimal(cents).scaleb(-2), place.currency))])
    deployment.wait_for_results(produced)
    [message] = [one.message for one in produced]
    assert message.payload is not None
    [status] = [row["status"] for row in deployment.results() if row["event_id"] == message.payload["event_id"]]
    return str(status)


def test_an_allow_list_that_changes_is_in_use_without_a_restart_and_a_bad_one_never_is(
    deploy: Deploy, tmp_path: Path
) -> None:
    eans = tmp_path / "eans"
    eans.write_text("")
    deployment = deploy(catalogue=CATALOGUE, storefronts=("de",), partitions=2, targeted={"allow_eans_file": str(eans)})
    allowed, other = deployment.places()[0][:2]
    eans.write_text(f"{allowed.ean}\n")
    connector, times = deployment.connector(), wall_us()

    with connector.health() as health:
        assert priced(deployment, allowed, 1_111, next(times)) == "APPLIED"
        assert priced(deployment, other, 1_111, next(times)) == "SUPPRESSED"

        eans.write_text(f"{allowed.ean}\n{other.ean}\n")
        wait_for("the longer list", lambda: "a file was read again" in connector.text())
        assert priced(deployment, other, 1_222, next(times)) == "APPLIED"

        eans.write_text("not-an-EAN\n")
        wait_for("the refusal", lambda: health.get("/status").json()["files"][LIST] != "in use")
        assert health.get("/readyz").status_code == 200
        assert "has other characters than digits" in health.get("/status").json()["files"][LIST]
        assert priced(deployment, other, 1_333, next(times)) == "APPLIED"
    assert connector.stop() == 0


def test_what_an_override_holds_is_sent_without_a_new_event_when_the_file_lets_it_go(
    deploy: Deploy, tmp_path: Path
) -> None:
    header, file = "ean,target,floor_price,currency,reason\n", tmp_path / "overrides.csv"
    file.write_text(header)
    settings = f'{FAST_MISS}\n[mappings]\noverrides_file = "{file}"\n'
    deployment = deploy(catalogue=CATALOGUE, storefronts=("de",), partitions=2, settings=settings)
    place = deployment.places()[0][0]
    file.write_text(f"{header}{place.ean},main-de,20.00,{place.currency},contract\n")
    connector = deployment.connector()

    with connector.health():
        assert priced(deployment, place, 1_111, next(wall_us())) == "HELD"
        file.write_text(f"{header}{place.ean},main-de,11.11,{place.currency},contract\n")
        wait_for("the release", lambda: [row["status"] for row in deployment.results()] == ["HELD", "APPLIED"])
    assert connector.stop() == 0


def test_a_targets_switch_a_floor_and_the_log_level_count_without_a_restart_and_the_rest_is_named(
    deploy: Deploy,
) -> None:
    deployment = deploy(catalogue=CATALOGUE, storefronts=("de",), partitions=2, settings=FAST_MISS)
    one, other = deployment.places()[0][:2]
    connector, times = deployment.connector(), wall_us()
    file = deployment.folder / "one.toml"
    started, target = file.read_text(), "[targets.main-de]\n"

    def becomes(settings: str, note: str) -> None:
        """Changes the target's settings, and waits until the process says so."""
        seen = connector.text().count(note)
        file.write_text(started.replace(target, f"{target}{settings}\n"))
        wait_for(note, lambda: connector.text().count(note) > seen, progress=connector.text)

    with connector.health() as health:
        assert priced(deployment, one, 1_111, next(times)) == "APPLIED"
        becomes('price_floor = "20.00"', "the configuration was read again")
        assert priced(deployment, one, 1_222, next(times)) == "HELD"
        becomes("enabled = false\nkeep = 1", "targets.main-de.keep")
        assert priced(deployment, other, 1_333, next(times)) == "SUPPRESSED"
        status = health.get("/status").json()
        assert status["files"]["configuration"] == "changed, and not in use before a restart: targets.main-de.keep"
        file.write_text(f'{started}\n[log]\nlevel = "warning"\n')
        wait_for("new settings", lambda: health.get("/status").json()["config_digest"] != status["config_digest"])
        assert priced(deployment, other, 1_444, next(times)) == "APPLIED"
    assert connector.stop() == 0
    assert '"partition_opened"' in connector.text()
    assert '"ended"' not in connector.text(), "a line of level info"
