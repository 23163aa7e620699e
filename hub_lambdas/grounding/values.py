"""Prices, times, dates, numbers, links, phone numbers and e-mail addresses, in any usual spelling.

A spelling may mean several things: "12.10" is a number, ten past twelve, the 12th of October. A value `means`
what it may say where it is claimed, and `gives` all that it backs where it is a source: "18:00" backs "6 pm"
and "until 6". All texts here are folded (`languages.fold`).
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from hub_lambdas.grounding.numerals import CURRENCIES, MONTHS, NUMBER_WORDS, WEEKDAYS

Meanings = frozenset[tuple[str, ...]]


@dataclass(frozen=True)
class Value:
    """`text` as it is written. `unit` is what is counted: the "hours" of "24 hours"; "" if unknown.
    `is_limit`: "from 90 €" is no price of 90 €."""

    kind: str
    text: str
    means: Meanings
    gives: Meanings
    unit: str = ""
    is_limit: bool = False

    def is_given_by(self, source: "Value") -> bool:
        """Whether `source` says this too."""
        if self.unit and source.unit and not alike(self.unit, source.unit):
            return False
        if self.kind == source.kind and self.is_limit != source.is_limit:
            return False
        return bool(self.means & source.gives) or _is_shorter_phone(self.means, source.means)


def alike(one: str, other: str) -> bool:
    """Whether two words are forms of one: "parking" and "park", "costs" and "cost"."""
    if one == other:
        return True
    short, long = sorted((one, other), key=len)
    shared = next((at for at, (a, b) in enumerate(zip(short, long, strict=False)) if a != b), len(short))
    if shared == len(short):
        return len(long) - shared <= (4 if shared >= 4 else 1 if shared == 3 else 0)
    return shared >= 4 and len(long) - shared <= 3 and shared >= 0.55 * len(long)


def _is_shorter_phone(claimed: Meanings, given: Meanings) -> bool:
    """Whether the country's code, which has up to three digits, was left out. One that is put before a number
    is a claim of its own: nobody has said in which country it is."""
    pairs = [(one[1], other[1]) for one in claimed for other in given if one[0] == other[0] == "phone"]
    return any(re.fullmatch(rf"\+\d{{1,3}}{re.escape(short)}", long) for short, long in pairs)


Reader = Callable[[re.Match[str]], Sequence[Value]]


def read(text: str, position: int) -> tuple[Sequence[Value], int]:
    """The values spelled at `position`, and where they end; no values when there are none."""
    for pattern, reader in _SPELLINGS:
        match = pattern.match(text, position)
        values = reader(match) if match else ()
        if match and values:
            return values, match.end()
    return (), position


def _one(kind: str, match: re.Match[str], means: Meanings, more: Meanings = frozenset()) -> list[Value]:
    return [Value(kind, match[0].strip(), means, means | more)] if means else []


# --- what can be written to or called -----------------------------------------------------------------------


def _mail(match: re.Match[str]) -> list[Value]:
    return _one("e-mail address", match, frozenset({("mail", match[0])}))


def _link(match: re.Match[str]) -> list[Value]:
    address = re.sub(r"^(https?://)?(www\.)?", "", match[0]).rstrip("/.,;:!?)'*")
    host = address.split("/")[0]
    return _one("link", match, frozenset({("link", address)}), frozenset({("link", host)}))


def _phone(match: re.Match[str]) -> list[Value]:
    """Those that start neither with + nor with 0 may be something else: "2025-2026"."""
    digits = re.sub(r"\D", "", match[0].replace("(0)", ""))
    if len(digits) < 6:
        return []
    certain = match[0].startswith(("+", "0", "(")) or re.fullmatch(r"\d{3}[ -]\d{4}", match[0])
    if not certain:
        return []
    is_abroad = match[0].startswith("+") or digits.startswith("00")
    number = f"+{digits.lstrip('0')}" if is_abroad else digits.removeprefix("0")
    return _one("phone number", match, frozenset({("phone", number)}))


# --- amounts ------------------------------------------------------------------------------------------------


def _amounts(spelled: str) -> set[str]:
    """What a number may amount to: "1.200" is 1200, or 1.2. Nothing for a word that is no number."""
    if not spelled[0].isdigit():
        return {str(NUMBER_WORDS[spelled])} if spelled in NUMBER_WORDS else set()
    digits = re.sub(r"[ ']", "", spelled)
    marks = re.findall(r"[.,]", digits)
    if not marks:
        return {digits if digits.startswith("0") else _plain(digits)}
    whole, _, rest = digits.rpartition(marks[-1])
    grouped = re.sub(r"[.,]", "", digits)
    if len(set(marks)) > 1:
        return {_plain(f"{re.sub('[.,]', '', whole)}.{rest}")}
    if len(marks) > 1:
        return {_plain(grouped)}
    fraction = _plain(f"{whole}.{rest}")
    return {fraction, _plain(grouped)} if len(rest) == 3 else {fraction}


def _numbers(spelled: str) -> Meanings:
    return frozenset(("number", amount) for amount in _amounts(spelled))


def _plain(digits: str) -> str:
    return format(Decimal(digits).normalize(), "f")


def _price(match: re.Match[str]) -> list[Value]:
    return _priced(match[0].strip(), match["amount"], match["currency"])


def _prices(match: re.Match[str]) -> list[Value]:
    """ "45-90 €": the first of them is a price too."""
    prices = (_priced(match[0].strip(), match[key], match["currency"]) for key in ("low", "amount"))
    return [each for price in prices for each in price]


def _priced(text: str, amount: str, currency: str) -> list[Value]:
    code = CURRENCIES.get(currency, "")
    means = frozenset(("price", each, code) for each in _amounts(amount) if code)
    return [Value("price", text, means, means | _numbers(amount), unit=code)] if means else []


def _percentage(match: re.Match[str]) -> list[Value]:
    means = frozenset(("percentage", amount) for amount in _amounts(match["amount"]))
    return [Value("percentage", match[0].strip(), means, means, unit="%")] if means else []


def _number(match: re.Match[str]) -> list[Value]:
    means = _numbers(match[0])
    hour = int(match[0]) if re.fullmatch(r"\d{1,2}", match[0]) else NUMBER_WORDS.get(match[0], 99)
    hours = {hour, hour + 12} if 1 <= hour <= 12 else {hour} if hour <= 24 else set()
    return _one("number", match, means, frozenset(_clock(each, 0) for each in hours))


def _ratio(match: re.Match[str]) -> list[Value]:
    """Numbers joined by colons that are no time: each of them alone could be an hour of the day."""
    return _one("number", match, frozenset({("number", match[0])}))


# --- times and dates ----------------------------------------------------------------------------------------


def _clock(hour: int, minute: int) -> tuple[str, ...]:
    return ("time", f"{hour % 24}:{minute:02}")


def _time(match: re.Match[str]) -> list[Value]:
    spelled, minute = match["hour"], int(match["minute"] or 0)
    hour = int(spelled) if spelled.isdigit() else NUMBER_WORDS.get(spelled, 99)
    marker = (match["marker"] or "").replace(".", "")
    if hour * 60 + minute > 24 * 60 or minute > 59 or (not match["minute"] and not marker):
        return []
    hours = {hour}
    if marker in ("am", "pm"):
        hours = {hour % 12 + (12 if marker == "pm" else 0)}
    elif marker == "o'clock" and hour <= 12:
        hours = {hour, hour + 12}
    means = frozenset(_clock(each, minute) for each in hours)
    if match["separator"] == "." and not marker:
        means |= _numbers(match[0].strip()) | _dates(match["hour"], match["minute"])
    if marker == "h" and not match["minute"]:
        means |= _numbers(match["hour"])
    spoken = {("number", str(each)) for hour in hours for each in (hour, hour % 12 or 12) if not minute}
    return [Value("time", match[0].strip(), means, means | spoken, unit="" if marker == "h" else "o'clock")]


def _dates(day: str, month: str) -> Meanings:
    valid = day.isdigit() and month.isdigit() and 1 <= int(day) <= 31 and 1 <= int(month) <= 12
    return frozenset({("date", str(int(day)), str(int(month)))} if valid else ())


def _date(match: re.Match[str]) -> list[Value]:
    found = match.groupdict()
    first, second = found["day"], str(MONTHS.get(found["month"].rstrip("."), found["month"]))
    means = _dates(first, second)
    if "/" in match[0]:
        means |= _dates(second, first)
    dates = _one("date", match, means)
    year = found.get("year")
    if dates and year:
        years = frozenset({("number", year if len(year) == 4 else f"20{year}")})
        dates.append(Value("year", year, years, years))
    return dates


def _dotted_date(match: re.Match[str]) -> list[Value]:
    """ "24.12." at the end of a sentence may be a time or a number."""
    more = _numbers(f"{match['day']}.{match['month']}")
    if int(match["day"]) < 24 and len(match["month"]) == 2 and int(match["month"]) < 60:
        more |= {_clock(int(match["day"]), int(match["month"]))}
    means = _dates(match["day"], match["month"]) | more
    return _one("date", match, means)


def _weekday(match: re.Match[str]) -> list[Value]:
    day = _day_of(match[0])
    return [] if day is None else [_on(day, match[0])]


def _weekdays(match: re.Match[str]) -> list[Value]:
    """All days from one to the other, in German also "Mo-Fr"."""
    first, last = (_GERMAN_DAYS.get(match[key], _day_of(match[key])) for key in ("first", "last"))
    if first is None or last is None:
        return []
    return [_on((first + step) % 7, match[0]) for step in range((last - first) % 7 + 1)]


def _day_of(name: str) -> int | None:
    """0 is Monday; "Sundays" is Sunday too."""
    return WEEKDAYS.get(name, WEEKDAYS.get(name.removesuffix("s")))


def _on(day: int, text: str) -> Value:
    means = frozenset({("weekday", str(day))})
    return Value("weekday", text.capitalize(), means, means)


# --- the spellings, the more telling first ------------------------------------------------------------------


_GERMAN_DAYS = {name: day for day, name in enumerate(("mo", "di", "mi", "do", "fr", "sa", "so"))}
_AMOUNT = r"(?:\d{1,3}(?:[., ']\d{3})+(?:[.,]\d{1,2})?(?!\d)|\d{1,30}(?:[.,]\d{1,30})?)"
_WORD = r"(?:[^\W\d_]{1,30}\b)"
_SPOKEN = rf"(?:[^\W\d_]{{1,30}}-[^\W\d_]{{1,30}}\b|{_WORD})"
_DAY = r"(?P<day>3[01]|[12]\d|0?[1-9])"
_MONTH = rf"(?P<month>{_WORD})\.?"
_YEAR = r"(?P<year>\d{4})(?!\d)"
_SHORT_YEAR = r"(?P<year>\d{4}|\d\d)(?!\d)"
_SIGNS = "|".join(re.escape(word) for word in CURRENCIES if not word[-1].isalpha())
_CURRENCY = rf"(?:us\$|r\$|{_SIGNS}|{_WORD})"
_PERCENT = r"(?:%|(?:percent|per cent|prozent|pour cent|por ciento|per cento|por cento|procent)\b)"
_MARKER = r"(?P<marker>[ap]\.?m\b\.?|uhr\b|o'clock\b|h\b)"
_WEEKDAY = rf"(?:{_WORD}(?:-feira)?)"
_TO = r"\.? ?(?:(?:to|through|until|till|bis|au?|al?|ate|tot|t/m) |[-–—] ?)"
_DOMAIN = "(?:com|org|net|info|biz|app|io|shop|online|eu|de|at|ch|fr|es|it|pt|br|nl|be|uk|us|example)"

_SPELLINGS: list[tuple[re.Pattern[str], Reader]] = [
    (re.compile(pattern), reader)
    for pattern, reader in (
        (r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,5}", _mail),
        (r"(?:https?://|www\.)[^\s<>\"]{1,2000}", _link),
        (rf"(?:[a-z0-9-]{{1,63}}\.){{1,4}}{_DOMAIN}\b(?!\.\w)(?:/[^\s<>\"]{{0,2000}})?", _link),
        (r"(?P<year>\d{4})-(?P<month>\d\d)-(?P<day>\d\d)(?!\d)", _date),
        (rf"{_DAY}(?:st|nd|rd|th|er|º|\.)? ?(?:of |de |di )?{_MONTH}(?:,? (?:de )?{_YEAR})?", _date),
        (rf"{_MONTH} (?:the )?{_DAY}(?:st|nd|rd|th)?\b(?![.:,]?\d)(?:,? {_YEAR})?", _date),
        (rf"(?P<day>\d{{1,2}})\.(?P<month>\d{{1,2}})\.{_SHORT_YEAR}", _date),
        (rf"(?P<day>\d{{1,2}})/(?P<month>\d{{1,2}})(?:/{_SHORT_YEAR})?(?![\d/])", _date),
        (rf"(?P<currency>{_CURRENCY}) ?(?P<amount>{_AMOUNT})", _price),
        (rf"(?P<amount>{_AMOUNT}|{_SPOKEN})(?:[.,][-–])? ?(?P<currency>{_CURRENCY})", _price),
        (rf"(?P<low>{_AMOUNT}){_TO}(?P<amount>{_AMOUNT}) ?(?P<currency>{_CURRENCY})", _prices),
        (rf"(?P<amount>{_AMOUNT}|{_SPOKEN}) ?{_PERCENT}", _percentage),
        (r"(?P<day>\d{1,2})\.(?P<month>\d{1,2})\.(?!\d)", _dotted_date),
        (
            (
                rf"(?P<hour>\d{{1,2}}|{_SPOKEN})(?:(?P<separator>[:.h])(?P<minute>\d\d)(?!\d))?"
                rf" ?{_MARKER}?(?![.,:]\d)"
            ),
            _time,
        ),
        (r"\d{1,30}(?::\d{1,30})+", _ratio),
        (r"[+(]?\d[\d ()./-]{4,30}\d(?![\w%])", _phone),
        (rf"(?P<first>{_WEEKDAY}){_TO}(?P<last>{_WEEKDAY})", _weekdays),
        (_WEEKDAY, _weekday),
        (_AMOUNT, _number),
        (rf"{_SPOKEN}(?! of\b)", _number),
        (rf"{_WORD}(?! of\b)", _number),
    )
]
