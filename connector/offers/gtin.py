"""Validates GTINs and brings them into the normal form that keys, look-ups and state use. Pure.

Source: GS1 General Specifications, sections 1.4 (forms) and 7.9 (check digit).
"""

_LENGTHS = frozenset((8, 12, 13, 14))
_VALUES = bytes.maketrans(b"0123456789", bytes(range(10)))


class GtinError(ValueError):
    """The text is not a GTIN; the message says why."""


def normal_form(text: str) -> str:
    """Returns a GTIN as 13 digits, padded with zeros on the left, or as 14 if its first digit is not zero.

    That first digit is a packaging level. Raises GtinError for anything but 8, 12, 13 or 14 ASCII digits with a correct
    check digit, and for zeros alone.
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


def problem_of(text: str) -> str | None:
    """Returns why a text is not a GTIN; None if it is one."""
    try:
        normal_form(text)
    except GtinError as error:
        return str(error)
    return None


def check_digit(body: str) -> str:
    """Returns the check digit of a GTIN without one. The digits have weights 3 and 1 in turn, from the right."""
    digits = body.encode()[::-1].translate(_VALUES)
    return str(-(3 * sum(digits[::2]) + sum(digits[1::2])) % 10)
