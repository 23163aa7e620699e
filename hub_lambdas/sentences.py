"""Sentences for staff that are kept with what they are about, and read later in any language."""


def stored(sentence: str, **values: object) -> str:
    """`sentence` with its `values`, in English, as it is stored. console/stored_sentences.py translates it
    where it is shown; "%(name)s" stands where a value does."""
    return sentence % values if values else sentence
