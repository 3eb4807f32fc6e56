"""GTINs as text: check digit, and the one normal form that keys, look-ups and state use. Pure.

Source: GS1 General Specifications, sections 1.4 (forms) and 7.9 (check digit).
"""

_LENGTHS = frozenset((8, 12, 13, 14))
_VALUES = bytes.maketrans(b"0123456789", bytes(range(10)))


class GtinError(ValueError):
    """The text is no GTIN; the message says why."""


def normal_form(text: str) -> str:
    """13 digits, or 14 where the first says a package level. Zeros are kept or added on the left, never trimmed away.

    Raises GtinError for anything but 8, 12, 13 or 14 ASCII digits with a right check digit.
    """
    if not (text.isascii() and text.isdigit()):
        raise GtinError(f"{text!r} has other characters than digits")
    if len(text) not in _LENGTHS:
        raise GtinError(f"{text!r} has {len(text)} digits, not 8, 12, 13 or 14")
    if text.strip("0") == "":
        raise GtinError(f"{text!r} has no digit but zero")
    if text[-1] != (right := check_digit(text[:-1])):
        raise GtinError(f"{text!r} ends in {text[-1]}, its check digit is {right}")
    return text[1:] if len(text) == 14 and text[0] == "0" else text.zfill(13)


def check_digit(body: str) -> str:
    """The digit that completes ``body``: weights 3 and 1 in turn, from the right."""
    digits = body.encode()[::-1].translate(_VALUES)
    return str(-(3 * sum(digits[::2]) + sum(digits[1::2])) % 10)
