"""A shipment status, with its code and the text that explains it. Pure."""

from dataclasses import dataclass

from connector.contracts.codes import Code, explain
from connector.contracts.problem import Problem
from connector.shipments.events import ShipmentStatus


@dataclass(frozen=True, slots=True)
class CodedStatus:
    """How an order unit ends, and why."""

    status: ShipmentStatus
    code: Code
    problem: Problem


def coded(status: ShipmentStatus, code: Code, /, **values: object) -> CodedStatus:
    """Returns a status with a code; ``values`` fill the placeholders of the code's text."""
    return CodedStatus(status, code, explain(code, **values))


def rejected(code: Code, /, **values: object) -> CodedStatus:
    """Returns REJECTED with a code, as ``coded`` does."""
    return coded(ShipmentStatus.REJECTED, code, **values)
