"""``connector dlq``: dead letters."""

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Annotated

import typer

from connector import connections
from connector.cli.moments import moment_us
from connector.cli.options import AsJson, ConfigFile, finish, loaded, output
from connector.contracts.codes import Code
from connector.operations.dlq import contents, letters, listing, redriving, selection, showing
from connector.operations.json_output import show_json
from connector.operations.progress import counted
from connector.settings import convert
from connector.settings.model import Settings
from streams.clock import SystemClock
from streams.errors import SettingsError

dlq_cli = typer.Typer(
    help="Dead letters: records that could not be read, in the topics INPUT.dlq. Nothing is deleted from them.",
    no_args_is_help=True,
)

Codes = Annotated[list[str] | None, typer.Option("--code", help="Only dead letters with this code; repeatable.")]
Inputs = Annotated[list[str] | None, typer.Option("--topic", help="Only dead letters of this input topic; repeatable.")]
Since = Annotated[
    str | None,
    typer.Option("--since", help="Only those dead-lettered since then: 2h (ago), or a UTC time."),
]
Until = Annotated[str | None, typer.Option("--until", help="Only those dead-lettered before then; as --since.")]
Limit = Annotated[int, typer.Option(min=0, help="How many dead letters to show. All are counted.")]
SHOWN = 20  # dead letters in a table
WHERE = "Place of a dead letter as `connector dlq list` prints it: TOPIC/PARTITION/OFFSET."


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chosen:
    """What the options select: the dead-letter topics to read, and which letters of them."""

    topics: list[str]
    taken: selection.LetterFilter


@dlq_cli.command("list")
def list_letters(
    config_file: ConfigFile = None,
    code: Codes = None,
    topic: Inputs = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = SHOWN,
    as_json: AsJson = False,
) -> None:
    """Count the dead letters by input topic and code, and list the newest.

    Exit code: 0 if the topics were read, whether or not there are dead letters; 1 if they cannot be read; 2 if the
    command line or the configuration must be changed.

    Example: connector dlq list --code SCHEMA_UNKNOWN --since 2h
    """
    settings, now_us = loaded(config_file).settings, SystemClock().now().wall_us
    chosen = _chosen(settings, now_us, code, topic, since, until)
    found = counted(letters.letters_in(settings, chosen.topics), "dead letters read")
    summary = listing.summarize(found, chosen.taken, limit)
    avro_keys = convert.avro_keys(settings)
    if as_json:
        show_json(output(), listing.as_json(summary, avro_keys=avro_keys))
    else:
        listing.show(output(), summary, now_us=now_us, avro_keys=avro_keys)


@dlq_cli.command("show")
def show_letter(
    where: Annotated[str, typer.Argument(help=WHERE)],
    config_file: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Show one dead letter: the reason, the original position, headers and key, and the value as far as it decodes.

    The value is printed as its producer wrote it, with any personal data in it. Also says whether the connector could
    read the record now.

    Exit code: 0 if it was shown; 1 if there is none at this place or the topic cannot be read; 2 if the command line or
    the configuration must be changed.

    Example: connector dlq show kaufland.offer-changes.v1.dlq/0/17
    """
    settings, now_us = loaded(config_file).settings, SystemClock().now().wall_us
    letter = letters.letter_at(settings, _dead_letters(settings), where)
    content = readability = None
    if letter.has_record or letter.value is not None:
        with contents.letter_reader(settings) as reader:
            content = None if letter.value is None else reader.content(letter.value)
            readability = reader.now(letter) if letter.has_record else None
    avro_keys = convert.avro_keys(settings)
    if as_json:
        show_json(output(), showing.as_json(letter, content, readability, avro_keys=avro_keys))
    else:
        showing.show(output(), letter, content, readability, now_us=now_us, avro_keys=avro_keys)


@dlq_cli.command("redrive")
def redrive_letters(
    where: Annotated[str | None, typer.Argument(help=f"{WHERE} Without it, options select.")] = None,
    config_file: ConfigFile = None,
    code: Codes = None,
    topic: Inputs = None,
    since: Since = None,
    until: Until = None,
    every: Annotated[bool, typer.Option("--all", help="All dead letters; needed where no option selects.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write nothing; say what would be done.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write the records of dead letters to their input topics again, once the cause is removed.

    Key, value, headers and timestamp are those of the original record, so the event ids are kept: what was processed
    meanwhile is not done again. The dead letters stay. What still cannot be read becomes a dead letter again, with one
    attempt more, and that one stands for it in later redrives. --dry-run also says which records can be read now.

    Exit code: 0 if all selected were redriven, or if there are none; 1 if one could not be, or on a failure; 2 if the
    command line or the configuration must be changed.

    Example: connector dlq redrive --code SCHEMA_UNKNOWN --since 2h --dry-run
    """
    settings, now_us = loaded(config_file).settings, SystemClock().now().wall_us
    selects = any((code, topic, since, until))
    if (where is not None) + selects + every != 1:
        raise SettingsError(
            "select what to redrive: one dead letter by its place, or several by --code, --topic, --since and --until, "
            "or all with --all"
        )
    if where is None:
        chosen = _chosen(settings, now_us, code, topic, since, until)
        found = counted(letters.letters_in(settings, chosen.topics), "dead letters read")
        plan = selection.plan(found, chosen.taken)
    else:
        plan = selection.plan([letters.letter_at(settings, _dead_letters(settings), where)], selection.LetterFilter())
    report = _redrive(settings, plan, dry_run=dry_run, show_at_most=None if as_json else SHOWN)
    if as_json:
        show_json(output(), redriving.as_json(report))
    else:
        redriving.show(output(), report)
    finish(good=report.good)


def _redrive(
    settings: Settings, plan: selection.RedrivePlan, *, dry_run: bool, show_at_most: int | None
) -> redriving.RedriveReport:
    inputs, avro_keys = _dead_letters(settings), convert.avro_keys(settings)
    partitions = redriving.partitions_of(inputs, connections.administration(settings).describe(list(inputs)))
    found = letters.letters_at(settings, frozenset(plan.chosen))
    if dry_run:
        with contents.letter_reader(settings) as reader:
            read = counted(found, "dead letters examined")
            return redriving.rehearse(
                plan, read, partitions, reader.now, show_at_most=show_at_most, avro_keys=avro_keys
            )
    with connections.record_writer(settings) as out:
        written = counted(found, "dead letters redriven")
        return redriving.write(plan, written, partitions, out, show_at_most=show_at_most, avro_keys=avro_keys)


def _chosen(
    settings: Settings,
    now_us: int,
    codes: list[str] | None,
    inputs: list[str] | None,
    since: str | None,
    until: str | None,
) -> _Chosen:
    """Returns what the options select. Raises SettingsError for one that cannot be met."""
    for code in codes or ():
        if code not in Code.__members__:
            near = get_close_matches(code, Code.__members__, n=1)
            hint = f"did you mean {near[0]}?" if near else "docs/codes.md lists them"
            raise SettingsError(f"--code {code}: there is no such code; {hint}")
    return _Chosen(
        topics=letters.chosen_topics(_dead_letters(settings), inputs or ()),
        taken=selection.LetterFilter(
            codes=frozenset(codes or ()),
            inputs=frozenset(inputs or ()),
            since_us=moment_us("--since", since, now_us),
            until_us=moment_us("--until", until, now_us),
        ),
    )


def _dead_letters(settings: Settings) -> Mapping[str, str]:
    return convert.topics(settings).dead_letters
