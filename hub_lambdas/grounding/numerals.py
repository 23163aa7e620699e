"""Words for numbers, weekdays, months and currencies in the languages of `languages.py`, folded."""

from collections.abc import Mapping
from typing import TypeVar

T = TypeVar("T")


def _by_word(meanings: Mapping[T, str]) -> dict[str, T]:
    return {word: meaning for meaning, words in meanings.items() for word in words.split()}


CURRENCIES = _by_word(
    {
        "eur": "€ eur euro euros",
        "usd": "$ usd us$ dollar dollars",
        "gbp": "£ gbp pound pounds",
        "chf": "chf sfr franken francs",
        "brl": "r$ brl reais",
        "jpy": "¥ jpy yen",
        "try": "₺ lira",
        "pln": "pln zł zloty",
        "inr": "₹ inr rupees",
        "aed": "aed dirham dirhams",
        "sar": "sar riyal riyals",
        "rub": "₽ rub",
        "uah": "₴ uah",
        "krw": "₩ krw",
        "ils": "₪ ils",
        "sek": "sek kronor",
        "dkk": "dkk kroner",
        "ngn": "₦",
        "thb": "฿",
        "vnd": "₫",
        "php": "₱",
        "cent": "cent cents ct",
    }
)

WEEKDAYS = _by_word(
    {
        0: "monday mon montag lundi lunes lunedi segunda-feira maandag",
        1: "tuesday tue tues dienstag mardi martes martedi terca-feira dinsdag",
        2: "wednesday wed mittwoch mercredi miercoles mercoledi quarta-feira woensdag",
        3: "thursday thu thur thurs donnerstag jeudi jueves giovedi quinta-feira donderdag",
        4: "friday fri freitag vendredi viernes venerdi sexta-feira vrijdag",
        5: "saturday sat samstag sonnabend samedi sabado sabato zaterdag",
        6: "sunday sun sonntag dimanche domingo domenica zondag",
    }
)
"""0 is Monday."""

MONTHS = _by_word(
    {
        1: "january jan januar janner janvier enero gennaio janeiro januari",
        2: "february feb februar fevrier febrero febbraio fevereiro februari",
        3: "march mar marz mars marzo marco maart",
        4: "april apr avril abril aprile",
        5: "may mai mayo maggio maio mei",
        6: "june jun juni juin junio giugno junho",
        7: "july jul juli juillet julio luglio julho",
        8: "august aug aout agosto augustus",
        9: "september sep sept septembre septiembre settembre setembro",
        10: "october oct okt oktober octobre octubre ottobre outubro",
        11: "november nov novembre noviembre novembro",
        12: "december dec dez dezember decembre diciembre dicembre dezembro",
    }
)

_TENS = range(20, 100, 10)
_COUNTED = {
    "en": """one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
        seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety""",
    "de": """eins zwei drei vier funf sechs sieben acht neun zehn elf zwolf dreizehn vierzehn funfzehn
        sechzehn siebzehn achtzehn neunzehn zwanzig dreissig vierzig funfzig sechzig siebzig achtzig
        neunzig""",
    "fr": """- deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize dix-sept
        dix-huit dix-neuf vingt trente quarante cinquante soixante - quatre-vingts -""",
    "es": """uno dos - cuatro cinco seis siete ocho nueve diez - doce trece catorce quince dieciseis
        diecisiete dieciocho diecinueve veinte treinta cuarenta cincuenta sesenta setenta ochenta
        noventa""",
    "it": """uno - tre quattro cinque - sette - nove dieci undici dodici tredici quattordici quindici sedici
        diciassette diciotto diciannove venti trenta quaranta cinquanta sessanta settanta ottanta
        novanta""",
    "pt": """- dois - quatro cinco seis sete oito nove dez onze doze treze quatorze quinze dezesseis
        dezessete dezoito dezenove vinte trinta quarenta cinquenta sessenta setenta oitenta noventa""",
    "nl": """- twee drie vier vijf zes zeven acht negen tien elf twaalf dertien veertien vijftien zestien
        zeventien achttien negentien twintig dertig veertig vijftig zestig zeventig tachtig negentig""",
}
"""1 to 19, then the tens. "-": a word that is also an article, or something else in another of the languages
(once, due, tres): as a plain word it needs a fact just the same."""


def _number_words() -> dict[str, int]:
    spoken: dict[str, int] = {}
    for language, words in _COUNTED.items():
        numbers = dict(zip([*range(1, 20), *_TENS], words.split(), strict=True))
        numbers = {number: word for number, word in numbers.items() if word != "-"}
        spoken |= {word: number for number, word in numbers.items()}
        tens = [number for number in numbers if number in _TENS]
        units = [number for number in numbers if number < 10]
        spoken |= {_compound(language, numbers[t], numbers[u]): t + u for t in tens for u in units}
    return spoken


def _compound(language: str, ten: str, unit: str) -> str:
    if language == "de":
        return f"{'ein' if unit == 'eins' else unit}und{ten}"
    return f"{unit}en{ten}" if language == "nl" else f"{ten}-{unit}"


NUMBER_WORDS = _number_words()
