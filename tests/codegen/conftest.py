"""Tools that turn schemas into code; where a machine has not one of them, the run says so."""

import shutil
from typing import Final

MAVEN: Final = shutil.which("mvn")
NPM: Final = shutil.which("npm")

collect_ignore_glob = [*([] if MAVEN else ["test_java.py"]), *([] if NPM else ["test_typescript.py"])]


def pytest_report_header() -> str:
    java = MAVEN or "no mvn on this machine, so its test is left out (Debian: apt-get install maven)"
    typescript = NPM or "no npm on this machine, so its test is left out (Debian: apt-get install npm)"
    return f"code generation: Java: {java}; TypeScript: {typescript}"
