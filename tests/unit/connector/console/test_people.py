"""Who may write, and which forms are the console's own."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.console.people import LASTS_S, PeopleOfProxy, PeopleWithToken, is_own_form
from tests.harness.effort import examples

TOKEN = "correct horse battery"
HOST = {"host": "127.0.0.1:8082"}


class SetClock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


def signed_in(people: PeopleWithToken, name: str = "anna") -> dict[str, str]:
    session = people.session(TOKEN, name)
    assert session is not None
    return {people.cookie: session}


def test_who_knows_the_token_is_known_by_the_name_given_until_the_session_ends() -> None:
    clock = SetClock()
    people = PeopleWithToken(TOKEN, clock)
    cookies = signed_in(people, " Änne O'Neill ")

    person = people.person({}, cookies)

    assert person is not None
    assert person.name == "Änne O'Neill"
    clock.now_s += LASTS_S + 1
    assert people.person({}, cookies) is None


@pytest.mark.parametrize(("token", "name"), [("", "anna"), (TOKEN + "x", "anna"), (TOKEN, ""), (TOKEN, "a\x1b[0m")])
def test_nobody_signs_in_with_a_wrong_token_or_a_name_that_cannot_be_printed(token: str, name: str) -> None:
    assert PeopleWithToken(TOKEN, SetClock()).session(token, name) is None


def test_after_ten_wrong_tokens_within_a_minute_nobody_signs_in_for_the_rest_of_it() -> None:
    clock = SetClock()
    people = PeopleWithToken(TOKEN, clock)
    assert [people.session("guess", "eve") for _ in range(10)] == [None] * 10

    assert people.session(TOKEN, "anna") is None
    clock.now_s += 60.0
    assert people.session(TOKEN, "anna") is not None


@settings(max_examples=examples(100))
@given(st.text(max_size=60), st.integers(0, 80))
def test_a_changed_session_is_nobodys(text: str, at: int) -> None:
    people = PeopleWithToken(TOKEN, SetClock())
    session = signed_in(people)[people.cookie]
    changed = session[:at] + text + session[at + 1 :]

    assert (people.person({}, {people.cookie: changed}) is None) == (changed != session)


def test_the_session_of_another_process_is_nobodys_and_leaves_the_own_one_alone() -> None:
    first, second = PeopleWithToken(TOKEN, SetClock()), PeopleWithToken(TOKEN, SetClock())
    (session,) = signed_in(first).values()

    assert second.person({}, {second.cookie: session}) is None
    kept = {**signed_in(first), **signed_in(second)}  # as a browser keeps them for one host, whatever the port
    assert first.person({}, kept) is not None
    assert second.person({}, kept) is not None


def test_the_proxy_names_the_person() -> None:
    people = PeopleOfProxy("X-Forwarded-User")

    person = people.person({"x-forwarded-user": "anna@example"}, {})

    assert person is not None
    assert (person.name, person.by_proxy) == ("anna@example", True)
    assert people.person({}, {}) is None
    assert people.person({"x-forwarded-user": "a" * 81}, {}) is None


def test_a_form_of_another_site_person_or_process_is_not_our_own() -> None:
    people = PeopleOfProxy("x-user")
    anna, eve = people.person({"x-user": "anna"}, {}), people.person({"x-user": "eve"}, {})
    other = PeopleOfProxy("x-user").person({"x-user": "anna"}, {})
    assert anna is not None
    assert eve is not None
    assert other is not None

    assert is_own_form(anna, anna.form_token, {**HOST, "origin": "http://127.0.0.1:8082"})
    assert is_own_form(anna, anna.form_token, {**HOST, "sec-fetch-site": "same-origin"})
    assert not is_own_form(anna, eve.form_token, HOST)
    assert not is_own_form(anna, other.form_token, HOST)
    assert not is_own_form(anna, "", HOST)
    assert not is_own_form(anna, "ä", HOST)
    assert not is_own_form(anna, anna.form_token, {**HOST, "origin": "http://evil.example"})
    assert not is_own_form(anna, anna.form_token, {**HOST, "origin": "null"})
    assert not is_own_form(anna, anna.form_token, {**HOST, "sec-fetch-site": "cross-site"})
