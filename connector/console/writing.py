"""What people can change through the console: they add and release holds. Each click is a command with their name."""

from collections.abc import Mapping
from dataclasses import dataclass
from secrets import token_hex
from typing import Final

from connector.console.html import Child, Html, copied, element, joined, link
from connector.console.people import ConsoleUser
from connector.controls.commands import CommandScope, ControlCommand, ControlKind, ControlState
from connector.offers.gtin import GtinError, normal_form
from connector.operations.controls.giving import CommandAuthor
from connector.operations.controls.showing import covered
from connector.operations.controls.topic import ControlTopic, open_control_topic
from connector.settings.model import Settings
from streams.clock import SystemClock

FIELDS: Final = ("price", "stock", "handling_time")
_LASTING: Final[Mapping[str, tuple[str, float | None]]] = {
    "": ("until it is released", None),
    "1h": ("1 hour", 3_600.0),
    "4h": ("4 hours", 4 * 3_600.0),
    "1d": ("1 day", 86_400.0),
}
_LONGEST: Final = 200


class NotAccepted(Exception):
    """A form that says nothing that can be done; the text says what to change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewHold:
    """What a form asks to hold."""

    scope: CommandScope
    reason: str
    for_s: float | None


def release(configured: Settings, person: ConsoleUser, command_id: str) -> ControlCommand:
    """Releases a hold or pause in the name of a person. Raises StreamError."""
    with open_control_topic(configured) as topic:
        author = _author(topic, person)
        return author.end(author.find(command_id), ControlState.RELEASED)


def hold(configured: Settings, person: ConsoleUser, wanted: NewHold) -> ControlCommand:
    """Gives a hold in the name of a person. Raises StreamError."""
    with open_control_topic(configured) as topic:
        return _author(topic, person).give(ControlKind.HOLD, wanted.scope, reason=wanted.reason, for_s=wanted.for_s)


def new_hold(configured: Settings, form: Mapping[str, str]) -> NewHold:
    """Reads the form of a new hold. Raises NotAccepted."""
    given = {name: form.get(name, "").strip() for name in ("target", "brand", "ean", "field", "reason", "lasting")}
    if any(len(text) > _LONGEST or not text.isprintable() for text in given.values()):
        raise NotAccepted(f"a value is longer than {_LONGEST} characters, or has characters that cannot be printed")
    if given["target"] and given["target"] not in configured.targets:
        raise NotAccepted("the target is not configured")
    if given["field"] and given["field"] not in FIELDS:
        raise NotAccepted("there is no such field")
    if given["lasting"] not in _LASTING:
        raise NotAccepted("there is no such time that a hold can last")
    if not given["reason"]:
        raise NotAccepted("a reason is needed: results repeat it")
    scope = CommandScope(
        target_ids=_one(given["target"]),
        eans=_one(_normal(given["ean"])),
        attributes={"brand": given["brand"]} if given["brand"] else {},
        fields=_one(given["field"]),
    )
    if scope == CommandScope():
        raise NotAccepted("a hold needs at least one restriction: a target, a brand, an EAN or a field")
    return NewHold(scope=scope, reason=given["reason"], for_s=_LASTING[given["lasting"]][1])


def hold_form(configured: Settings, person: ConsoleUser) -> Html:
    """Returns the form of a new hold."""
    targets = [("", "every target"), *((name, name) for name in sorted(configured.targets))]
    fields = [("", "every field"), *((name, name.replace("_", " ")) for name in FIELDS)]
    lasting = [(value, text) for value, (text, _) in _LASTING.items()]
    return element(
        "form",
        _selected("target", "Target", targets),
        _typed("brand", "Brand"),
        _typed("ean", "EAN"),
        _selected("field", "Field", fields),
        _typed("reason", "Reason", required=True),
        _selected("lasting", "How long", lasting),
        form_token(person),
        element("button", "Hold", type="submit"),
        method="post",
        action="/holds",
    )


def release_list(commands: list[ControlCommand], person: ConsoleUser) -> Html:
    """Returns each hold and pause in force, with a button that releases it."""
    return element("ul", joined(element("li", _release(one, person)) for one in commands), class_="lines")


def sign_in_form(problem: str | None = None) -> Html:
    """Returns the form with which people sign in."""
    token = element("input", type="password", id="token", name="token", required=True, autocomplete="current-password")
    name = element("input", type="text", id="name", name="name", required=True, maxlength=80, autocomplete="username")
    return element(
        "form",
        element("p", problem, class_="warn", role="alert") if problem else None,
        element("div", element("label", "Your name, for the commands that you give", for_="name"), name),
        element("div", element("label", "Token of [console] token_file", for_="token"), token),
        element("button", "Sign in", type="submit"),
        method="post",
        action="/sign-in",
    )


def signed_in(person: ConsoleUser) -> Html:
    """Returns who is signed in, with a button to sign out."""
    told = element("span", "Signed in as ", element("b", person.name), " ")
    if person.by_proxy:
        return element("p", told)
    button = element("button", "Sign out", type="submit")
    return element("form", told, form_token(person), button, method="post", action="/sign-out")


def sign_in_link() -> Html:
    """Returns the way to sign in."""
    return element("p", link("Sign in", "sign-in"), " to hold and release.")


def form_token(person: ConsoleUser) -> Html:
    """Returns the field that proves that a form is the console's."""
    return element("input", type="hidden", name="form_token", value=person.form_token)


def _author(topic: ControlTopic, person: ConsoleUser) -> CommandAuthor:
    now_us = SystemClock().now().wall_us
    return CommandAuthor(topic, by=person.name, now_us=now_us, new_id=lambda: token_hex(4))


def _release(command: ControlCommand, person: ConsoleUser) -> Child:
    if command.kind is ControlKind.STOP_WRITES:
        return joined((copied(command.command_id), " stops writes; connector writes resume ends it."))
    return element(
        "form",
        element(
            "span", copied(command.command_id), f" holds {covered(command)}: {command.reason} ({command.issued_by}) "
        ),
        element("input", type="hidden", name="command_id", value=command.command_id),
        form_token(person),
        element("button", f"Release {command.command_id}", type="submit"),
        method="post",
        action="/holds/release",
    )


def _typed(name: str, label: str, *, required: bool = False) -> Html:
    field = element("input", type="text", id=name, name=name, maxlength=_LONGEST, required=required, autocomplete="off")
    return element("div", element("label", label, for_=name), field)


def _selected(name: str, label: str, options: list[tuple[str, str]]) -> Html:
    choices = joined(element("option", text, value=value) for value, text in options)
    return element("div", element("label", label, for_=name), element("select", choices, id=name, name=name))


def _one(text: str) -> tuple[str, ...]:
    return (text,) if text else ()


def _normal(ean: str) -> str:
    if not ean:
        return ""
    try:
        return normal_form(ean)
    except GtinError as error:
        raise NotAccepted(f"the EAN {ean} is not valid: {error}") from error
