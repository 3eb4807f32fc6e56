"""Everything that names the version names the same one, and the change log has it."""

import json
import re
from datetime import date

import yaml
from packaging.version import Version

from tests.harness.pages import ROOT
from tests.test_dependencies import PROJECT

VERSION = Version(PROJECT["version"])
HEADS = re.findall(r"^## \[([^\]]+)\](?: - (\S+))?$", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)


def test_the_change_log_begins_with_what_is_not_released_and_has_the_releases_newest_first() -> None:
    [(first, _), (newest, day), *_] = HEADS
    releases = [Version(name) for name, _ in HEADS[1:]]

    assert first == "Unreleased"
    assert releases == sorted(releases, reverse=True)
    assert str(date.fromisoformat(day)) == day
    assert VERSION.is_devrelease or Version(newest) == VERSION, "the version is a release that the change log has"
    assert Version(newest) <= VERSION


def test_chart_image_sbom_and_manifests_have_the_version() -> None:
    chart = yaml.safe_load((ROOT / "deploy" / "chart" / "Chart.yaml").read_text("utf-8"))
    label = re.search(r'image\.version="([^"]+)"', (ROOT / "Dockerfile").read_text("utf-8"))
    sbom = json.loads((ROOT / "deploy" / "image" / "sbom.cdx.json").read_text("utf-8"))
    manifests = "".join(file.read_text("utf-8") for file in (ROOT / "deploy" / "manifests").glob("*.yaml"))
    written = {chart["appVersion"], label and label[1], sbom["metadata"]["component"]["version"]}

    assert written == {PROJECT["version"]}
    assert set(re.findall(r"app\.kubernetes\.io/version: \"([^\"]+)\"", manifests)) == {PROJECT["version"]}
    assert set(re.findall(r"kaufland-stream-connector:(\d[^\"]+)\"", manifests)) == {PROJECT["version"]}
