"""Answers the requests that write: sign in and out, hold, release."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

import structlog
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from connector.console import writing
from connector.console.html import address
from connector.console.people import (
    LASTS_S,
    ConsoleUser,
    People,
    PeopleOfProxy,
    PeopleWithToken,
    is_own_form,
    is_own_site,
)
from connector.controls.commands import ControlCommand
from connector.settings.load import console_token
from connector.settings.model import Settings
from streams.clock import uptime_s

_log = structlog.get_logger("connector")

_LONGEST_FORM = 8_192
"""Bytes of a form."""


class RequestRefused(Exception):
    """A request that is not carried out; ``status`` is that of the answer."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """A form that was sent, and who sent it."""

    person: ConsoleUser | None
    values: Mapping[str, str]
    headers: Mapping[str, str]


class WriteRequests:
    """Carries out what forms ask for. Raises RequestRefused, NotAccepted and StreamError."""

    def __init__(self, configured: Settings) -> None:
        """Raises SettingsError if the token cannot be read."""
        console = configured.console
        self._configured = configured
        self.people: People | None = None
        if console.write == "token":
            self.people = PeopleWithToken(console_token(console), uptime_s)
        elif console.write == "proxy":
            self.people = PeopleOfProxy(console.user_header)

    def person(self, request: Request) -> ConsoleUser | None:
        """Returns who makes a request; None if nobody is signed in, or nobody can be."""
        return None if self.people is None else self.people.person(request.headers, request.cookies)

    async def form(self, request: Request) -> Form:
        """Reads a form. Raises RequestRefused if it is too long."""
        body = b""
        async for part in request.stream():
            body += part
            if len(body) > _LONGEST_FORM:
                raise RequestRefused(413, "The form is too long.")
        values = dict(parse_qsl(body.decode(errors="replace"), keep_blank_values=True, max_num_fields=20))
        return Form(person=self.person(request), values=values, headers=request.headers)

    def sign_in(self, form: Form) -> Response:
        """Signs somebody in. Raises RequestRefused."""
        if not isinstance(self.people, PeopleWithToken):
            raise RequestRefused(404, "Nobody can sign in here.")
        if not is_own_site(form.headers):
            raise RequestRefused(403, "The form was sent by another site.")
        session = self.people.session(form.values.get("token", ""), form.values.get("name", ""))
        if session is None:
            _log.warning("somebody could not sign in to the console")
            raise RequestRefused(401, "The token or the name is not valid. After too many attempts, wait a minute.")
        answer = RedirectResponse(address("held"), 303)
        by_tls = form.headers.get("origin", "").startswith("https:")  # a proxy ends TLS; the browser knows
        answer.set_cookie(
            self.people.cookie, session, max_age=LASTS_S, httponly=True, samesite="strict", path="/", secure=by_tls
        )
        return answer

    def sign_out(self, form: Form) -> Response:
        """Signs somebody out."""
        self._known(form)
        answer = RedirectResponse(address("held"), 303)
        if isinstance(self.people, PeopleWithToken):
            answer.delete_cookie(self.people.cookie, httponly=True, samesite="strict", path="/")
        return answer

    def hold(self, form: Form) -> Response:
        """Gives a hold."""
        person = self._known(form)
        return _done(writing.hold(self._configured, person, writing.new_hold(self._configured, form.values)), person)

    def release(self, form: Form) -> Response:
        """Releases a hold or pause."""
        person = self._known(form)
        return _done(writing.release(self._configured, person, form.values.get("command_id", "")), person)

    def _known(self, form: Form) -> ConsoleUser:
        """Returns who sent a form that is the console's own. Raises RequestRefused."""
        if form.person is None:
            raise RequestRefused(403, "Sign in first.")
        if not is_own_form(form.person, form.values.get("form_token", ""), form.headers):
            raise RequestRefused(403, "The form is not of this console, or older than it: open the page again.")
        return form.person


def _done(command: ControlCommand, person: ConsoleUser) -> Response:
    _log.info(
        "a command was given in the console", command=command.command_id, state=command.state.value, by=person.name
    )
    return RedirectResponse(address("held", done=command.command_id), 303)
