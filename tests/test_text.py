import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelmend.errors import DataError, LabelmendWarning
from labelmend.text import (
    as_name,
    as_text,
    count,
    duration,
    first_of,
    from_spreadsheet,
    printable,
    spreadsheet_safe,
)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Grüße 猫 [b]not bold[/b]", "Grüße 猫 [b]not bold[/b]"),
        ("\x1b[2Jclear", "\\x1b[2Jclear"),
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("\x9b31m", "\\x9b31m"),
        ("a\tb\nc\rd\x08\x7f\x00", "a\\tb\\nc\\rd\\x08\\x7f\\x00"),
        ("cat\u202egnp.exe", "cat\\u202egnp.exe"),
        ("a\u2028b", "a\\u2028b"),
        (b"caf\xe9".decode("utf-8", "surrogateescape"), "caf\\udce9"),
        (3.5, "3.5"),
    ],
)
def test_what_a_terminal_would_obey_is_shown_instead(text, shown):
    assert printable(text) == shown
    assert str(DataError(text)) == shown
    assert str(LabelmendWarning(text)) == shown


def test_a_long_message_loses_its_middle():
    assert printable("a" * 10 + "b" * 10, longest=20) == "a" * 10 + "b" * 10
    assert printable("a" * 10 + "b" * 11, longest=20) == "a" * 10 + " ... " + "b" * 10
    assert len(str(DataError("x" * 10**6))) < 2010


@given(st.text())
def test_nothing_unprintable_is_left(text):
    shown = printable(text)
    shown.encode("utf-8")
    assert not any(ord(c) < 32 or 127 <= ord(c) < 160 for c in shown)


@pytest.mark.parametrize(
    ("cell", "safe"),
    [
        ("cat", "cat"),
        ("", ""),
        ("'", "'"),
        ("'quoted'", "'quoted'"),
        ("a=b", "a=b"),
        ("=1+1", "'=1+1"),
        ("+49", "'+49"),
        ("-x.png", "'-x.png"),
        ("@home", "'@home"),
        ("\t=1", "'\t=1"),
        ("\r=1", "'\r=1"),
        ("\uff1d1", "'\uff1d1"),
        ("'=1", "''=1"),
        ("''-", "'''-"),
        (" a.png", "' a.png"),
        ("' a.png", "'' a.png"),
        ("a .png ", "a .png "),
    ],
)
def test_a_cell_is_no_formula_and_comes_back(cell, safe):
    assert spreadsheet_safe(cell) == safe
    assert from_spreadsheet(safe) == cell


@given(st.text(alphabet="'=-ab \t") | st.text())
def test_every_cell_comes_back(cell):
    safe = spreadsheet_safe(cell)
    assert from_spreadsheet(safe) == cell
    assert safe[:1] not in tuple(" =+-@\t\r\n")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (b"a/b.png", "a/b.png"),
        ("é".encode(), "é"),
        (b"caf\xe9\xff.png", r"caf\xe9\xff.png"),
        (b"caf\xe9 " + "é".encode(), r"caf\xe9 é"),
    ],
)
def test_a_name_that_is_no_utf8_is_text_and_comes_back(name, text):
    assert as_text(os.fsdecode(name)) == text
    assert os.fsencode(as_name(text)) == name


def test_a_name_is_the_same_text_where_python_reads_names_as_ascii():
    assert as_text("é".encode().decode("ascii", "surrogateescape")) == "é"


@given(st.text(alphabet=st.characters(codec=None, categories=["L", "Cs", "P"])))
def test_any_name_has_a_text(name):
    as_text(name).encode("utf-8")


@pytest.mark.parametrize(("number", "text"), [(0, "0 images"), (1, "1 image"), (1297, "1,297 images")])
def test_numbers_have_their_noun(number, text):
    assert count(number, "image") == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (89, "89 s"), (90, "2 min"), (5000, "83 min"), (5400, "1.5 h"), (36000, "10.0 h")],
)
def test_times_have_the_unit_that_suits_them(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("items", "text"),
    [("a", "a"), ("abc", "a, b, c"), ("abcd", "a, b, c and 1 more"), ("abcdef", "a, b, c and 3 more")],
)
def test_the_first_of_some_items(items, text):
    assert first_of(list(items), 3) == text
    assert first_of(list(items), 3, "; ") == text.replace(",", ";")
