"""Prints the answer of a resend: what each value was, is and should be, and what was done about it."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from connector.contracts.codes import Code
from connector.marketplace.offers import Field
from connector.operations.resend.answering import ResendAnswer, ResendRequest

_GOOD: Final = frozenset({"APPLIED", "UNCHANGED"})
_OUTCOMES: Final[Mapping[str, str]] = {
    "APPLIED": "sent and accepted",
    "UNCHANGED": "as wanted",
    "DRY_RUN": "differs; nothing was sent",
    "SUPERSEDED": "a newer event takes its place",
    "HELD": "held",
}
_NO_ANSWER: Final = (
    "Nothing has been begun by now will be. Check that a process runs and owns the EAN's partition (/readyz, "
    "connector hold list), that the EAN has had events, and that the clocks of both machines agree."
)


def is_as_wanted(answer: ResendAnswer) -> bool:
    """Whether every value is as the accepted events want it, or was mended."""
    return answer.is_complete and all(
        row["fields"] and field["status"] in _GOOD for row in answer.rows for field in row["fields"] or [{}]
    )


def show(console: Console, request: ResendRequest, answer: ResendAnswer) -> None:
    """Prints the values of each unit, then advice, then a sentence about the whole."""
    values = [(row, field) for row in answer.rows for field in row["fields"]]
    if values:
        table = Table("target", "unit", "field", "was", "wanted", "is", "outcome", "call")
        for row, field in values:
            table.add_row(*_cells(row, field))
        console.print(table)
    for line in dict.fromkeys(_advice(answer)):
        _print(console, line)
    _print(console, _verdict(request, answer, len(values)))


def document(answer: ResendAnswer) -> dict[str, Any]:
    """Returns what ``--json`` prints; amounts are strings, and ``is`` is null where it is not known."""
    return {
        "command_id": answer.command.command_id,
        "as_wanted": is_as_wanted(answer),
        "complete": answer.is_complete,
        "results": [_row_document(row) for row in answer.rows],
    }


def _row_document(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **{name: row[name] for name in ("result_id", "event_id", "status", "code", "target_id", "unit_id")},
        "call_ids": _calls(row),
        "message": row["problem"]["message"] if row["problem"] else None,
        "advice": row["problem"]["advice"] if row["problem"] else None,
        "fields": [
            {
                "field": field["field"],
                "status": field["status"],
                "code": field["code"],
                "was": _amount(field, field["before"]),
                "wanted": _amount(field, field["requested"]),
                "is": _amount(field, _present(field)),
                "currency": field["currency"],
            }
            for field in row["fields"]
        ],
    }


def _cells(row: Mapping[str, Any], field: Mapping[str, Any]) -> Iterator[str]:
    yield row["target_id"] or ""
    yield str(row["unit_id"] or "")
    yield field["field"].replace("_", " ")
    for value in (field["before"], field["requested"], _present(field)):
        yield _amount(field, value) or "-"
    yield _outcome(field)
    yield ", ".join(_calls(row)) if field["status"] == "APPLIED" else ""


def _outcome(field: Mapping[str, Any]) -> str:
    if field["code"] == Code.STOCK_NOT_RAISED:
        return "lower than wanted; not raised"
    words = _OUTCOMES.get(field["status"], field["status"].lower().replace("_", " "))
    return f"{words} ({field['code']})" if field["code"] and field["status"] not in ("DRY_RUN", "HELD") else words


def _present(field: Mapping[str, Any]) -> Decimal | None:
    """Returns what the marketplace holds now, as far as the result says so."""
    if field["status"] == "SUPERSEDED":
        return None
    if field.get("accepted") is not None:  # may differ from what was sent
        return Decimal(field["accepted"])
    value: Decimal | None = field["sent"] if field["status"] == "APPLIED" else field["before"]
    return value


def _amount(field: Mapping[str, Any], value: Decimal | None) -> str | None:
    """Formats a value: a price with at least two decimals, everything else as a whole number."""
    if value is None:
        return None
    if field["field"] != Field.PRICE:
        return f"{value:.0f}"
    return f"{value:.2f}" if value == round(value, 2) else f"{value.normalize():f}"


def _calls(row: Mapping[str, Any]) -> list[str]:
    sent = row["sent"]
    return [*(row["lookup_call_ids"] or ()), *(sent["call_ids"] if sent else ())]


def _advice(answer: ResendAnswer) -> Iterator[str]:
    """Yields why values are not as wanted, and what to do."""
    for row in answer.rows:
        if row["problem"] is not None:
            yield f"{row['problem']['message']}. {row['problem']['advice']}"
        for field in row["fields"]:
            if field["code"] == Code.STOCK_NOT_RAISED and row["problem"] is None:
                yield (
                    f"The marketplace shows {_amount(field, field['before'])} pieces, fewer than the event wants: "
                    f"sales lower it. `connector resend {row['ean']} --field stock` raises it."
                )


def _verdict(request: ResendRequest, answer: ResendAnswer, count: int) -> str:
    name = answer.command.command_id
    if not answer.rows:
        return f"{name}: no answer within {request.wait_s:g} s, so it was withdrawn. {_NO_ANSWER}"
    if not answer.is_complete:
        expected = answer.rows[0]["command_results"]
        return f"{name}: {len(answer.rows)} of {expected} results came within {request.wait_s:g} s; the others follow."
    if is_as_wanted(answer):
        return f"{name}: EAN {request.ean} is as its accepted events want it ({count} values compared)."
    return f"{name}: EAN {request.ean} is not as its accepted events want it."


def _print(console: Console, line: str) -> None:
    console.print(line, markup=False, highlight=False, soft_wrap=True)
