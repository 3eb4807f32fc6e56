"""Holds and releases through the console: each click is a command with the person's name, and nothing else writes."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from connector.configuration import load_settings
from connector.console.console_server import ConsoleServer
from connector.console.projected import ConsoleProjection
from connector.controls.commands import ControlCommand, ControlKind, ControlState
from connector.operations.controls.topic import open_control_topic
from connector.operations.following import turn
from connector.operations.projected import open_followed
from connector.settings.model import Settings
from streams.errors import SettingsError
from tests.harness.console_pages import ReadPage
from tests.harness.pages import ROOT
from tests.harness.projected_topics import ProjectedTopics
from tests.unit.connector.console.test_console import FACTS, ShownFacts
from tests.unit.connector.console.test_projected_pages import HOLD, registry_url, topics

__all__ = ["registry_url", "topics"]  # fixtures
TOKEN = "correct horse battery"


class Desk:
    """A browser's session at a console where people may write."""

    def __init__(self, http: httpx.Client, configured: Settings, folder: Path) -> None:
        self.http = http
        self._configured = configured
        self._folder = folder

    def commands(self) -> list[ControlCommand]:
        with open_control_topic(self._configured) as topic:
            return topic.commands()

    def held(self) -> ReadPage:
        with open_followed(self._configured, self._folder) as projection:
            turn(projection, lambda _: None)
        page = ReadPage(self.http.get("/held").text)
        assert list(page.faults()) == []
        return page

    def sign_in(self, token: str = TOKEN) -> httpx.Response:
        return self.http.post("/sign-in", data={"token": token, "name": "anna"})

    def form(self, action: str) -> dict[str, str]:
        """Returns the hidden values of the first form that does this."""
        form = next(one for one in self.held().all("form") if one.attrib.get("action") == action)
        return {one.attrib["name"]: one.attrib["value"] for one in form.iter("input") if one.attrib["type"] == "hidden"}


def writing_settings(topics: ProjectedTopics, folder: Path, write: str) -> Settings:
    """Returns the settings of a console where people may write in this way."""
    (folder / "token").write_text(f"{TOKEN}\n")
    environ = {name: value for name, value in topics.environ.items() if name.startswith("CONNECTOR__")} | {
        "CONNECTOR__CONSOLE__PROJECTION": str(topics.folder),
        "CONNECTOR__CONSOLE__WRITE": write,
        "CONNECTOR__CONSOLE__TOKEN_FILE": str(folder / "token"),
    }
    return load_settings(ROOT / "config" / "example.toml", environ, datetime.now(UTC)).settings


OpenDesk = Callable[..., Desk]


@pytest.fixture
def desk(topics: ProjectedTopics, tmp_path: Path) -> Iterator[OpenDesk]:
    """Returns a function that opens a console with these settings of [console]."""
    opened: list[ConsoleServer | httpx.Client] = []

    def open_desk(write: str = "token") -> Desk:
        configured = writing_settings(topics, tmp_path, write)
        projection = ConsoleProjection(configured, topics.folder)
        server = ConsoleServer(ShownFacts(FACTS), configured, projection, host="127.0.0.1", port=0)
        http = httpx.Client(base_url=f"http://127.0.0.1:{server.port}", trust_env=False, timeout=60)
        opened.extend((http, server))
        return Desk(http, configured, topics.folder)

    yield open_desk
    for one in opened:
        one.close()


def test_where_writing_is_off_there_is_no_form_and_no_way_to_sign_in(desk: OpenDesk, topics: ProjectedTopics) -> None:
    topics.put(HOLD)
    there = desk("off")

    assert "hold-3f9a1c2e" in there.held().words
    assert there.held().all("button") == []
    assert there.http.get("/sign-in").status_code == 404
    for path in ("/sign-in", "/holds", "/holds/release"):
        assert there.http.post(path, data={"command_id": HOLD.command_id}).status_code == 405
    assert there.commands() == [HOLD]


def test_a_release_is_a_command_with_the_name_of_who_clicked(desk: OpenDesk, topics: ProjectedTopics) -> None:
    topics.put(HOLD)
    there = desk()
    assert there.sign_in().status_code == 303

    answer = there.http.post("/holds/release", data=there.form("/holds/release"))

    assert (answer.status_code, answer.headers["location"]) == (303, "/held?done=hold-3f9a1c2e")
    (command,) = there.commands()
    assert (command.state, command.changed_by) == (ControlState.RELEASED, "anna")
    assert "Written: hold-3f9a1c2e" in ReadPage(there.http.get(answer.headers["location"]).text).words
    assert "No hold, pause or stop is in force." in there.held().words


def test_a_hold_is_given_with_its_scope_reason_and_end(desk: OpenDesk) -> None:
    there = desk()
    there.sign_in()
    asked = {"brand": "Globex", "field": "price", "reason": "wrong list", "lasting": "4h", "target": "", "ean": ""}

    answer = there.http.post("/holds", data={**there.form("/holds"), **asked})

    assert answer.status_code == 303
    (command,) = there.commands()
    assert (command.kind, command.issued_by, command.reason) == (ControlKind.HOLD, "anna", "wrong list")
    assert (dict(command.scope.attributes), command.scope.fields) == ({"brand": "Globex"}, ("price",))
    assert command.expires_at_us == command.issued_at_us + 4 * 3_600_000_000
    assert f"{command.command_id} holds price of brand=Globex: wrong list (anna)" in there.held().words


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"brand": "Globex"}, "a reason is needed"),
        ({"reason": "why"}, "at least one restriction"),
        ({"reason": "why", "ean": "4006381333932"}, "is not valid"),
        ({"reason": "why", "target": "shop-none"}, "the target is not configured"),
        ({"reason": "why", "field": "colour"}, "no such field"),
        ({"reason": "why", "brand": "Globex", "lasting": "2h"}, "no such time"),
        ({"reason": "\x1b[31m", "brand": "Globex"}, "cannot be printed"),
        ({"reason": "w" * 201, "brand": "Globex"}, "longer than 200"),
    ],
)
def test_a_form_that_says_nothing_that_can_be_held_is_not_accepted(
    desk: OpenDesk, given: dict[str, str], said: str
) -> None:
    there = desk()
    there.sign_in()

    answer = there.http.post("/holds", data={**there.form("/holds"), **given})

    assert answer.status_code == 400
    assert said in ReadPage(answer.text).words
    assert there.commands() == []


@contextmanager
def changes_nothing(there: Desk) -> Iterator[None]:
    before = there.commands()
    yield
    assert there.commands() == before


def test_a_request_without_a_session_or_from_another_site_changes_nothing(
    desk: OpenDesk, topics: ProjectedTopics
) -> None:
    topics.put(HOLD)
    there = desk()
    with changes_nothing(there):
        assert there.http.post("/holds/release", data={"command_id": HOLD.command_id}).status_code == 403
        assert there.sign_in("guess").status_code == 401
        assert there.http.post("/holds/release", data={"command_id": HOLD.command_id}).status_code == 403
        there.sign_in()
        form = there.form("/holds/release")
        assert there.http.post("/holds/release", data={"command_id": HOLD.command_id}).status_code == 403
        for headers in ({"origin": "http://evil.example"}, {"sec-fetch-site": "cross-site"}):
            assert there.http.post("/holds/release", data=form, headers=headers).status_code == 403
        assert there.http.post("/holds/release", content=b"x=" + b"a" * 9_000).status_code == 413
        assert there.http.get("/holds/release", params=form).status_code == 404


def test_who_signs_out_is_nobody(desk: OpenDesk, topics: ProjectedTopics) -> None:
    topics.put(HOLD)
    there = desk()
    there.sign_in()
    form = there.form("/holds/release")
    assert there.http.post("/sign-out", data=there.form("/sign-out")).status_code == 303

    with changes_nothing(there):
        assert there.http.post("/holds/release", data=form).status_code == 403
    assert "Sign in to hold and release." in there.held().words


def test_the_session_is_kept_from_scripts_and_other_sites(desk: OpenDesk) -> None:
    cookie = desk().sign_in().headers["set-cookie"].lower()

    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert TOKEN not in cookie
    assert "secure" not in cookie


def test_behind_tls_the_session_is_kept_from_plain_http_and_other_sites_sign_nobody_in(desk: OpenDesk) -> None:
    there, form = desk(), {"token": TOKEN, "name": "anna"}
    host = there.http.base_url.netloc.decode()

    given = there.http.post("/sign-in", data=form, headers={"origin": f"https://{host}"})
    assert "secure" in given.headers["set-cookie"].lower()
    assert there.http.post("/sign-in", data=form, headers={"origin": "https://evil.example"}).status_code == 403


def test_a_proxy_names_the_person(desk: OpenDesk, topics: ProjectedTopics) -> None:
    topics.put(HOLD)
    there = desk("proxy")
    assert there.held().all("button") == []
    there.http.headers["x-forwarded-user"] = "anna@example"

    assert there.http.post("/holds/release", data=there.form("/holds/release")).status_code == 303
    assert [one.changed_by for one in there.commands()] == ["anna@example"]
    assert there.http.get("/sign-in").status_code == 200
    assert there.sign_in().status_code == 404


def test_writing_needs_a_projection_and_a_token_that_is_long_enough(tmp_path: Path) -> None:
    (tmp_path / "short").write_text("short")
    environ = {"CONNECTOR__CONSOLE__WRITE": "token", "CONNECTOR__CONSOLE__TOKEN_FILE": str(tmp_path / "short")}

    with pytest.raises(SettingsError) as raised:
        load_settings(ROOT / "config" / "example.toml", environ, datetime.now(UTC))

    assert "console.projection: is missing" in str(raised.value)
    assert "console.token_file: has fewer than 16 characters" in str(raised.value)
