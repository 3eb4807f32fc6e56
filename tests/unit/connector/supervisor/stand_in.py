"""A stand-in for ``connector run``: serves health pages on the socket of its parent, and ends as a test says.

Arguments: a folder, in which ``<number>.exit`` holds an exit code to end with at once and ``<number>.stuck`` makes it
answer that it is not live; ``<number>.early`` keeps it from handling signals, as a process that is loading its code;
then the parent's option.
"""

import json
import os
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from connector.supervisor.member import Member


def main(folder: Path, member: Member) -> None:
    script = folder / f"{member.number}.exit"
    if script.exists():
        sys.exit(int(script.read_text()))
    if (folder / f"{member.number}.early").exists():
        (folder / f"{member.number}.begun").touch()
        signal.pause()
    over = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: over.set())
    member.when_parent_ends(over.set)

    class Pages(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            stuck = self.path == "/livez" and (folder / f"{member.number}.stuck").exists()
            self.send_response(503 if stuck else 200)
            self.end_headers()
            reasons = [f"{os.environ['NAME']} waits"] if (folder / f"{member.number}.unready").exists() else []
            page = {"reasons": reasons, "warnings": [f"pid {os.getpid()}"]}
            self.wfile.write(b"calls 1\n" if self.path == "/metrics" else json.dumps(page).encode())

        def log_message(self, *_: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Pages, bind_and_activate=False)
    server.socket = member.listening()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    over.wait()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Member.of(sys.argv[3]))
