"""One Kafka and registry for all processes of a test run, started when the first test asks for it.

pytest-xdist's controller owns the stack, because it outlives the processes that run tests. They ask for it with a file
in a folder that both know, and read its addresses, or the reason why there is none, from another.
"""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from devstack import stack
from devstack.jvm_stack import StackUnavailable
from devstack.waiting import until

_ASKED = "asked"
_ANSWER = "answer.json"
_POLL_S = 0.1


@dataclass(slots=True)
class SharedKafka:
    """The controller's side: starts the stack when a file in ``folder`` asks for it, and stops it in ``close``."""

    folder: Path
    say: Callable[[str], None]
    _over: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        # The broker ends with the thread that starts it (JvmProcess.start), so this thread waits until the run is over.
        self._thread = threading.Thread(target=self._serve, name="shared-kafka")
        self._thread.start()

    def close(self) -> None:
        """Stops the stack, if it was started, and waits for its end."""
        self._over.set()
        self._thread.join()

    def _serve(self) -> None:
        while not (self.folder / _ASKED).exists():
            if self._over.wait(_POLL_S):
                return
        try:
            with stack.find(self.say) as found:
                self._answer({"bootstrap_servers": found.bootstrap_servers, "registry_url": found.registry_url})
                self._over.wait()
        except (stack.NoKafka, StackUnavailable) as error:
            self._answer({"error": str(error)})

    def _answer(self, answer: dict[str, str]) -> None:
        unfinished = self.folder / "answer.unfinished"
        unfinished.write_text(json.dumps(answer))
        unfinished.rename(self.folder / _ANSWER)


def ask(folder: Path) -> stack.Stack:
    """Returns the stack that the controller of ``folder`` runs. Raises NoKafka with its reason if it cannot."""
    (folder / _ASKED).touch()
    answered = folder / _ANSWER
    until("the test run's Kafka", answered.exists, every_s=_POLL_S)
    answer = json.loads(answered.read_text())
    if "error" in answer:
        raise stack.NoKafka(answer["error"])
    return stack.Stack(origin="shared by this test run", **answer)
