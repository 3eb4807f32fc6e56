"""Keys: read, read again when they change, checked with notices, and never shown."""

import pickle
import traceback
from pathlib import Path

import pytest

from connector.kaufland.http.credentials import Credentials, Secret
from streams.errors import SettingsError

CLIENT = "c" * 32
SECRET = "canary5ecret" + "a" * 52


def files(folder: Path, client: str = CLIENT, secret: str = SECRET) -> Credentials:
    (folder / "client").write_text(client)
    (folder / "secret").write_text(secret)
    return Credentials.from_files(folder / "client", folder / "secret")


def test_keys_of_the_usual_length_raise_no_notice(tmp_path: Path) -> None:
    credentials = files(tmp_path)

    assert credentials.notices == ()
    assert credentials.current.secret_key.reveal() == SECRET


def test_another_length_is_a_notice_and_no_refusal(tmp_path: Path) -> None:
    notices = files(tmp_path, client="c" * 31, secret="s" * 63).notices

    assert notices == ("client key has 31 characters, usual are 32", "secret key has 63 characters, usual are 64")


def test_a_trailing_newline_is_trimmed_with_a_notice(tmp_path: Path) -> None:
    credentials = files(tmp_path, secret=SECRET + "\n")

    assert credentials.current.secret_key.reveal() == SECRET
    assert credentials.notices == ("secret key: white space around it was trimmed",)


@pytest.mark.parametrize("bad", ["", " \n", "schlüssel", "two words", "a\tb", "a\nb", "a\x00b"])
def test_a_key_that_cannot_be_one_is_refused_without_being_shown(tmp_path: Path, bad: str) -> None:
    with pytest.raises(SettingsError) as refused:
        files(tmp_path, secret=bad)

    assert "secret key" in str(refused.value)
    assert not bad.strip() or bad not in str(refused.value)


def test_every_fault_is_in_one_message(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"client: No such file or directory; .*secret: No such file"):
        Credentials.from_files(tmp_path / "client", tmp_path / "secret")


def test_new_keys_are_taken_and_unchanged_ones_are_not_news(tmp_path: Path) -> None:
    credentials = files(tmp_path)
    before = credentials.current

    assert not credentials.reload()
    (tmp_path / "secret").write_text("n" * 64)

    assert credentials.reload()
    assert credentials.current.secret_key.reveal() == "n" * 64
    assert credentials.current.fingerprint() != before.fingerprint()


@pytest.mark.parametrize("content", [None, "", "schlüssel"])
def test_a_bad_new_file_is_refused_and_the_old_keys_stay(tmp_path: Path, content: str | None) -> None:
    credentials = files(tmp_path)
    secret = tmp_path / "secret"

    secret.unlink()
    if content is not None:
        secret.write_text(content)

    assert not credentials.reload()
    assert credentials.current.secret_key.reveal() == SECRET
    assert "the old ones stay" in credentials.notices[0]


def test_a_secret_shows_itself_in_no_form_of_output() -> None:
    credentials = Credentials.of(CLIENT, SECRET)
    secret = credentials.current.secret_key

    crash = "".join(traceback.format_exception(ValueError(secret, credentials)))
    shown = f"{secret} {secret!r} {secret:>9} {credentials!r} {credentials.current!r} {[secret]} %s {crash}" % secret

    assert "canary" not in shown
    assert CLIENT not in shown
    with pytest.raises(TypeError, match="not serialised"):
        pickle.dumps(secret)


def test_a_fingerprint_tells_keys_apart_and_gives_none_away() -> None:
    assert Secret("a").fingerprint() != Secret("b").fingerprint()
    assert len(Secret("a").fingerprint()) == 8
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert len({Secret("a"), Secret("a")}) == 1
