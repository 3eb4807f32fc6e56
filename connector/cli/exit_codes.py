"""The exit codes of the command line, beside 0 for success."""

from typing import Final

FAILED: Final = 1
"""A check or the command failed."""
MISUSED: Final = 2
"""The configuration or the command line must be changed."""
