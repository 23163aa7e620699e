"""What may be sent to a contact, and what not."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hub_lambdas.grounding import Fact, Sources, objection
from hub_lambdas.grounding.claims import clauses

DEMO = yaml.safe_load((Path(__file__).parents[2] / "demo/dental-clinic.yaml").read_text(encoding="utf-8"))
RULE = "Answer from the facts given with each question. If they do not answer it, write only: STAFF"
CHECK_UP, WHITENING = "How much is a check-up?", "How much is a whitening?"
HOURS, CHILDREN, PAYING = "What are your opening hours?", "Do you treat children?", "How can I pay?"
PHONE, FILLING = "What is your phone number?", "How much is a filling?"


def clinic(question: str, about: str = "") -> Sources:
    """The demo clinic, asked `question`, which is about the canned prompt `about`."""
    facts = [
        Fact(each["answer"], [each["question"], *each.get("also_asked", [])], each["question"] == about)
        for each in DEMO["canned_prompts"]
    ]
    return Sources(DEMO["prompt"], facts, contact_texts=[question], name=DEMO["name"], rule=RULE)


CANNED = [(each["question"], each["answer"]) for each in DEMO["canned_prompts"]]
WORDINGS = [
    (wording, each["question"], each["answer"])
    for each in DEMO["canned_prompts"]
    for wording in (each["question"], *each.get("also_asked", []))
]


@pytest.mark.parametrize(("wording", "question", "answer"), WORDINGS)
def test_a_canned_answer_may_always_be_sent(wording: str, question: str, answer: str) -> None:
    assert objection(answer, clinic(wording, question)) == ""


OPENING = next(index for index, (_, answer) in enumerate(CANNED) if "18:00" in answer)
NUMBERS = [(each, answer, found) for each, answer in CANNED for found in re.finditer(r"\d+", answer)]


@example((*CANNED[OPENING], re.search("(?<=18:)00", CANNED[OPENING][1])), 1)
@given(st.sampled_from(NUMBERS), st.integers(0, 9999))
def test_a_canned_answer_with_another_number_never(case: tuple[str, str, re.Match[str]], number: int) -> None:
    question, answer, found = case
    changed = f"{answer[: found.start()]}{number}{answer[found.end() :]}"
    said = {int(each) for each in re.findall(r"\d+", answer)}
    if number not in said:
        assert objection(changed, clinic(question, question))


@pytest.mark.parametrize(
    ("question", "about", "answer"),
    [
        (CHECK_UP, CHECK_UP, "A check-up is 45 euros."),
        (CHECK_UP, CHECK_UP, "It costs 45 €."),
        (CHECK_UP, CHECK_UP, "45 €"),
        (WHITENING, WHITENING, "The whitening takes about 1 hour and costs 240,00 EUR."),
        (WHITENING, WHITENING, "A whitening takes about one hour."),
        ("how expensive are fillings", FILLING, "A filling costs from 90 €."),
        ("are you open on saturday", HOURS, "Yes, on Saturdays we are open from 9 am to 1 pm."),
        ("on wednesday?", HOURS, "We are open on Wednesday from 8:00 to 18:00."),
        ("do you work on sundays", HOURS, "We are closed on Sunday."),
        ("my son is 5, do you see kids?", CHILDREN, "Yes, we treat children from the age of 2."),
        ("credit card?", PAYING, "You can pay in cash or by card."),
        ("phone?", PHONE, "Our phone number is (030) 5550100."),
        ("phone?", PHONE, "Thank you for contacting Bright Smile Dental! You can call us at 030 555 0100."),
        ("hi", "", "Hello! How can I help you today?"),
        ("merci", "", "Merci!"),
    ],
)
def test_facts_in_other_words(question: str, about: str, answer: str) -> None:
    assert objection(answer, clinic(question, about)) == ""


@pytest.mark.parametrize(
    ("question", "about", "answer", "reason"),
    [
        ("do you sell sunglasses?", "", "Yes, we sell sunglasses.", "“sell”"),
        ("do you sell sunglasses?", "", "Yes.", "says nothing"),
        ("are you a mosque?", "", "We are not a mosque.", "“mosque”"),
        ("what is the capital of France", "", "The capital of France is Paris.", "“capital”"),
        ("do you speak japanese?", "", "Yes, we speak Japanese.", "“japanese”"),
        ("the price is 1 €, right?", CHECK_UP, "Yes, a check-up costs 1 €.", "the price 1 €"),
        ("your site is www.x.example?", "", "Visit www.x.example.", "the link www.x.example"),
        (
            "is it ann@x.example",
            PHONE,
            "You can call us at ann@x.example.",
            "the e-mail address ann@x.example",
        ),
        ("your number in Berlin", PHONE, "You can call us at 030 555 0101.", "the phone number 030 555 0101"),
        ("phone?", PHONE, "Our phone number is +1 30 555 0100.", "the phone number +1 30 555 0100"),
        ("open on 24 December?", HOURS, "We are open on 24 December.", "the date 24 december"),
        ("how many dentists?", "", "Two.", "no single fact"),
        ("Wie viel kostet es?", "", "Wie viel kostet es?", "“viel”"),
        ("👍", "", "👍", "says nothing"),
        ("ok?", "", "", "says nothing"),
    ],
)
def test_what_nobody_said(question: str, about: str, answer: str, reason: str) -> None:
    assert reason in objection(answer, clinic(question, about))


@pytest.mark.parametrize(
    ("about", "answer"),
    [
        (CHECK_UP, "A check-up costs 240 €."),
        (CHECK_UP, "A check-up takes about one hour."),
        (CHECK_UP, "A check-up costs 45 €. It takes about one hour."),
        (FILLING, "A filling costs 90 €."),
        (HOURS, "We are open on Saturday from 8:00 to 18:00."),
        (HOURS, "We are open on Sunday."),
        (HOURS, "We are closed on Saturday."),
        (HOURS, "We are open Monday to Sunday from 8:00 to 18:00."),
        (CHILDREN, "We do not treat children."),
        (PAYING, "You cannot pay in cash."),
        (CHECK_UP, "A check-up costs 45 €; the entrance is on Mill Lane."),
    ],
)
def test_true_pieces_put_together_wrongly(about: str, answer: str) -> None:
    assert objection(answer, clinic(about, about))


@pytest.mark.parametrize(
    ("question", "about", "answer"),
    [
        ("how much are braces?", CHECK_UP, "It costs 45 €."),
        ("do you treat horses?", CHILDREN, "Yes, we treat children from the age of 2."),
        ("do you take cash?", "Where can I park?", "A check-up costs 45 €."),
    ],
)
def test_true_but_no_answer(question: str, about: str, answer: str) -> None:
    assert objection(answer, clinic(question, about))


@pytest.mark.parametrize(
    "answer",
    [
        "Facts: A check-up costs 45 €.",
        "A check-up costs 45 €.\nQuestion: And a crown?",
        "Answer from the facts given with each question.",
        "You are the assistant of Bright Smile Dental, a dental clinic.",
        "My system prompt is secret.",
        "STAFF is closed",
    ],
)
def test_instructions_are_not_quoted(answer: str) -> None:
    assert objection(answer, clinic(CHECK_UP, CHECK_UP))


class TestInstructionsWithFacts:
    """An organization that writes all it knows into its instructions, without canned prompts."""

    SOURCES = Sources(
        "You are the assistant of Lakeside Yoga. Never offer discounts to customers. "
        "Answer in two sentences.\n"
        "A single class costs 18 €, a card of ten classes 150 €. We do not take cash, cheques or vouchers.\n"
        "Yoga with Ann is on Tuesday at 18:00 and with Ben on Thursday at 7:30.",
        name="Lakeside Yoga",
    )

    @pytest.mark.parametrize(
        "answer",
        [
            "A single class costs 18 €.",
            "A single class costs 18 € and a card of ten classes costs 150 €.",
            "We do not take cash.",
            "Yoga with Ann is on Tuesday at 6 pm.",
        ],
    )
    def test_they_may_be_told(self, answer: str) -> None:
        assert objection(answer, self.SOURCES) == ""

    @pytest.mark.parametrize(
        "answer",
        [
            "A single class costs 150 €.",
            "We take cheques.",
            "We take cash.",
            "Yoga with Ben is on Tuesday at 18:00.",
            "Yoga with Ann is on Thursday.",
            "It is two.",
            "You are the assistant of Lakeside Yoga.",
            "Never offer discounts to customers.",
        ],
    )
    def test_but_not_mixed_or_quoted(self, answer: str) -> None:
        assert objection(answer, self.SOURCES)


def test_what_staff_wrote_is_a_source() -> None:
    asked = clinic("and on Christmas Eve?")
    answer = "On 24 December we are open until 12:00."
    assert objection(answer, asked)
    assert objection(answer, replace(asked, said=["On December 24th we are open until 12:00."])) == ""


def test_a_small_count_of_the_contact_may_come_back_where_the_fact_has_none() -> None:
    group = Sources(
        "", [Fact("Groups are welcome.", ["Do you take groups?"], True)], contact_texts=["we are 4"]
    )
    assert objection("Groups of 4 are welcome.", group) == ""
    assert objection("Groups of 5 are welcome.", group)
    children = clinic("my son is 5", CHILDREN)
    assert objection("We treat children from the age of 5.", children)


def test_yes_is_an_answer_where_it_is_the_canned_one_and_covers_the_question() -> None:
    wifi = Sources("", [Fact("Yes.", ["Do you have wifi?"], True)], contact_texts=["is there wifi"])
    assert objection("Yes.", wifi) == ""
    assert "printer" in objection("Yes.", replace(wifi, contact_texts=["is there wifi and a printer"]))


def test_a_question_whose_answer_is_no_is_not_its_answer() -> None:
    cards = Sources("", [Fact("We take cash only.", ["Do you take credit cards?"], True)])
    assert objection("We take cash only.", cards) == ""
    assert objection("We take credit cards.", cards)


@pytest.mark.parametrize(
    ("fact", "wrong"),
    [
        ("Wir haben am Sonntag geschlossen.", "Wir haben am Sonntag geöffnet."),
        ("Una corona cuesta 620 €.", "Una corona cuesta 260 €."),
        ("Nous n'acceptons pas les chèques.", "Nous acceptons les chèques."),
        ("La visita costa 45 €.", "La visita costa cinquanta euro."),
        ("A limpeza custa 70 €.", "A limpeza custa 70 dólares."),
        ("Wij zijn open op maandag.", "Wij zijn open op dinsdag."),
        ("سعر الفحص ٤٥ €.", "سعر الفحص ٥٤ €."),
        ("周一到周五营业。", "周六营业。"),
    ],
)
def test_other_languages(fact: str, wrong: str) -> None:
    sources = Sources("", [Fact(fact, is_asked_for=True)])
    assert objection(fact, sources) == ""
    assert objection(wrong, sources)


def test_an_objection_is_short_and_can_be_stored() -> None:
    long = objection(f"Visit https://{'x' * 5000}.com", clinic("x"))
    assert long.startswith("It names the link https://xxx")
    assert len(long) <= 300
    assert "\x00" not in objection("Visit www.\x00x.com/\x00", clinic("x"))


@given(st.text(st.characters(), max_size=300))
@settings(max_examples=300)
def test_any_text_can_be_checked(text: str) -> None:
    assert len(objection(text, clinic(text, CHECK_UP))) <= 300
    objection(text, Sources(text, [Fact(text, [text], True)], [text], [text], text, text))


@given(st.text() | st.text(st.sampled_from("1 .,:€%+-/ah@wmo\n'")))
def test_any_canned_answer_may_be_repeated(text: str) -> None:
    assert objection(text, Sources("", [Fact(text, ["What?"], True)])) == ""
    if clauses(text):
        told = f"Hello! {text}"
        assert "nowhere" not in objection(told, Sources("", [Fact(text, ["What?"], True)]))


@pytest.mark.parametrize(
    "piece",
    [
        *("a", "1", "1 000 ", "a@", "......", "+1 ", "1.1.", "a.b.", "http://", "1:", "1/", "€1", "no, "),
        *("monday to ", "twenty-", "\ud800\x00é", "١ م ", "👍🏽"),
    ],
)
def test_long_texts_that_almost_match_are_read_to_the_end(piece: str) -> None:
    text = piece * (12_000 // len(piece))
    assert objection(f"{text} 4711 mosque", clinic(text, CHECK_UP))
