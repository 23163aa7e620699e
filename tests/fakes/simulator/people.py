"""Who writes: names for the contacts, in the order in which they come."""

_NAMES = (
    *("Ada Brandt", "Ben Okafor", "Carla Rossi", "Deniz Aydın", "Elif Kaya", "Farid Haddad"),
    *("Grace Chen", "Hugo Martins", "Ines Keller", "Jonas Weber", "Kofi Mensah", "Lena Novak"),
)


def name_of(number: int) -> str:
    """The name of the contact of that number; from the thirteenth on with a number behind it."""
    round_, place = divmod(number, len(_NAMES))
    return f"{_NAMES[place]} {round_ + 1}" if round_ else _NAMES[place]
