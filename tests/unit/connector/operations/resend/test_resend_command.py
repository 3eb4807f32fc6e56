"""``connector resend``: it gives a command, waits for its results, ends it, and says in words what was done."""

import io
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest
from rich.console import Console

from connector.contracts.codes import Code, explain
from connector.controls.commands import ControlCommand
from connector.operations.controls.giving import CommandAuthor
from connector.operations.resend import showing
from connector.operations.resend.answering import ResendAnswer, ResendRequest, resend
from tests.harness.shown_commands import output_of

EAN = "4006381333931"
NAME = "resend-3f9a1c2e"


@dataclass
class CommandsInMemory:
    """A ``CommandTopic`` in memory."""

    written: list[ControlCommand] = field(default_factory=list)

    def commands(self) -> list[ControlCommand]:
        return self.written

    def write(self, command: ControlCommand) -> None:
        self.written.append(command)


@dataclass
class ResultsInTurn:
    """ResultsInTurn that come one poll after another; each poll takes a second."""

    polls: list[list[dict[str, Any]]]
    now_s: float = 0.0

    def poll(self, timeout_s: float) -> Iterable[dict[str, Any]]:
        self.now_s += 1.0
        return self.polls.pop(0) if self.polls else []


def asked(results: ResultsInTurn, **more: Any) -> tuple[ResendAnswer, CommandsInMemory, ResendRequest]:
    """Runs the command; returns its answer, and what it has written."""
    topic, request = CommandsInMemory(), ResendRequest(ean=EAN, **more)
    author = CommandAuthor(topic, by="anna", now_us=1_760_000_000_000_000, new_id=lambda: "3f9a1c2e")
    return resend(author, results, request, clock=lambda: results.now_s), topic, request


def field_row(name: str, status: str, **more: Any) -> dict[str, Any]:
    blank = dict.fromkeys(("requested", "before", "sent", "currency", "code", "superseded_by"))
    return {**blank, "field": name, "status": status, **more}


def row(*fields: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "result_id": "r1",
        "event_id": "price-17",
        "command_id": NAME,
        "command_results": 1,
        "status": "APPLIED",
        "code": None,
        "ean": EAN,
        "target_id": "shop-de",
        "unit_id": 314,
        "problem": None,
        "lookup_call_ids": ["c-7"],
        "sent": {"call_ids": ["c-8"]},
        "fields": list(fields),
        **more,
    }


PRICE = field_row("price", "APPLIED", before=Decimal("14.0000"), requested=Decimal("12.5000"), sent=Decimal("12.5000"))
STOCK = field_row("stock", "UNCHANGED", before=Decimal("5.0000"), requested=Decimal("5.0000"))
LOWER = field_row(
    "stock", "SUPPRESSED", before=Decimal("3.0000"), requested=Decimal("5.0000"), code=Code.STOCK_NOT_RAISED
)


def printed(request: ResendRequest, answer: ResendAnswer) -> str:
    out = io.StringIO()
    showing.show(Console(file=out, width=200), request, answer)
    return out.getvalue()


def test_it_waits_for_every_result_of_the_command_and_for_no_other() -> None:
    other = row(PRICE, command_id="resend-00000000")
    first, second = row(PRICE, command_results=2), row(STOCK, command_results=2, result_id="r2")
    results = ResultsInTurn([[other], [], [first], [second], [row(PRICE)]])

    answer, topic, _ = asked(results)

    assert (answer.rows, answer.is_complete, results.now_s) == ((first, second), True, 4.0)
    assert [command.state.value for command in topic.written] == ["IN_FORCE", "RELEASED"]


def test_a_result_that_is_announced_and_then_final_counts_once() -> None:
    announced = row(field_row("price", "HELD"), command_results=2)
    final, second = row(PRICE, command_results=2), row(STOCK, command_results=2, result_id="r2")

    answer, _, _ = asked(ResultsInTurn([[announced, final], [second]]))

    assert answer.rows == (final, second)


def test_without_an_answer_in_time_the_command_is_withdrawn() -> None:
    answer, topic, request = asked(ResultsInTurn([]), wait_s=5.0)

    assert not answer.is_complete
    assert not showing.is_as_wanted(answer)
    assert topic.written[-1].state == "RELEASED"
    assert topic.written[0].expires_at_us == topic.written[0].issued_at_us + 5_000_000
    assert "no answer within 5 s, so it was withdrawn" in printed(request, answer)


def test_an_interrupted_command_is_withdrawn() -> None:
    class Interrupted(ResultsInTurn):
        def poll(self, timeout_s: float) -> Iterable[dict[str, Any]]:
            raise KeyboardInterrupt

    topic = CommandsInMemory()
    author = CommandAuthor(topic, by="anna", now_us=0, new_id=lambda: "3f9a1c2e")
    with pytest.raises(KeyboardInterrupt):
        resend(author, Interrupted([]), ResendRequest(ean=EAN))

    assert topic.written[-1].state == "RELEASED"


def test_a_comparison_is_a_command_of_its_own_kind() -> None:
    _, topic, _ = asked(ResultsInTurn([[row(STOCK)]]), is_comparison=True, fields=("price",), target_ids=("shop-de",))

    assert {command.kind for command in topic.written} == {"VERIFY"}
    assert topic.written[0].scope.fields == ("price",)
    assert topic.written[0].scope.target_ids == ("shop-de",)


@pytest.mark.parametrize(
    ("fields", "good"),
    [
        ((PRICE, STOCK), True),
        ((PRICE, LOWER), False),
        ((field_row("price", "DRY_RUN", code=Code.DIFFERS),), False),
        ((field_row("price", "SUPERSEDED"),), False),
        ((field_row("price", "HELD"),), False),
        ((), False),
    ],
)
def test_only_what_is_as_wanted_or_was_mended_is_good(fields: tuple[dict[str, Any], ...], good: bool) -> None:
    answer, _, _ = asked(ResultsInTurn([[row(*fields)]]))

    assert showing.is_as_wanted(answer) is good
    assert showing.document(answer)["as_wanted"] is good


def test_the_document_names_what_was_is_and_was_wanted() -> None:
    answer, _, _ = asked(ResultsInTurn([[row(PRICE, LOWER)]]))

    [shown] = showing.document(answer)["results"]
    assert shown["call_ids"] == ["c-7", "c-8"]
    assert [(one["was"], one["wanted"], one["is"]) for one in shown["fields"]] == [
        ("14.00", "12.50", "12.50"),
        ("3", "5", "3"),
    ]


def test_what_is_there_now_is_what_the_answer_to_the_update_showed() -> None:
    other = field_row(
        "price", "REJECTED", before=Decimal(14), requested=Decimal("12.50"), sent=Decimal("12.50"),
        accepted=Decimal("13.00"), code=Code.ACCEPTED_NOT_APPLIED,
    )  # fmt: skip
    answer, _, _ = asked(ResultsInTurn([[row(other, status="REJECTED")]]))

    [shown] = showing.document(answer)["results"]
    assert [(one["was"], one["is"]) for one in shown["fields"]] == [("14.00", "13.00")]


def test_a_result_without_values_says_why() -> None:
    problem = explain(Code.NOTHING_ACCEPTED, ean=EAN, command_id=NAME)
    refused = row(
        status="REJECTED", code="NOTHING_ACCEPTED", problem={"message": problem.message, "advice": problem.advice}
    )
    answer, _, request = asked(ResultsInTurn([[refused]]))

    assert printed(request, answer).startswith("There is nothing to compare for EAN 4006381333931")


def test_the_chapter_shows_what_the_command_prints() -> None:
    answer, _, request = asked(ResultsInTurn([[row(PRICE, LOWER)]]))
    shown = output_of("resend 4006381333931")

    assert [line.rstrip() for line in printed(request, answer).splitlines()] == shown.splitlines()
