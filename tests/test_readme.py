"""What the README shows is what happens."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PROGRESS = ("events sent", "results read", "orders settled")


def shown_output() -> list[str]:
    """The README's block that begins with the demo's first line."""
    blocks = re.findall(r"```text\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), flags=re.DOTALL)
    demo = [block for block in blocks if block.startswith("broker ")]
    assert len(demo) == 1, "README shows the demo's output once"
    return normalised(demo[0])


def normalised(text: str) -> list[str]:
    """Without progress, and with every figure, address and example offer made alike."""
    lines = []
    for line in text.splitlines():
        if not line.strip() or line.startswith(PROGRESS) or line.strip() == "...":
            continue
        alike = re.sub(r"\border M\w{6}:", "order ID:", line)
        alike = re.sub(r"\d[\d,.]*", "N", alike)
        alike = re.sub(r"\b(NEW|USED_GOOD)\b", "CONDITION", alike)
        alike = re.sub(r"shop-(de|at)\b", "TARGET", alike)
        alike = re.sub(r"storefront (de|at)\b", "storefront S", alike)
        alike = re.sub(r"waiting: .*", "waiting: VALUES", alike)
        lines.append(re.sub(r" +", " ", alike))
    return lines


@pytest.mark.slow
def test_the_readme_shows_what_the_demo_prints_and_the_demo_adds_up() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "connector", "demo", "--events", "6000"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert normalised(done.stdout) == shown_output()
    assert any(line.startswith(PROGRESS) for line in done.stdout.splitlines()), "no progress was shown"


def test_the_readme_names_the_two_commands_on_its_first_screen() -> None:
    first_screen = (ROOT / "README.md").read_text("utf-8").splitlines()[:25]

    for command in ("make demo", "make test"):
        assert any(command in line for line in first_screen)
        assert command.removeprefix("make ") + ":" in (ROOT / "Makefile").read_text("utf-8")
