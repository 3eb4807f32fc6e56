"""``connector resend``: compares one EAN with the marketplace now, and mends what differs."""

from contextlib import ExitStack
from typing import Annotated

import typer

from connector.cli.controls import By, authoring, known_names
from connector.cli.options import AsJson, ConfigFile, finish, loaded, output
from connector.marketplace.offers import Field
from connector.offers.gtin import GtinError, normal_form
from connector.operations.json_output import show_json
from connector.operations.resend import showing
from connector.operations.resend.answering import ResendRequest, resend
from connector.operations.resend.result_tail import open_results
from connector.settings.duration import seconds
from streams.errors import SettingsError


def resend_values(
    ean: Annotated[str, typer.Argument(help="The EAN, in any form.")],
    config_file: ConfigFile = None,
    target: Annotated[list[str] | None, typer.Option("--target", help="Only this target id; repeatable.")] = None,
    field: Annotated[
        list[Field] | None,
        typer.Option("--field", help="Only this field; repeatable. Stock is raised only if it is named."),
    ] = None,
    verify: Annotated[bool, typer.Option("--verify", help="Only compare; send nothing.")] = False,
    wait: Annotated[str, typer.Option("--wait", help="How long to wait for the answer, such as 30s or 2m.")] = "60s",
    reason: Annotated[str, typer.Option("--reason", help="Why; the topic of controls keeps it.")] = "",
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Compare what accepted events want with what the marketplace shows now, and send again what differs.

    The process that owns the EAN looks the offer up, whatever it believes to know, and sends the values that differ:
    newer events win, and holds, pauses and stopped writes apply. A stock that is lower than wanted is raised only if
    the field is named, because sales lower it. A command that gets no answer in time is withdrawn.

    Exit code: 0 if every value is as wanted or was mended; 1 if one is not, or no answer came in time; 2 if the command
    line or the configuration must be changed.

    Example: connector resend 4006381333931 --target shop-de --verify
    """
    settings = loaded(config_file).settings
    request = ResendRequest(
        ean=_normal(ean),
        target_ids=known_names(settings, "target", target),
        fields=tuple(dict.fromkeys(one.value for one in field or ())),
        is_comparison=verify,
        reason=reason,
        wait_s=_duration_s(wait),
    )
    with ExitStack() as opened:
        results = open_results(settings, request.ean, opened)
        answer = resend(opened.enter_context(authoring(settings, by)), results, request)
    if as_json:
        show_json(output(), showing.document(answer))
    else:
        showing.show(output(), request, answer)
    finish(good=showing.is_as_wanted(answer))


def _normal(ean: str) -> str:
    """Returns an EAN in its normal form. Raises SettingsError if it is not valid."""
    try:
        return normal_form(ean)
    except GtinError as error:
        raise SettingsError(f"{ean}: {error}") from error


def _duration_s(wait: str) -> float:
    """Returns how long to wait in seconds. Raises SettingsError if that is no duration, or shorter than a second."""
    try:
        for_s = seconds(wait)
    except ValueError as error:
        raise SettingsError(f"--wait: {error}") from error
    if not 1 <= for_s < float("inf"):
        raise SettingsError("--wait: expected at least 1s")
    return for_s
