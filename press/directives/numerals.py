"""Numbers as a page shows them: a true minus sign, powers of ten, no zero before the point.

.2f    .56, and -.56 with a true minus sign
0.2f   0.56          +.2f   +.56          ,.0f   12,345
.1%    56.0%         .1e    5.6 x 10^-16, as a printed page has it
"""

import re
from decimal import Decimal

FORM = re.compile(r"(\+?)(0?)(,?\.\d+)([fe%])")
NUMBER = re.compile(r"([-+]?)((?:\d[\d,]*)?\.?\d+)(?:e([-+]?)0*(\d+))?", re.IGNORECASE)
NEAR = 3  # powers of ten, up or down, that are better written out
MINUS, TIMES, SPACE = "\N{MINUS SIGN}", "\N{MULTIPLICATION SIGN}", "\N{NO-BREAK SPACE}"
RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
SIGNS = {" * ": f" {TIMES} ", "-": MINUS, "<=": "≤", ">=": "≥", "==": "=", "!=": "≠"}


def printed(text: str) -> str:
    """What a run printed, "-1.1e-16" as −1.1 × 10⁻¹⁶, "5.6e-01" as .56; what is no number stays."""
    found = NUMBER.fullmatch(text)
    if not found:
        return text
    sign, digits, down, power = found.groups()
    sign = sign.replace("-", MINUS)
    if power is None:
        return f"{sign}{digits}"
    value = Decimal(f"{digits.replace(',', '')}e{down}{power}")
    if not value or -NEAR <= value.adjusted() <= NEAR:
        return f"{sign}{_without_zero(f'{value:,f}')}" if value else "0"
    factor = "" if Decimal(digits.replace(",", "")) == 1 else f"{digits}{SPACE}{TIMES}{SPACE}"
    return f"{sign}{factor}10{(down + power).replace('+', '').translate(RAISED)}"


def formatted(value: Decimal, form: str) -> str:
    """A computed number; raises ValueError for a form that is none of the above."""
    found = FORM.fullmatch(form)
    if not found:
        raise ValueError("write .1f or 0.1f, +.1f, ,.0f, .1% or .1e")
    sign, zero, places, kind = found.groups()
    number = format(value, f"{sign}{places}{kind}")
    if not re.search("[1-9]", number):
        number = number.lstrip("-+")
    if kind == "e":
        return printed(number)
    return (number if zero else _without_zero(number)).replace("-", MINUS)


def rounded(value: Decimal, digits: int) -> Decimal:
    """A number to so many digits that count; a whole one stays whole."""
    return round(value, max(0, digits - 1 - value.adjusted())) if value else value


def brief(value: Decimal, digits: int) -> str:
    """A number in a few digits: brief(Decimal("0.06125"), 3) -> ".0612", 12345.6 -> "12,346"."""
    few = rounded(value, digits).normalize()
    if few and few.adjusted() < -NEAR - 1:
        return printed(f"{few:e}")
    return _without_zero(f"{few:,f}").replace("-", MINUS)


def code(text: str) -> str:
    """Arithmetic as Python writes it, with the signs of a page."""
    for python, sign in SIGNS.items():
        text = text.replace(python, sign)
    return text


def _without_zero(number: str) -> str:
    return re.sub(r"^([-+]?)0\.", r"\1.", number)
