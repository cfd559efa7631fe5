"""How numbers become words: units, precision, and no silent NaN. These are the filters of the text.

A value is a number, or an `Interval`, which is written as its mean ± half its width. Marks and words are those of the
language that is spoken.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

from passo.analysis import Interval
from passo.language import later, numeral, t

_SPELLED = later("none one two three four five six seven eight nine ten eleven twelve")
"""From 0 on; a language in which some differ by the gender of what is counted gives both: `um/uma`."""
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
SPACE = "\N{NO-BREAK SPACE}"


def _finite(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"a number of the text is {number}: it was not measured, or the run diverged")
    return number


def _estimate(value: Any, write: Callable[[float], str], unit: str = "") -> str:
    """`write` the number, or mean ± half-width of an estimate; the unit comes once, at the end."""
    if not isinstance(value, Interval):
        return _signed(numeral(write(_finite(value)))) + unit
    if not value.known:  # one seed: there is no interval to write
        return _estimate(value.mean, write, unit)
    return f"{_signed(numeral(write(_finite(value.mean))))}{SPACE}±{SPACE}{numeral(write(value.half))}{unit}"


def _signed(text: str) -> str:
    """With a true minus; what rounds to zero has no sign."""
    return text.replace("-", "−", 1) if re.search(r"[1-9]", text) else text.removeprefix("-")


def percent(value: Any, digits: int = 1) -> str:
    """A fraction in percent.

    >>> percent(0.8734)
    '87.3\\xa0%'
    """
    return _estimate(value, lambda x: f"{100 * x:.{digits}f}", f"{SPACE}%")


def points(value: Any, digits: int = 1) -> str:
    """A difference between two fractions, in percentage points, with its sign.

    >>> points(-0.012)
    '−1.2 points'
    """
    return _estimate(value, lambda x: f"{100 * x:.{digits}f}", f" {t('points')}")


def fixed(value: Any, digits: int = 3) -> str:
    """A number with a fixed count of decimals: losses, ratios.

    >>> fixed(0.43129)
    '0.431'
    """
    return _estimate(value, lambda x: f"{x:,.{digits}f}")


def number(value: Any, digits: int = 3) -> str:
    """A number to so many significant digits, in powers of ten where it is very small or large.

    >>> number(0.00123), number(1.5e-08), number(12.0)
    ('0.00123', '1.5 × 10⁻⁸', '12')
    """
    return _estimate(value, lambda x: _significant(x, digits))


def _significant(x: float, digits: int) -> str:
    if x == 0 or 1e-3 <= abs(x) < 1e5:
        text = f"{x:,.{max(digits - 1 - math.floor(math.log10(abs(x))), 0)}f}" if x else "0"
        return text.rstrip("0").rstrip(".") if "." in text else text
    mantissa, exponent = f"{x:.{digits - 1}e}".split("e")
    mantissa = mantissa.rstrip("0").rstrip(".")
    power = "10" + str(int(exponent)).translate(_SUPERSCRIPT)
    return power if mantissa == "1" else f"{mantissa} × {power}"


def rate(value: Any) -> str:
    """A learning rate: two significant digits.

    >>> rate(0.0001), rate(0.032)
    ('10⁻⁴', '0.032')
    """
    return number(value, 2)


def magnitude(value: Any) -> str:
    """An order of magnitude: one significant digit.

    >>> magnitude(0.0000000298)
    '3 × 10⁻⁸'
    """
    return number(value, 1)


def count(value: Any) -> str:
    """A whole number, with thousands separated.

    >>> count(60000)
    '60,000'
    """
    return numeral(f"{round(_finite(value)):,}")


def spelled(value: Any, *, feminine: bool = False) -> str:
    """A small count as a word; larger ones in digits. `feminine` is what is counted, where the language asks for it.

    >>> spelled(3), spelled(16)
    ('three', '16')
    """
    whole, words = round(_finite(value)), t(_SPELLED).split()
    return words[whole].split("/")[-1 if feminine else 0] if 0 <= whole < len(words) else count(whole)


def counted(value: Any, noun: str, many: str = "", *, feminine: bool = False) -> str:
    """A small count with its noun; the plural is the noun and an s, unless it is given.

    >>> counted(1, "seed"), counted(3, "seed")
    ('one seed', 'three seeds')
    """
    return f"{spelled(value, feminine=feminine)} {noun if round(_finite(value)) == 1 else many or f'{noun}s'}"


def often(value: Any) -> str:
    """How often something happened.

    >>> often(1), often(2), often(5)
    ('once', 'twice', 'five times')
    """
    few = {0: t("never"), 1: t("once"), 2: t("twice")}
    return few.get(round(_finite(value))) or t("{n} times", n=spelled(value, feminine=True))


def times(value: Any) -> str:
    """A factor.

    >>> times(2.04), times(31.7)
    ('2 times', '32 times')
    """
    return t("{n} times", n=number(value, 2))


def duration(seconds: Any) -> str:
    """A time taken, in the unit that suits it.

    >>> duration(1.2), duration(42.3), duration(200), duration(7300)
    ('1 second', '42 seconds', '3 min 20 s', '2 h 1 min')
    """
    whole = round(_finite(seconds))
    if whole == 1:
        return t("{n} second", n=whole)
    if whole < 100:
        return t("{n} seconds", n=whole)
    minutes, rest = divmod(whole, 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


FILTERS: dict[str, Callable[..., str]] = {
    f.__name__: f
    for f in (percent, points, fixed, number, rate, magnitude, count, spelled, counted, often, times, duration)
}
