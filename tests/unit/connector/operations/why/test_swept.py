"""The advice about what a sweep saw and what a replay does, from records."""

from typing import Any

import pytest

from connector.controls.commands import ControlCommand, ControlKind, ControlState
from connector.offers.events import Basis, DriftAction, DriftCause, OfferResult, Origin
from connector.operations.why.advice import NOTHING, advice
from connector.operations.why.timeline import OfferTimeline, timeline
from connector.projection.ean_history import EanHistory
from connector.replays.progress import ReplayProgress, ReplayState
from tests.harness.offer_rows import BASE_US, EAN, MINUTE_US, drifted, fact, field_result, result, sent, state, swept

NOW_US = BASE_US + 1_000 * MINUTE_US
APPLIED: OfferResult = result(
    22, "APPLIED", field_result("price", "APPLIED", "17.99", sent="17.99"), sent=sent(BASE_US, "c-1")
)


def known(
    at_us: int | None = None, *, price: str = "15.00", basis: Basis = Basis.OBSERVED, **more: Any
) -> OfferTimeline:
    fields = [fact("price", price, offset=22, at_us=BASE_US + 90 * MINUTE_US, basis=basis)]
    given = {"results": (APPLIED,), "states": (state(fields),), "shown": (swept(),), **more}
    return timeline(EanHistory(ean=EAN, **given), {("demo", "de"): "shop-de"}, NOW_US, at_us, None)


@pytest.mark.parametrize(
    ("cause", "says"),
    [
        (
            DriftCause.LOST_WRITE,
            f"the accepted write was lost. To send the accepted value again: connector resend {EAN}",
        ),
        (DriftCause.EDITED_OUTSIDE, f"edited outside. To send the accepted value again: connector resend {EAN}"),
        (DriftCause.UNKNOWN, f"the cause is not known. To send the accepted value again: connector resend {EAN}"),
        (DriftCause.SOLD, "pieces were sold, by known orders. The next event sends its own value"),
        (DriftCause.LINKED_UNIT, f"a linked unit has moved it. To mend both: connector resend {EAN}"),
    ],
)
def test_the_advice_about_a_drift_depends_on_its_cause(cause: DriftCause, says: str) -> None:
    assert advice(known(drifts=(drifted(swept(), "17.99", cause=cause),))).endswith(says)


def test_a_repair_that_is_under_way_is_all_that_is_to_be_done() -> None:
    drift = drifted(swept(), "17.99", action=DriftAction.REPAIRED, result_id="r-9")

    assert advice(known(drifts=(drift,))).endswith("The accepted value is sent again, as result r-9")


def test_an_older_drift_does_not_explain_another_value() -> None:
    assert "changed outside. The next event" in advice(known(price="14.00", drifts=(drifted(swept(), "17.99"),)))


def test_a_drift_that_is_over_needs_nothing() -> None:
    found = known(price="17.99", basis=Basis.ACCEPTED, drifts=(drifted(swept(), "17.99"),))

    assert (advice(found), len(found.drifts)) == (NOTHING, 1)


def test_the_newest_drift_of_a_field_comes_first_and_later_ones_are_left_out_of_an_earlier_time() -> None:
    first, second = drifted(swept(90), "17.99"), drifted(swept(95), "15.00")
    drifts = (first, second, first)

    assert known(drifts=drifts).drifts == (second, first)
    assert known(BASE_US + 92 * MINUTE_US, drifts=drifts).drifts == (first,)
    assert known(BASE_US + 92 * MINUTE_US).shown == ()


def test_what_other_targets_have_is_left_out() -> None:
    elsewhere = swept(storefront="at")
    history = EanHistory(ean=EAN, shown=(swept(), elsewhere), drifts=(drifted(elsewhere, "1"),))

    found = timeline(history, {("demo", "de"): "shop-de", ("demo", "at"): "shop-at"}, NOW_US, None, "shop-de")

    assert (found.shown, found.drifts) == ((swept(),), ())


@pytest.mark.parametrize(("state_of", "is_said"), [(ReplayState.RUNNING, True), (ReplayState.DONE, False)])
def test_a_replay_that_still_reads_is_named(state_of: ReplayState, is_said: bool) -> None:
    command = ControlCommand(
        command_id="replay-1", kind=ControlKind.REPLAY, state=ControlState.IN_FORCE, issued_by="anna", issued_at_us=0
    )
    again = result(22, "UNCHANGED", origin=Origin.REPLAY, command_id="replay-1", decided_at_us=NOW_US)
    other = ReplayProgress(
        replay_id="replay-1",
        input_topic="input",
        partition=3,
        start=0,
        end=9,
        position=9,
        delivered=1,
        state=state_of,
        reported_at_us=2,
    )

    found = known(
        price="17.99",
        basis=Basis.ACCEPTED,
        results=(APPLIED, again, result(23, "UNCHANGED", origin=Origin.LIVE)),
        commands=(command,),
        replays=(other,),
    )

    [replay] = found.replays
    assert (replay.command, replay.result_ids, replay.progress) == (command, (again.result_id,), (other,))
    assert ("connector replay status replay-1" in advice(found)) is is_said


# ---- an event of which a part did not succeed -----------------------------------------------------------------------


def test_an_event_of_which_a_field_was_replaced_has_not_failed() -> None:
    fields = (field_result("price", "SUPERSEDED", "18"), field_result("stock", "APPLIED", "5", sent="5"))

    found = known(price="17.99", basis=Basis.ACCEPTED, results=(APPLIED, result(23, "PARTIAL", *fields)))

    assert advice(found) == NOTHING


def test_an_event_of_which_a_field_was_rejected_has() -> None:
    fields = (field_result("price", "REJECTED", "0"), field_result("stock", "APPLIED", "5", sent="5"))
    refused = result(23, "PARTIAL", *fields, code="PRICE_NOT_POSITIVE")

    found = known(price="17.99", basis=Basis.ACCEPTED, results=(APPLIED, refused))

    assert advice(found) == "The newest event ended as PARTIAL; docs/codes.md explains PRICE_NOT_POSITIVE"
