"""Text on its way to a terminal or a spreadsheet: what others wrote, numbers and times."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

LONGEST = 2000
"""Characters of a message that are shown; longer ones lose their middle."""

# Control characters (escape codes begin with one), line and paragraph separators, marks that reverse the
# direction of what follows, and the halves of characters that stand for bytes of a name that is no UTF-8.
_UNPRINTABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
_NAMED = {"\t": "\\t", "\n": "\\n", "\r": "\\r"}

# What spreadsheets take for the beginning of a formula, also in full-width forms, behind any number of "'";
# and a space, which readers of CSV files drop (ours does, for files with one after each comma).
_FORMULA = re.compile("'*[ =+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
SIGN = "'"
"""What a spreadsheet takes for the sign of text, before a cell that would else be a formula."""


def printable(text: object, longest: int = LONGEST) -> str:
    r"""One line of text without anything that a terminal would obey.

    Escape codes, line ends and tabs become visible (``\x1b``, ``\n``); so do marks of writing direction and
    what is no valid Unicode.
    """
    shown = _UNPRINTABLE.sub(lambda match: _visible(match[0]), str(text))
    if len(shown) <= longest:
        return shown
    half = longest // 2
    return f"{shown[:half]} ... {shown[-half:]}"


def _visible(character: str) -> str:
    code = ord(character)
    return _NAMED.get(character) or (f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}")


def count(number: int, noun: str, plural: str | None = None) -> str:
    """A number with its noun: ``1 image``, ``1,297 images``."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def first_of(items: Sequence[str], most: int, separator: str = ", ") -> str:
    """The first of some items, and how many more there are."""
    shown = separator.join(items[:most])
    return f"{shown} and {len(items) - most} more" if len(items) > most else shown


def spreadsheet_safe(cell: str) -> str:
    """A cell of a CSV file that no spreadsheet takes for a formula, and whose first space is not lost.

    ``from_spreadsheet`` gives back what it was; other cells stay as they are.
    """
    return SIGN + cell if _FORMULA.match(cell) else cell


def from_spreadsheet(cell: str) -> str:
    """What a cell was before ``spreadsheet_safe``; a spreadsheet reads it alike."""
    return cell[1:] if cell.startswith(SIGN) and _FORMULA.match(cell) else cell


_BYTE = re.compile(r"\\x([89a-f][0-9a-f])")
_SURROGATE = re.compile("[\ud800-\udfff]")


def as_text(name: str) -> str:
    r"""A file name as text that every table and JSON file can hold.

    Bytes that are no UTF-8 (surrogates in Python) are written as ``\xe9``. A name that is UTF-8 is itself,
    also where Python reads names in another encoding.
    """
    if not _SURROGATE.search(name):
        return name
    try:
        return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:
        return name.encode("utf-8", "backslashreplace").decode("utf-8")


def as_name(text: str) -> str:
    """The file name that ``as_text`` wrote."""
    return _BYTE.sub(lambda match: chr(0xDC00 + int(match[1], 16)), text)


def duration(seconds: float) -> str:
    """Seconds in the unit that suits them: ``48 s``, ``12 min``, ``3.1 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def argument(value: object) -> str:
    """A path or name as an argument of a command that is to be copied to a shell."""
    return shlex.quote(str(value))
