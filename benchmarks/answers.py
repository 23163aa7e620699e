"""How the demo clinic's questions, asked in other words, come back: right, handed over, or wrong.

    .venv/bin/python -m benchmarks.answers [--model PATH.gguf]

The production path builds each prompt from rows imported from `demo/dental-clinic.yaml`; the embedded
engine answers it. Prints the Markdown table of docs/answers.md. A question counts as right when the fact
that it asks for is in the answer.
"""

import argparse
import os
from pathlib import Path

from benchmarks.environment import prepare

DEMO = Path(__file__).resolve().parent.parent / "demo/dental-clinic.yaml"
PARAPHRASES = [
    ("whitening price?", "240 €"),
    ("how much would you charge me for a check up", "45 €"),
    ("price for having my teeth cleaned", "70 €"),
    ("cost for a new crown?", "620 €"),
    ("how expensive are fillings", "90 €"),
    ("are you open on saturday?", "9:00"),
    ("do you work on sundays", "closed on Sunday"),
    ("when do you close in the evening?", "18:00"),
    ("whats the address of the clinic", "12 Garden Street"),
    ("how do I get to you?", "12 Garden Street"),
    ("can I park there?", "free parking"),
    ("I would like to phone you", "030 555 0100"),
    ("my tooth is killing me", "030 555 0199"),
    ("is my insurance accepted?", "public and private insurance"),
    ("can I pay with a credit card", "card"),
    ("do you take cash?", "cash"),
    ("my son is 5, do you see kids?", "children from the age of 2"),
    ("I need to reschedule my appointment", "24 hours"),
    ("do you speak spanish?", "Spanish"),
    ("it is my first time with you, what do I need to bring?", "insurance card"),
]
OFF_TOPIC = [
    "what is the weather tomorrow?",
    "do you sell shoes?",
    "who won the world cup",
    "can you write my homework?",
    "do you have a job for me?",
    "what is the capital of France",
    "my order has not arrived",
    "do you do braces?",
    "can I get a refund?",
    "is doctor Miller married?",
]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", help="a GGUF file in place of the embedded model")
    arguments = parser.parse_args()
    prepare()
    if arguments.model:
        os.environ["HUB_LLM_MODEL"] = str(Path(arguments.model).resolve())
    from benchmarks.asking import Clinic

    clinic = Clinic(DEMO)
    print("| question | answer | |\n|---|---|---|")
    right = handed_over = 0
    for question, fact in PARAPHRASES:
        answer = clinic.ask(question)
        verdict = "staff" if answer is None else "right" if fact.lower() in answer.lower() else "wrong"
        right += verdict == "right"
        handed_over += verdict == "staff"
        print(f"| {question} | {answer or '*handed over*'} | {verdict} |")
    wrong = len(PARAPHRASES) - right - handed_over
    print(f"\n{right} of {len(PARAPHRASES)} right, {handed_over} handed over, {wrong} wrong.\n")
    print("| off-topic question | answer |\n|---|---|")
    answers = {question: clinic.ask(question) for question in OFF_TOPIC}
    for question, answer in answers.items():
        print(f"| {question} | {answer or '*handed over*'} |")
    print(f"\n{list(answers.values()).count(None)} of {len(OFF_TOPIC)} handed over.")


if __name__ == "__main__":
    main()
