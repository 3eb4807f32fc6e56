"""Licences that a dependency may have, and how its metadata names them."""

import re
from collections.abc import Mapping
from importlib.metadata import Distribution
from typing import Final

ALLOWED: Final = frozenset(
    {"0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MPL-2.0", "PSF-2.0", "Unlicense"}
)
"""SPDX ids: permissive licences, and MPL-2.0, which asks for the source of its own files, passed on unchanged."""

_OTHER_NAMES: Final[Mapping[str, str]] = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache 2.0": "Apache-2.0",
    "ISC License": "ISC",
    "License :: OSI Approved :: Apache Software License": "Apache-2.0",
    "License :: OSI Approved :: BSD License": "BSD-3-Clause",
    "License :: OSI Approved :: MIT License": "MIT",
    "License :: OSI Approved :: Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "MIT License": "MIT",
    "The MIT License (MIT)": "MIT",
}


def spdx_ids(text: str) -> set[str]:
    """Returns the SPDX ids of an expression, a classifier or a short name; of an expression with OR, all of them."""
    known = _OTHER_NAMES.get(text, text)
    return {known} if " :: " in known else set(re.findall(r"[\w.+-]+", re.sub(r"\b(AND|OR|WITH)\b", " ", known)))


def licences_of(distribution: Distribution) -> set[str]:
    """Returns the SPDX ids that a distribution declares: its expression, else its licence, else its classifiers.

    One that declares none is known by the title of its licence file.
    """
    metadata = distribution.metadata
    named = metadata.get_all("License-Expression") or metadata.get_all("License") or []
    if not any(named):
        named = [text for text in metadata.get_all("Classifier") or [] if text.startswith("License ::")]
    if not named:
        files = (distribution.read_text(f"licenses/{name}") for name in metadata.get_all("License-File") or [])
        named = [text.splitlines()[0] for text in files if text and text.splitlines()[0] in _OTHER_NAMES]
    return {id_ for text in named for id_ in spdx_ids(text)}
