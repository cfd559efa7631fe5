"""Numbers and lists as they stand in a sentence."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from passo.analysis.intervals import Interval
from passo.language import later, numeral, t, tn

_MORE_IS_BETTER = ("psnr", "gain_db", "r2")
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_SPOKEN = {
    "epoch/train_loss": later("training loss"),
    "train/loss": later("mini-batch loss"),
    "lr": later("learning rate"),
    "test/accuracy": later("test accuracy"),
    "test/loss": later("test loss"),
    "validation/accuracy": later("validation accuracy"),
    "validation/loss": later("validation loss"),
    "train/accuracy": later("mini-batch accuracy"),
    "test/psnr": later("test psnr"),
    "validation/psnr": later("validation psnr"),
    "test/distance": later("test distance"),
    "validation/distance": later("validation distance"),
    "accuracy": later("accuracy"),
    "loss": later("loss"),
}


def spoken(metric: str) -> str:
    """A metric as one says it.

    >>> spoken("test/accuracy"), spoken("epoch/train_loss")
    ('test accuracy', 'training loss')
    """
    return t(_SPOKEN.get(metric, metric.replace("/", " ").replace("_", " ")))


def is_share(metric: str) -> bool:
    """Whether a metric is a share of one, shown in percent."""
    return metric.endswith("accuracy")


def higher_is_better(metric: str) -> bool:
    """Whether more of it is better: shares, the PSNR of an image given back, the R² of a fitted value.

    >>> higher_is_better("test/accuracy"), higher_is_better("test/psnr"), higher_is_better("test/distance")
    (True, True, False)
    """
    return is_share(metric) or metric.rpartition("/")[2] in _MORE_IS_BETTER


def amount(value: float, metric: str = "") -> str:
    """A value to three significant digits or so; shares in percent.

    >>> amount(0.38421), amount(0.8472, "test/accuracy"), amount(12345.6)
    ('0.384', '84.7 %', '12300')
    """
    if is_share(metric):
        return f"{_plain(100 * value, 1)} %"
    return significant(value)


def significant(value: float, digits: int = 3) -> str:
    """So many significant digits, as a power of ten only where a reader would count zeros.

    >>> significant(0.0001234), significant(123456.0), significant(0.5), significant(-2.4e-7)
    ('0.000123', '123000', '0.5', '−2.4 × 10⁻⁷')
    """
    if value == 0 or not math.isfinite(value):
        return numeral(f"{value:g}".replace("-", "−"))
    exponent = math.floor(math.log10(abs(value)))
    if -5 < exponent < 6:
        text = _written(round(value, digits - 1 - exponent), max(0, digits - 1 - exponent))
        return numeral(text.rstrip("0").rstrip(".") if "." in text else text)
    mantissa, _, power = f"{value:.{digits - 1}e}".partition("e")
    mantissa = numeral(mantissa.rstrip("0").rstrip(".").replace("-", "−"))
    return f"{mantissa} × 10{str(int(power)).translate(_RAISED)}"


def ranged(found: Interval, metric: str = "", *, difference: bool = False) -> str:
    """A mean with its interval: `0.38 [0.36, 0.40]`; the mean alone where one seed gives no interval.

    Shares get a decimal, other values three significant digits, and more where the interval is narrower. A share's
    interval is cut at 0 and 100 %, where few seeds make it wider than what can be; a `difference` of shares' is not.

    >>> ranged(Interval(0.38421, 0.36, 0.41, 3)), ranged(Interval(0.9, math.nan, math.nan, 1), "test/accuracy")
    ('0.384 [0.360, 0.410]', '90.0 %')
    """
    if not found.known:
        return amount(found.mean, metric)
    scale, unit = (100.0, " %") if is_share(metric) else (1.0, "")
    least = 1 if unit else 3 - _magnitude(found.mean)
    wide = found.half > 1e-9 * abs(found.mean)  # below that, all seeds gave the same: rounding needs no digits
    places = min(8, max(0, least, 2 - _magnitude(scale * found.half) if wide else 0))
    ends = (found.low, found.high)
    if unit and not difference and 0 <= found.mean <= 1:
        ends = (max(0.0, found.low), min(1.0, found.high))
    mean, low, high = (_plain(scale * end, places) for end in (found.mean, *ends))
    return f"{mean}{unit} {bracketed(low, high)}"


def bracketed(low: str, high: str) -> str:
    """The ends of an interval, already written: `[0.36, 0.40]`, and `[0,36; 0,40]` where decimals have a comma."""
    return f"[{low}{'; ' if numeral('.') == ',' else ', '}{high}]"


def separator(written: str) -> str:
    """What stands between numbers: a semicolon where they have a decimal comma themselves."""
    return "; " if numeral(".") == "," and re.search(r"\d,\d", written) else ", "


def within(found: Interval, metric: str = "") -> str:
    """The interval's ends alone, as a label reads them out.

    >>> within(Interval(0.9, 0.87, 0.93, 3), "test/accuracy"), within(Interval(0.9, math.nan, math.nan, 1))
    ('87.0 % to 93.0 %', 'not known')
    """
    if not found.known:
        return t("not known")
    return t("{low} to {high}", low=amount(found.low, metric), high=amount(found.high, metric))


def shortened(names: Sequence[str], most: int = 40) -> dict[str, str]:
    """Each name in at most so many letters, without its middle: what tells names apart is often their end.

    Where two would become the same, all may be longer.

    >>> list(shortened(["adam", "a-long-name-of-a-schedule,lr=0.1", "a-long-name-of-a-schedule,lr=0.2"], 20).values())
    ['adam', 'a-long-name-…,lr=0.1', 'a-long-name-…,lr=0.2']
    """
    while True:
        found = {name: name if len(name) <= most else _without_middle(name, most) for name in names}
        if len(set(found.values())) == len(found):
            return found
        most += 4


def _without_middle(name: str, most: int) -> str:
    """The end, from a comma on where there is one in its two thirds, and as much of the start as there is room for."""
    tail = name[len(name) - 2 * most // 3 :]
    tail = tail[max(0, tail.find(",")) :]
    return f"{name[: most - 1 - len(tail)]}…{tail}"


def _magnitude(value: float) -> int:
    """How many digits stand before the point: 1 for 3.2, 0 for 0.32, −1 for 0.032."""
    return math.floor(math.log10(abs(value))) + 1 if value and math.isfinite(value) else 1


def _plain(value: float, places: int) -> str:
    return numeral(_written(value, places))


def _written(value: float, places: int) -> str:
    return f"{value:.{places}f}".replace("-", "−")


def joined(parts: Sequence[str]) -> str:
    """`a, b and c`; `0,1; 0,2 e 0,3` where decimals have a comma."""
    *first, last = parts
    between = separator("".join(parts))
    return t("{first} and {last}", first=between.join(first), last=last) if first else last


def seeds(n: int) -> str:
    """What the numbers rest on.

    >>> seeds(3), seeds(1)
    ('mean and 95 % interval over 3 seeds', 'one seed, so no interval')
    """
    if n < 2:
        return t("one seed, so no interval")
    return t("mean and 95 % interval over {n} seeds", n=n)


def counted_seeds(n: int) -> str:
    """`3 seeds`, `1 seed`."""
    return tn("{n} seed", "{n} seeds", n)
