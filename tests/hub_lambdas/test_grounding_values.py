"""Spellings: which values say the same, and which do not."""

import pytest

from hub_lambdas.folding import fold
from hub_lambdas.grounding.claims import clauses
from hub_lambdas.grounding.values import Value


def values(text: str) -> list[Value]:
    return [value for clause in clauses(text) for value in clause.values]


def gives(source: str, claim: str) -> bool:
    """Whether all that `claim` names is in `source`."""
    claimed = values(claim)
    assert claimed, f"{claim} names nothing"
    return all(any(each.is_given_by(given) for given in values(source)) for each in claimed)


@pytest.mark.parametrize(
    "spellings",
    [
        ["240 €", "€240", "€ 240", "240€", "240 EUR", "240 euros", "240,00 €", "240.00 €"],
        ["240 €", "240,- €", "240\u00a0€", "EUR 240"],
        ["$1,200", "1200 dollars", "1.200 USD", "$ 1,200.00", "1 200 $", "1\u202f200 $"],
        ["R$ 30", "30 reais"],
        ["10 %", "10%", "10 percent", "ten per cent", "10 Prozent", "10 por ciento", "10,0 %"],
        ["6 pm", "18:00", "6 p.m.", "6:00 pm", "18h", "18 Uhr", "18.00 Uhr", "18h00", "6PM"],
        ["8:30", "08:30", "8.30", "8h30", "8:30 am"],
        ["24 Dec", "24.12.", "December 24th", "2026-12-24", "the 24th of December", "24. Dezember"],
        ["24 December", "24 de diciembre", "24 décembre", "12/24", "24/12", "Dec 24"],
        ["030 555 0100", "030-555-0100", "(030) 5550100", "030/555 01 00"],
        ["+49 30 555 0100", "0049 30 5550100", "+49 (0)30 555 0100", "+49-30-5550100"],
        ["www.x.com", "https://x.com/", "http://www.x.com", "x.com", "X.com"],
        ["ann@x.example", "Ann@X.example"],
        ["Sunday", "Sundays", "sonntags", "dimanche", "Domingo", "domenica", "zondag"],
        ["24", "twenty-four", "vierundzwanzig", "vingt-quatre", "٢٤", "２４", "vierentwintig"],
        ["7 days", "seven days"],
    ],
    ids=lambda spellings: spellings[0],
)  # fmt: skip
def test_the_same_in_other_spellings(spellings: list[str]) -> None:
    # a year, where one names it, is a claim of its own
    year = " 2026" if "2026-12-24" in spellings else ""
    for one in spellings:
        for other in spellings:
            assert gives(one + year, other), f"{one} is {other}"


def test_a_country_code_may_be_left_out_and_not_put_before_a_number() -> None:
    assert gives("+49 30 555 0100", "030 555 0100")
    assert not gives("030 555 0100", "+49 30 555 0100")


@pytest.mark.parametrize(
    ("source", "claim"),
    [
        ("240 €", "240 $"),
        ("240 €", "24 €"),
        ("240 €", "240 %"),
        ("from 240 €", "240 €"),
        ("240 €", "from 240 €"),
        ("8:00", "8 €"),
        ("8:00", "8 pm"),
        ("8:00", "8 dentists"),
        ("24 hours", "24 minutes"),
        ("24.12.", "25.12."),
        ("24 December", "24 November"),
        ("24 December", "24 December 2026"),
        ("Monday to Friday", "Saturday"),
        ("Monday to Friday", "Monday to Sunday"),
        ("030 555 0100", "030 555 0101"),
        ("030 555 0100", "0100"),
        ("https://x.com/book", "https://x.com/other"),
        ("www.x.com", "www.y.com"),
        ("ann@x.example", "bob@x.example"),
        ("1.200", "1.201"),
    ],
)
def test_not_the_same(source: str, claim: str) -> None:
    assert not gives(source, claim)


@pytest.mark.parametrize(
    ("source", "claim"),
    [
        ("18:00", "6"),
        ("open 8 to 6", "8 am to 6 pm"),
        ("8-18 Uhr", "8:00 18:00"),
        ("240 €", "240"),
        ("45-90 €", "45 €"),
        ("Monday to Friday", "Wednesday"),
        ("Mo-Fr", "Dienstag"),
        ("https://x.com/book", "x.com"),
        ("24h", "24 hours"),
    ],
)
def test_what_a_value_gives_besides(source: str, claim: str) -> None:
    assert gives(source, claim)


@pytest.mark.parametrize("text", ["one of our team", "B12", "you may come", "So we do."])
def test_what_is_no_value(text: str) -> None:
    assert values(text) == []


def test_folding_keeps_letters_and_makes_digits_plain() -> None:
    assert fold("Café\u200b ٢٤٠ ＡＢ 1️⃣ 😀\x00") == "cafe 240 ab 1 😀"
