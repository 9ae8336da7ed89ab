"""Numbers are set as a page has them, and stay the numbers that they were."""

import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from press.directives import numerals

DIGITS = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹−", "-0123456789-")


def read(text: str) -> Decimal:
    """A number as a reader reads it."""
    plain = text.replace("\N{NO-BREAK SPACE}", "").replace(",", "")
    if found := re.fullmatch(r"([−+]?)(?:(.*)×)?10([⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)", plain):
        return Decimal(f"{found[1]}{found[2] or 1}e{found[3]}".translate(DIGITS))
    return Decimal(plain.translate(DIGITS))


@pytest.mark.parametrize(
    ("text", "page"),
    [
        ("0.500", "0.500"),
        ("1,000", "1,000"),
        ("-0.5", "−0.5"),
        ("+3", "+3"),
        (".25", ".25"),
        ("1.1e-16", "1.1\u00a0×\u00a010⁻¹⁶"),
        ("-2E+07", "−2\u00a0×\u00a010⁷"),
        ("1e-12", "10⁻¹²"),
        ("1.0e4", "10⁴"),
        ("5.6e-01", ".56"),
        ("-1.00E-3", "−.00100"),
        ("2.5e+03", "2,500"),
        ("0.0e+00", "0"),
        ("0e-12", "0"),
        ("gpt", "gpt"),
        ("-", "-"),
        ("1--2", "1--2"),
        ("nan", "nan"),
        ("e-5", "e-5"),
        ("4x", "4x"),
        ("", ""),
    ],
)
def test_what_a_run_printed(text: str, page: str) -> None:
    assert numerals.printed(text) == page


@pytest.mark.parametrize(
    ("value", "form", "page"),
    [
        ("0.5612", ".2f", ".56"),
        ("0.5612", "0.2f", "0.56"),
        ("0.5612", "+.2f", "+.56"),
        ("-0.5612", ".2f", "−.56"),
        ("-0.5612", "+0.2f", "−0.56"),
        ("-0.001", ".2f", ".00"),
        ("-0.001", "0.2f", "0.00"),
        ("10.5", ".1f", "10.5"),
        ("12345.6", ",.0f", "12,346"),
        ("0.6", ".0f", "1"),
        ("0.4", ".0f", "0"),
        ("0.5612", ".1%", "56.1%"),
        ("-0.005", ".1%", "−.5%"),
        ("5.6e-16", ".1e", "5.6\u00a0×\u00a010⁻¹⁶"),
        ("-12345", ".2e", "−1.23\u00a0×\u00a010⁴"),
        ("-1234", ".2e", "−1,230"),
        ("0.999", ".2f", "1.00"),
    ],
)
def test_formats(value: str, form: str, page: str) -> None:
    assert numerals.formatted(Decimal(value), form) == page


@pytest.mark.parametrize("form", ["", "g", ".2g", "wide", ".f", "5.1f", "<.1f", ".1f ", ".1d", "s"])
def test_other_formats_are_refused(form: str) -> None:
    with pytest.raises(ValueError, match="write .1f or 0.1f"):
        numerals.formatted(Decimal(1), form)


@pytest.mark.parametrize(
    ("value", "digits", "page"),
    [
        ("0.06125", 3, ".0612"),
        ("0.0900", 3, ".09"),
        ("12345.6", 3, "12,346"),
        ("-0.5", 3, "−.5"),
        ("0", 3, "0"),
        ("2.23149", 3, "2.23"),
        ("0.00001234", 3, "1.23\u00a0×\u00a010⁻⁵"),
        ("0.0001234", 3, ".000123"),
    ],
)
def test_few_digits(value: str, digits: int, page: str) -> None:
    assert numerals.brief(Decimal(value), digits) == page


@given(st.decimals(-(10**9), 10**9, allow_nan=False, places=6))
def test_a_page_shows_the_number_itself(value: Decimal) -> None:
    assert read(numerals.printed(str(value))) == value
    assert (
        read(numerals.formatted(value, ".6f")) == read(numerals.formatted(value, "0.6f")) == value
    )
    assert abs(read(numerals.brief(value, 3)) - value) <= max(abs(value) / 100, Decimal("0.5"))
    assert not re.search("[eE-]", numerals.printed(str(value)))
