"""Units are created and deleted on a real broker: once each, beside kills and lost answers, and only while it is on."""

from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

from devstack.traffic import Message, MessageKind
from simulator.exchange import Endpoint
from simulator.offers.catalogue import ean_13
from tests.faults.conftest import Deploy
from tests.faults.deployment import WatchedDeployment
from tests.faults.workload import SHORT, wall_us

EANS = 60
CATALOGUE = (
    f"eans = {EANS}\nmissing = 0.5\nambiguous = 0.0\nlinked = 0.0\nfurther_condition = 0.0\nvisibility_delay_s = 3"
)
SETTINGS = '[offers]\nnot_found_grace = "1s"\ncreate_settle = "10s"\nrecheck = "1s"\n'
BOTH = ["offers.create", "offers.delete"]


def wish(ean: str, at_us: int, listing: str | None = "CREATE", **carried: Any) -> Message:
    given = {"price": (Decimal("12.34"), "EUR"), "stock": 5, "handling_time_days": 2} if listing != "DELETE" else {}
    payload = {
        "event_id": f"e-{at_us}",
        "occurred_at_us": at_us,
        "target_id": "main-de",
        "condition": "NEW",
        "ean": ean,
        "offer_id": f"mine-{ean}",
        "listing": listing,
        **given,
        **carried,
    }
    return Message(kind=MessageKind.UPDATE, key=ean, payload=payload)


def statuses(deployment: WatchedDeployment) -> dict[str, list[str]]:
    """Returns the statuses of the results of each EAN, in the order of their decision."""
    found: dict[str, list[str]] = {}
    for row in sorted(deployment.results(), key=lambda row: row["decided_at"]):
        found.setdefault(row["ean"], []).append(row["status"])
    return found


def wait_for_status(deployment: WatchedDeployment, eans: list[str], status: str) -> None:
    deployment.wait_for(
        f"{status} of {len(eans)} offers",
        lambda: all(statuses(deployment).get(ean, [""])[-1] == status for ean in eans),
        progress=lambda: (len(deployment.results()), deployment.marketplace.summary()["calls"]),
    )


def wait_for_creations(deployment: WatchedDeployment, more: int) -> None:
    """Waits until the marketplace has received so many further calls that create a unit."""

    def received(what: str) -> int:
        count: int = deployment.marketplace.summary()[what]
        return count

    aim = received("created") + more
    deployment.wait_for(
        "creations in the air", lambda: received("created") >= aim, progress=lambda: received("calls"), every_s=0.02
    )


def units_of(deployment: WatchedDeployment) -> Counter[str]:
    return Counter(unit["eans"][0] for unit in deployment.marketplace.units().values())


def test_units_are_created_once_beside_kills_and_lost_answers_and_nothing_is_while_it_is_off(
    deploy: Deploy, tmp_path: Path
) -> None:
    listed = tmp_path / "new-eans"
    listed.write_text("")
    deployment = deploy(
        catalogue=CATALOGUE,
        storefronts=("de",),
        partitions=4,
        settings=SETTINGS,
        processing=SHORT,
        account={"capabilities": BOTH},
        targeted={"capabilities": BOTH, "create": {"eans_file": str(listed), "shipping_group": 3}},
    )
    there = units_of(deployment)
    new = [ean for number in range(EANS) if (ean := ean_13(number)) not in there]
    allowed, others, absent = new[:-4], new[-4:], ean_13(EANS + 7)
    known = [ean_13(number) for number in range(EANS) if ean_13(number) in there][:5]
    listed.write_text("\n".join((*allowed, absent)))
    times = wall_us()
    deployment.marketplace.fault("lost", {"kind": "lose_answer"}, method="POST", path="/units", every=4, skip=1)
    deployment.marketplace.fault("error", {"kind": "respond", "status": 500}, method="POST", path="/units", every=5)
    deployment.marketplace.fault("slow", {"kind": "slow", "wait_s": 0.5}, method="POST", path="/units")
    connector = deployment.connector()

    deployment.produce(wish(ean, next(times)) for ean in (*allowed, *others, absent))
    for more in (1, 6):
        wait_for_creations(deployment, more)
        connector.kill9()
        connector = deployment.connector()
    deployment.produce(zero(deployment, ean, next(times)) for ean in known)
    wait_for_status(deployment, known, "APPLIED")
    wait_for_status(deployment, allowed, "CREATED")
    wait_for_status(deployment, [*others, absent], "NOT_FOUND")
    deployment.marketplace.heal()

    units = deployment.marketplace.units()
    mine = {unit["eans"][0]: unit for unit in units.values() if unit["id_offer"] == f"mine-{unit['eans'][0]}"}
    assert set(mine) == set(allowed)
    assert max(units_of(deployment).values()) == 1, "a unit was created twice"
    values = {(u["listing_price"], u["amount"], u["handling_time"], u["id_shipping_group"]) for u in mine.values()}
    assert values == {(1234, 5, 2, 3)}
    created = {row["unit_id"] for row in deployment.results() if row["status"] == "CREATED"}
    assert created == {unit["id_unit"] for unit in mine.values()}
    problems = Counter(
        call.problem for call in deployment.marketplace.journal().calls if call.kind is Endpoint.CREATE and call.problem
    )
    assert not [one for one in problems if "already-exists" in one], "the marketplace had to refuse a second unit"
    hints = {row["ean"]: row["hint"] for row in deployment.newest("offers-not-found").values()}
    assert all("not among those" in hints[ean] for ean in others)
    assert [row["code"] for row in deployment.results() if row["ean"] == absent] == ["PRODUCT_NOT_IN_CATALOGUE"]

    # the file grows: what waits is created without a new event
    listed.write_text("\n".join((*allowed, others[0])))
    wait_for_status(deployment, others[:1], "CREATED")

    # an explicit deletion, after the stock is 0
    gone = allowed[:2]
    deployment.produce(wish(ean, next(times), "DELETE", stock=0) for ean in gone)
    wait_for_status(deployment, gone, "DELETED")
    assert not set(gone) & set(units_of(deployment))
    zeroed = [w for w in deployment.marketplace.journal().writes if w.field == "amount" and w.new == 0]
    assert len(zeroed) == len(known) + len(gone)

    # read again: nothing is created or deleted a second time
    assert connector.stop() == 0
    before = deployment.marketplace.journal()
    deployment.reset_offsets()
    connector, count = deployment.connector(), len(deployment.results())
    deployment.wait_for("every event again", lambda: len(deployment.results()) >= count + len(allowed))
    after = deployment.marketplace.journal()
    assert (after.created, after.deleted) == (before.created, before.deleted)
    assert connector.stop() == 0

    # off again: no call, and the log does not speak of it
    deployment.account = {}
    connector = deployment.connector()
    deployment.produce(wish(ean, next(times)) for ean in others[1:])
    deployment.produce(wish(ean, next(times), "DELETE", stock=0) for ean in allowed[2:4])
    wait_for_status(deployment, others[1:], "NOT_FOUND")
    wait_for_status(deployment, allowed[2:4], "APPLIED")
    off = deployment.marketplace.journal()
    assert (off.created, off.deleted) == (before.created, before.deleted)
    assert "creation of units" not in connector.text()
    assert connector.stop() == 0


def zero(deployment: WatchedDeployment, ean: str, at_us: int) -> Message:
    [place] = [place for place in deployment.places()[0] if place.ean == ean]
    return wish(ean, at_us, None, price=None, handling_time_days=None, stock=0, offer_id=place.offer_id)
