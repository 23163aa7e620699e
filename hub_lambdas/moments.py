"""A moment to come as contacts read it, with its weekday in the languages that the hub knows those of."""

from datetime import datetime

_WEEKDAYS = {
    "en": "Monday Tuesday Wednesday Thursday Friday Saturday Sunday",
    "de": "Montag Dienstag Mittwoch Donnerstag Freitag Samstag Sonntag",
    "fr": "lundi mardi mercredi jeudi vendredi samedi dimanche",
    "es": "lunes martes miércoles jueves viernes sábado domingo",
    "it": "lunedì martedì mercoledì giovedì venerdì sabato domenica",
    "pt": "segunda-feira terça-feira quarta-feira quinta-feira sexta-feira sábado domingo",
    "nl": "maandag dinsdag woensdag donderdag vrijdag zaterdag zondag",
}
_WEEK_DAYS = 7


def say(moment: datetime, now: datetime, language: str) -> str:
    """`moment`, of which the zone is the reader's: "14:00" where it is today, "Monday 09:00" within a week,
    else with its date."""
    days = (moment.date() - now.astimezone(moment.tzinfo).date()).days
    if days == 0:
        return f"{moment:%H:%M}"
    names = _WEEKDAYS.get(language.partition("-")[0], "").split()
    if names and days < _WEEK_DAYS:
        return f"{names[moment.weekday()]} {moment:%H:%M}"
    return f"{names[moment.weekday()]} {moment:%Y-%m-%d %H:%M}" if names else f"{moment:%Y-%m-%d %H:%M}"
