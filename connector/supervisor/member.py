"""What the parent hands to one of its processes, and what that process does with it."""

import os
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A process that was started by a parent.

    ``health``: file descriptor of the socket on which to serve the health pages. ``parent``: file descriptor of a pipe
    that is closed when the parent ends, however it ends.
    """

    number: int  # from 1
    health: int
    parent: int

    @property
    def arguments(self) -> tuple[str, ...]:
        """The value of ``connector run``'s hidden option that makes a process this member."""
        return ("--member", f"{self.number}:{self.health}:{self.parent}")

    @classmethod
    def of(cls, text: str) -> "Member":
        """Parses the option's value. Raises ValueError."""
        number, health, parent = text.split(":")
        return cls(number=int(number), health=int(health), parent=int(parent))

    def listening(self) -> socket.socket:
        """Returns the socket for the health pages."""
        return socket.socket(fileno=self.health)

    def when_parent_ends(self, stop: Callable[[], None]) -> None:
        """Calls ``stop`` when the parent has ended, in a thread."""

        def wait() -> None:
            while os.read(self.parent, 1):
                pass  # the parent writes nothing
            stop()

        threading.Thread(target=wait, name="parent", daemon=True).start()
