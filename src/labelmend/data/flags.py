"""Yes and no, as tables and arrays write them."""

from __future__ import annotations

from typing import Any

from labelmend.errors import DataError

_TRUE = ("true", "t", "1", "1.0", "yes", "y")
_FALSE = ("false", "f", "0", "0.0", "no", "n", "", "none", "null", "nan", "na", "n/a", "<na>")


def read_flag(value: Any, where: str) -> bool:
    """Whether a label is trusted; what is empty is not.

    Args:
        value: of a cell or an array: true or false, 1 or 0, yes or no.
        where: it stands, for the message.

    Raises:
        DataError: If it is anything else.
    """
    text = str(value).strip().lower()
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise DataError(f"{where}: trusted is {value!r}, expected true or false")
