"""Text for a cell of a CSV file that people open in a spreadsheet. Pure."""

from typing import Final

from connector.operations.dlq.texts import printable

_FORMULA: Final = ("=", "+", "-", "@")
"""What a spreadsheet takes for the beginning of a formula. Tabs and line ends, which may hide one, are escaped."""


def cell(text: str | None) -> str:
    """Returns the text of a cell; an apostrophe before it keeps a spreadsheet from taking it for a formula."""
    shown = printable(text or "")
    return f"'{shown}" if shown.lstrip().startswith(_FORMULA) else shown
