"""Invalid input is reported with a code, an explanation and advice, and does not stop other events."""

from decimal import Decimal
from pathlib import Path

from devstack.traffic import Message, MessageKind
from tests.faults.conftest import FAST_MISS, Deploy
from tests.faults.test_05_bulk_edges import change
from tests.faults.workload import wall_us

ROOT = Path(__file__).parent.parent.parent
STRICT = f'{FAST_MISS}negative_stock = "reject"\nmax_stock = 99_999\nstock_above_max = "reject"\n'


def test_every_kind_of_bad_record_is_reported_and_the_next_one_is_processed(deploy: Deploy) -> None:
    deployment = deploy(partitions=1, settings=STRICT)
    places, _ = deployment.places()
    place = next(p for p in places if p.target_id == "main-de")
    connector = deployment.connector()
    times = wall_us()

    def with_other(**other: object) -> Message:
        return change(place, next(times), **{"stock": 3, **other})

    wrong = {
        "unknown target": with_other(target_id="nowhere"),
        "no target": with_other(target_id=None),
        "no condition": with_other(condition=None),
        "unknown condition": with_other(condition="SHINY"),
        "wrong currency": with_other(stock=None, price=(Decimal(5), "USD")),
        "a fraction of a cent": with_other(stock=None, price=(Decimal("5.001"), "EUR")),
        "price zero": with_other(stock=None, price=(Decimal(0), "EUR")),
        "price over the ceiling": with_other(stock=None, price=(Decimal(1000001), "EUR")),
        "negative stock": with_other(stock=-1),
        "too much stock": with_other(stock=100_000),
        "handling time out of range": with_other(stock=None, handling_time_days=101),
        "dated in the future": with_other(occurred_at_us=next(times) + 600_000_000),
        "nothing carried": with_other(stock=None),
    }
    unreadable = {
        "not framed": Message(kind=MessageKind.UNDECODABLE, key=place.ean, raw=b"{}"),
        "empty": Message(kind=MessageKind.UNDECODABLE, key=place.ean, raw=b""),
        "unknown schema id": Message(kind=MessageKind.UNDECODABLE, key=place.ean, raw=b"\x00\x7f\xff\xff\xffabc"),
        "cut off": Message(kind=MessageKind.UNDECODABLE, key=place.ean, raw=b"\x00"),
    }

    produced = deployment.produce([*wrong.values(), *unreadable.values(), with_other(stock=8)])
    deployment.settle(produced)

    assert connector.stop() == 0
    assert deployment.marketplace.units()[place.unit_id]["amount"] == 8
    by_offset = {row["input_offset"]: row for row in deployment.results()}
    for name, one in zip(wrong, produced, strict=False):
        row = by_offset[one.offset]
        assert row["status"] == "REJECTED", (name, row)
        assert row["code"] or any(held["code"] for held in row["fields"]), name
        assert row["problem"]["message"], name
        assert row["problem"]["advice"], name
    dead = {int(dict(record.headers() or [])["__connect.errors.offset"] or b""): record for record in deployment.dead()}
    for one in produced[len(wrong) : len(wrong) + len(unreadable)]:
        record = dead[one.offset]
        headers = dict(record.headers() or [])
        assert record.value() == one.message.raw
        assert record.key() == one.message.key.encode()
        assert headers["code"]
        assert headers["__connect.errors.exception.message"]
        assert headers["__connect.errors.topic"] == deployment.topic("offer-changes").encode()


def test_a_configuration_with_five_errors_gets_five_lines_and_exit_code_2(deploy: Deploy) -> None:
    deployment = deploy(partitions=1, catalogue="eans = 5")
    path = deployment.config("broken")
    text = path.read_text("utf-8")
    text = text.replace('start = "earliest"', 'start = "whenever"')
    text = text.replace('storefront = "at"', 'storefront = "atx"')
    text = text.replace("[processing]", '[processing]\nlease = "20s"\nread_ahead = 0')
    text = text.replace("simulator = true", "simulator = true\nrequests_per_secnd = 5")
    path.write_text(text, "utf-8")

    said = deployment.in_own_process("run", "--config", str(path), code=2)

    for name in ("kafka.start", "storefront", "lease", "read_ahead", "requests_per_secnd"):
        assert name in said, f"{name} is not named in:\n{said}"
    assert "requests_per_second" in said, "the nearest name is not suggested"
    assert "Traceback" not in said
    assert str(ROOT) not in said.replace(str(path), "")
