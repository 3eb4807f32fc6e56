"""A code with its problem: why an event or one of its fields does not succeed. Pure."""

from dataclasses import dataclass

from connector.contracts.codes import Code, explain, known
from connector.contracts.problem import Problem, ProblemError
from connector.marketplace.offers import Refused
from streams.frozen import replace


@dataclass(frozen=True, slots=True)
class Refusal:
    """A code, with the problem that explains it and quotes the offending values."""

    code: Code
    problem: Problem


def refuse(code: Code, **values: object) -> Refusal:
    """Returns the refusal for a code; ``values`` fill the placeholders of its text."""
    return Refusal(code, explain(code, **values))


def refused_by_marketplace(refused: Refused, otherwise: Code, **values: str) -> Refusal:
    """Returns a refusal by the marketplace, with its own message.

    The code is the one that the adapter gave, if the table of codes has it and it says more than that the marketplace
    refused; or else ``otherwise``.
    """
    code = otherwise if refused.code == Code.MARKETPLACE_REFUSED else known(refused.code, otherwise)
    problem = replace(
        explain(code, **values, message=refused.message),
        http_status=refused.http_status,
        type=refused.type,
        marketplace_message=refused.message,
        errors=tuple(ProblemError(field=error.name, message=error.message) for error in refused.errors),
    )
    return Refusal(code, problem)
