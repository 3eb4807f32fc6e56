"""What ``connector why`` says and advises about a change that is held."""

from decimal import Decimal
from io import StringIO

import pytest
from rich.console import Console

from connector.controls.commands import ControlCommand, ControlKind, ControlState
from connector.offers.events import Announced, HeldField, Undone, UndoneField
from connector.operations.why.advice import advice
from connector.operations.why.showing import show
from connector.operations.why.timeline import OfferTimeline, timeline
from connector.projection.ean_history import EanHistory
from tests.harness.offer_rows import BASE_US, EAN, MINUTE_US, field_result, problem, result, state

HOLD = ControlCommand(
    command_id="hold-1", kind=ControlKind.HOLD, state=ControlState.IN_FORCE, issued_by="anna", issued_at_us=BASE_US
)
MESSAGE = "25.00 EUR is 66.7 % away from 15.00"


def held(held_by: str) -> OfferTimeline:
    row = result(
        1, "HELD", field_result("price", "HELD", "25.00"), held_by=held_by, problem=problem(MESSAGE, "A new event.")
    )
    undone = Undone(
        result_id=row.result_id,
        event_id="1",
        target_id="shop-de",
        condition="NEW",
        input_offset=1,
        occurred_at_us=BASE_US,
        received_at_us=row.received_at_us,
        since_us=row.received_at_us,
        times_seen=1,
        fields=(UndoneField(field="price", value=Decimal(25), currency="EUR"),),
        announced=Announced.HELD,
        held=(HeldField(field="price", held_by=held_by),),
        held_by=held_by,
    )
    history = EanHistory(ean=EAN, results=(row,), states=(state((), undone=(undone,)),), commands=(HOLD,))
    return timeline(history, {("demo", "de"): "shop-de"}, BASE_US + 60 * MINUTE_US, None, None)


def printed(found: OfferTimeline) -> str:
    text = StringIO()
    show(Console(file=text, width=200), found)
    return text.getvalue()


@pytest.mark.parametrize(
    ("held_by", "line", "says"),
    [
        (
            "price_step",
            f"held by the guard rail price_step\n      {MESSAGE}\n",
            f"To send the newest values: connector guard release --rail price_step --ean {EAN} --reason WHY; "
            f"to discard them: connector guard drop --rail price_step --ean {EAN} --reason WHY",
        ),
        (
            "override",
            f"held by an override, in the file of mappings.overrides_file\n      {MESSAGE}\n",
            "To send the newest value: correct the file of mappings.overrides_file",
        ),
        (
            "hold-1",
            "held by hold-1 (anna, since ",
            "connector hold release hold-1; to discard them: connector hold drop",
        ),
        ("hold-2", "held by hold-2 (its record is gone)", "connector hold release hold-2"),
    ],
)
def test_what_holds_is_named_with_the_command_that_ends_it(held_by: str, line: str, says: str) -> None:
    found = held(held_by)

    assert line in printed(found)
    assert says in advice(found)


@pytest.mark.parametrize("written", ["4.00638E+12", "6381333931"])
def test_what_is_no_ean_is_said_to_be_none(written: str) -> None:
    found = timeline(EanHistory(ean=written), {}, BASE_US, None, None)

    assert f"It is no EAN: '{written}' has " in advice(found)
