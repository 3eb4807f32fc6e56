"""Dead letters of rows and orders that cannot be read. Pure.

They have position and digest, never the content, which may include personal data.
"""

from dataclasses import dataclass

from connector.contracts.codes import Code, explain
from connector.marketplace.orders import UnreadableRow
from streams.dead_letter import CONNECT
from streams.flow import Headers

MOST_DIGESTS = 500
"""How many digests of dead letters a lane remembers; the oldest are dropped."""

_DIGITS = 16
"""Hexadecimal digits kept of a digest, enough to distinguish that few."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantined:
    """A row or an order that cannot be read. ``where`` is its position at the marketplace, such as a path."""

    code: Code
    account: str
    where: str
    sha256: str  # of the row's or order's canonical JSON; empty if there is no content
    fault: str
    order_id: str | None = None

    @property
    def key(self) -> str:
        """The key of the dead letter: the order id, or else the account."""
        return self.account if self.order_id is None else self.order_id


def quarantined(code: Code, account: str, unreadable: UnreadableRow) -> Quarantined:
    """Returns the dead letter of a row that the adapter could not read."""
    return Quarantined(
        code=code,
        account=account,
        where=unreadable.where,
        sha256=unreadable.sha256,
        fault=unreadable.fault,
        order_id=unreadable.order_id,
    )


def is_remembered(digests: tuple[str, ...], digest: str) -> bool:
    """Whether a dead letter with this digest was written before."""
    return digest[:_DIGITS] in digests


def remembered(digests: tuple[str, ...], digest: str) -> tuple[str, ...]:
    """Returns the remembered digests with a further one."""
    return (*digests, digest[:_DIGITS])[-MOST_DIGESTS:]


def headers(row: Quarantined, scheduler: str, instance: str) -> Headers:
    """Returns the headers of the dead letter.

    They are those of every dead letter, without the ones that refer to an input record, and with position and digest.
    ``scheduler`` is the scheduler topic, ``instance`` the process.
    """
    problem = explain(row.code, account=row.account, order_id=row.order_id, where=row.where, fault=row.fault)
    fields = {
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
    return tuple((name, text.encode()) for name, text in fields.items())
