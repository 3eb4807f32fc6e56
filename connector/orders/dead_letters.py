"""Dead letters of unreadable rows and orders: position and digest, never content, as it may be personal. Pure."""

from dataclasses import dataclass

from connector.contracts.codes import Code, explain
from connector.marketplace.orders import UnreadableRow
from streams.dead_letter import CONNECT
from streams.flow import Headers

MOST_DIGESTS = 500
"""How many digests a lane remembers; the oldest are dropped."""

_DIGITS = 16
"""Digits kept of a digest: enough to tell that few apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantined:
    """One thing that cannot be read. ``where`` is its position at the marketplace."""

    code: Code
    account: str
    where: str
    sha256: str  # of the row's or order's canonical JSON; empty where there is nothing to take it of
    fault: str
    order_id: str | None = None

    @property
    def key(self) -> str:
        return self.account if self.order_id is None else self.order_id


def quarantined(code: Code, account: str, unreadable: UnreadableRow) -> Quarantined:
    return Quarantined(
        code=code,
        account=account,
        where=unreadable.where,
        sha256=unreadable.sha256,
        fault=unreadable.fault,
        order_id=unreadable.order_id,
    )


def is_remembered(digests: tuple[str, ...], digest: str) -> bool:
    return digest[:_DIGITS] in digests


def remembered(digests: tuple[str, ...], digest: str) -> tuple[str, ...]:
    return (*digests, digest[:_DIGITS])[-MOST_DIGESTS:]


def headers(row: Quarantined, scheduler: str, instance: str) -> Headers:
    """The headers of every dead letter, without those of an input record, and with position and digest."""
    problem = explain(row.code, account=row.account, order_id=row.order_id, where=row.where, fault=row.fault)
    said = {
        CONNECT + "topic": scheduler,
        CONNECT + "connector.name": "connector",
        CONNECT + "task.id": instance,
        CONNECT + "stage": "VALUE_CONVERTER",
        CONNECT + "class.name": "streams.flow.Flow.turn",
        CONNECT + "exception.class.name": "",
        CONNECT + "exception.message": problem.message,
        "code": row.code.value,
        "attempts": "1",
        "instance": instance,
        "account": row.account,
        "where": row.where,
        "value.sha256": row.sha256,
    }
    return tuple((name, text.encode()) for name, text in said.items())
