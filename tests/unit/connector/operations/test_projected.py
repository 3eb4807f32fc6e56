"""Where the projection of a command is kept."""

from pathlib import Path

import pytest

from connector.operations.projected import default_directory, file_in
from streams.errors import SettingsError


def test_the_default_is_in_the_users_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "home", lambda: Path("/home/anna"))

    assert default_directory({}) == Path("/home/anna/.cache/kaufland-connector")
    assert default_directory({"XDG_CACHE_HOME": "/cache"}) == Path("/cache/kaufland-connector")


def test_a_user_without_a_home_is_told_what_to_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", no_home)

    with pytest.raises(SettingsError, match="--projection DIR"):
        default_directory({})


def test_projections_of_other_topics_have_other_files() -> None:
    one, two = (file_in(Path("/cache"), of) for of in ("broker\ntopic", "broker\nother"))

    assert one != two
    assert one.parent == two.parent
