"""A published file is never edited: ``released.json`` keeps the digest of each, and this compares. Pure."""

from collections.abc import Mapping
from hashlib import sha256


def digest(content: bytes) -> str:
    """SHA-256 of a file's bytes, in hex."""
    return sha256(content).hexdigest()


def problems(released: Mapping[str, str], present: Mapping[str, bytes]) -> list[str]:
    """What is wrong, one sentence a file; empty = every released file is as it was, and none is unreleased."""
    return [
        *(f"{file}: released, and gone" for file in sorted(released.keys() - present.keys())),
        *(
            f"{file}: not in released.json; `python -m schemas release` publishes it"
            for file in sorted(present.keys() - released.keys())
        ),
        *(
            f"{file}: released, and edited since; write a new version instead"
            for file in sorted(released.keys() & present.keys())
            if digest(present[file]) != released[file]
        ),
    ]
