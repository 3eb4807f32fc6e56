"""A deployment that also checks, after a test that passed, that no account key appears in any output."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType

from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from typer.testing import CliRunner

from connector.cli.exit_codes import FAILED, MISUSED
from connector.cli.main import cli
from devstack.deployment import Deployment
from devstack.processes import DeploymentFailed, ModuleProcess, wait_for
from devstack.stack import Stack
from devstack.waiting import STILL_S, StoodStill, until
from streams.errors import SettingsError, StreamError
from tests.harness.forked_process import ForkedProcess

SET_UP_AT_MOST = 5
"""Times that a command of the set-up is run; each waits half a minute for the broker."""


@dataclass(kw_only=True)
class WatchedDeployment(Deployment[Stack]):
    """A deployment on a real broker, with this check."""

    runs_as: type[ModuleProcess] = ForkedProcess

    def command(self, *arguments: str, code: int = 0, timeout_s: float = STILL_S) -> str:
        """Runs a command in this process: each start of Python takes a second."""
        done = CliRunner().invoke(cli, arguments)
        output, ended, error = done.output, done.exit_code, done.exception
        if isinstance(error, StreamError):  # as connector.cli.main.main reports it
            output, ended = f"{output}{error}\n", MISUSED if isinstance(error, SettingsError) else FAILED
        self.printed += output
        if ended != code:
            raise DeploymentFailed(f"connector {' '.join(arguments)} ended with {ended}: {output}{error!r}")
        return output

    def set_up(self, *arguments: str) -> None:
        """Runs a command that prepares the deployment; asks again if broker or registry were too busy."""
        for _ in range(SET_UP_AT_MOST - 1):
            try:
                super().set_up(*arguments)
            except DeploymentFailed as failed:
                if not any(busy in str(failed) for busy in ("no broker answers", "does not answer")):
                    raise
            else:
                return
        super().set_up(*arguments)

    def in_own_process(self, *arguments: str, code: int = 0) -> str:
        """Runs a command as an operator does."""
        return super().command(*arguments, code=code)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        if error is None:
            assert not (shown := list(self._shows_a_key())), f"a key is shown in {shown}"

    def wait_for_calls(self, more: int) -> None:
        """Waits until the marketplace has received ``more`` further calls, or no call for so long that none is left.

        How many are left depends on the machine: the slower it is, the more events are merged before they are sent.
        """
        aim = self._calls_heard() + more
        with suppress(StoodStill):
            until(
                f"{aim} calls", lambda: self._calls_heard() >= aim, progress=self._calls_heard, still_s=30, every_s=0.02
            )

    def wait_until_obeyed(self, command_id: str) -> None:
        """Waits until each connector that runs has read a command of a person, which it does within milliseconds."""
        connectors = [one for one in self.processes if one is not self.marketplace.process and one.running]
        self.wait_for(
            f"{command_id} to be read by {len(connectors)} processes",
            lambda: all(_has_read(one, command_id) for one in connectors),
        )

    def reset_offsets(self, *, to: int = 0, partition: int | None = None) -> None:
        """Resets the offset of a partition of offer changes, or of all, like ``kafka-consumer-groups --reset-offsets``.

        The broker refuses it while it still counts the last member.
        """
        topic, admin = self.topic("offer-changes"), self.kafka.admin()
        numbers = range(self.partitions) if partition is None else (partition,)
        places = [TopicPartition(topic, number, to) for number in numbers]
        group = ConsumerGroupTopicPartitions(f"{self.prefix}.connector", places)

        def altered() -> bool:
            said = next(iter(admin.alter_consumer_group_offsets([group]).values())).result()
            return all(place.error is None for place in said.topic_partitions)

        wait_for("the offsets to be reset", altered)

    def _calls_heard(self) -> int:
        calls: int = self.marketplace.summary()["calls"]
        return calls

    def _shows_a_key(self) -> Iterator[str]:
        """Yields the outputs that contain a key or a password: logs, output of commands, topics as far as read."""
        kinds = ("client", "secret", "password")
        keys = [file.read_bytes() for kind in kinds for file in self.folder.glob(f"*.{kind}")]
        for name, said in self._outputs():
            if any(key in said for key in keys):
                yield name

    def _outputs(self) -> Iterator[tuple[str, bytes]]:
        yield "the output of a command", self.printed.encode()
        for process in self.processes:
            if process is not self.marketplace.process:  # the simulator's log may contain its generated keys
                yield f"the log of {process.name}", process.log.read_bytes()
        for topic, reader in self.readers.items():
            for record in reader.seen:
                yield topic, b"\n".join((record.key() or b"", record.value() or b"", repr(record.headers()).encode()))


def _has_read(process: ModuleProcess, command_id: str) -> bool:
    return any('"command_read"' in line and command_id in line for line in process.text().splitlines())
