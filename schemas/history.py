"""Detects edits of released files: compares each with its digest in ``released.json``. Pure."""

from collections.abc import Mapping
from hashlib import sha256


def digest(content: bytes) -> str:
    """Returns the SHA-256 of a file's bytes, in hex."""
    return sha256(content).hexdigest()


def problems(released: Mapping[str, str], present: Mapping[str, bytes]) -> list[str]:
    """Returns one message per file that was changed or removed after its release, or is not released yet."""
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
