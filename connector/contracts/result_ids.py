"""Computes the ids of results. Pure."""

from hashlib import sha1
from typing import Final

_RESULT_NAMESPACE: Final = bytes.fromhex("031b6c4affa855cc822586d82c93cdc2")
"""UUIDv5 of ``kaufland-stream-connector/result`` in the URL namespace (RFC 9562); never to be changed."""


def result_id(cluster_id: str, topic: str, partition: int, offset: int, part: int | None = None) -> str:
    """Returns the UUIDv5 (RFC 9562) of an input position: the same whenever and wherever the record is processed.

    ``part`` distinguishes several results of one record, such as those of order units.
    """
    return _id_of(f"{cluster_id}/{topic}/{partition}/{offset}{'' if part is None else f'/{part}'}")


def result_id_of_command(input_result_id: str, command_id: str, unit: str) -> str:
    """Returns the id of what a command does with an accepted event on one unit: the same whenever it is carried out.

    ``input_result_id``: of the event's own processing. ``unit``: account and unit id.
    """
    return _id_of(f"{input_result_id}/{command_id}/{unit}")


def _id_of(name: str) -> str:
    digest = bytearray(sha1(_RESULT_NAMESPACE + name.encode(), usedforsecurity=False).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x50
    digest[8] = digest[8] & 0x3F | 0x80
    text = digest.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
