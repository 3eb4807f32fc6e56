"""Rules of a flow in which the simulation found errors: the order of events, and trust in accepted values."""

from streams.flow import Lost, Settled
from tests.harness.toy_flow import Device, SetPoint, Setting, Shown, learn, merge


def event(name: str, *, at: int, value: int) -> SetPoint:
    return SetPoint(id=name, order=(at, at), device="heat", value=value)


def body(event: SetPoint) -> Setting:
    return Setting(room="hall", device="heat", value=event.value, order=event.order, event_id=event.id)


def test_no_older_value_is_sent_after_a_lost_answer_and_a_refusal() -> None:
    lost, refused, late = event("lost", at=10, value=1), event("refused", at=20, value=2), event("late", at=5, value=3)
    device, _ = merge(Device(), lost)
    device, _ = learn(device, body(lost), Lost(reason="deadline"))  # but it was accepted
    device, _ = merge(device, refused)
    device, _ = learn(device, body(refused), Settled(answer=Shown(ok=False)))

    device, ended = merge(device, late)

    assert device.wanted is None
    assert ended == [("late", "SUPERSEDED")]


def test_a_value_that_a_lost_owner_may_have_sent_is_overwritten_although_it_equals_the_accepted_one() -> None:
    on = event("on", at=10, value=0)
    known = Device(accepted=1, accepted_order=(1, 1), newest_order=(1, 1))
    device, _ = merge(known, on)  # as restored by the next owner; the previous one's call was accepted
    equal = event("equal", at=20, value=0)
    device, _ = merge(device, equal)
    device, _ = learn(device, body(equal), Settled(answer=Shown(ok=False)))

    device, ended = merge(device, event("back", at=30, value=1))

    assert ended == []
    assert device.wanted is not None


def test_a_refused_event_that_is_read_again_is_sent_again_and_an_accepted_one_is_not() -> None:
    refused, accepted = event("refused", at=10, value=1), event("accepted", at=20, value=2)
    device, _ = merge(Device(), refused)
    device, ended = learn(device, body(refused), Settled(answer=Shown(ok=False)))
    assert ended == [("refused", "REFUSED")]

    device, ended = merge(device, refused)
    assert ended == []
    assert device.wanted == refused

    device, _ = merge(device, accepted)
    device, _ = learn(device, body(accepted), Settled(answer=Shown()))
    device, ended = merge(device, accepted)
    assert ended == [("accepted", "UNCHANGED")]
    assert device.wanted is None
