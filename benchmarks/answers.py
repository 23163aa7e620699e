"""What becomes of the questions in `benchmarks/questions.yaml`: answered right or beside the point, or handed
over; what the check stopped; and what reached a contact in words that are not the clinic's.

    .venv/bin/python -m benchmarks.answers [--model PATH.gguf]

The production path builds each prompt from rows imported from `demo/dental-clinic.yaml`; the embedded
engine answers it; `grounding` checks the answer; an answer with an objection is asked for once more. Prints
the Markdown of docs/answers.md. A question counts as right when the fact that it asks for is in the answer.

What no program can tell is whether an answer is true. Answers that consist of whole sentences of the clinic's
file are; every other one has to be read by a person, who notes it under `read_and_true` in the questions.
"""

import argparse
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmarks.environment import prepare

DEMO = Path(__file__).resolve().parent.parent / "demo/dental-clinic.yaml"
QUESTIONS = Path(__file__).resolve().with_name("questions.yaml")
READ = "read_and_true"


@dataclass(frozen=True)
class Question:
    """`asked`: a conversation, its last message counts. `right`: what a right answer matches; "" if the
    clinic has none."""

    asked: Sequence[str]
    right: str = ""

    @classmethod
    def read(cls, entry: str | Mapping[str, Any]) -> "Question":
        """From an entry of the file."""
        if isinstance(entry, str):
            return cls([entry])
        asked = entry["ask"]
        return cls([asked] if isinstance(asked, str) else asked, entry.get("right", ""))

    def verdict(self, answer: str | None) -> str:
        """What `answer`, None when the turn was handed over, is to this question."""
        if answer is None:
            return "handed over"
        return "right" if self.right and re.search(self.right, answer, re.IGNORECASE) else "beside the point"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", help="a GGUF file in place of the embedded model")
    arguments = parser.parse_args()
    prepare()
    if arguments.model:
        os.environ["HUB_LLM_MODEL"] = str(Path(arguments.model).resolve())
    from benchmarks.asking import Clinic, Outcome

    clinic = Clinic(DEMO)
    file = yaml.safe_load(QUESTIONS.read_text(encoding="utf-8"))
    read = set(file.pop(READ))
    asked = {name: [Question.read(entry) for entry in entries] for name, entries in file.items()}
    outcomes: dict[str, list[tuple[Question, Outcome]]] = {
        name: [(question, clinic.ask(*question.asked)) for question in questions]
        for name, questions in asked.items()
    }
    print(
        "| class | questions | right | beside the point | handed over | stopped | saved by the second try |"
    )
    print("|---|---|---|---|---|---|---|")
    for name, pairs in outcomes.items():
        count = Counter(question.verdict(outcome.answer) for question, outcome in pairs)
        stopped = [outcome for _, outcome in pairs if outcome.was_stopped]
        saved = sum(outcome.answer is not None for outcome in stopped)
        verdicts = f"{count['right']} | {count['beside the point']} | {count['handed over']}"
        print(f"| {name.replace('_', ' ')} | {len(pairs)} | {verdicts} | {len(stopped)} | {saved} |")
    reached = [outcome.answer for pairs in outcomes.values() for _, outcome in pairs if outcome.answer]
    total = sum(map(len, outcomes.values()))
    print(f"\n{len(reached)} of {total} answered, {total - len(reached)} handed over.")
    own = _sentences(DEMO.read_text(encoding="utf-8"))
    other = {answer for answer in reached if not _sentences(answer) <= own}
    unread = other - read
    print(
        f"{sum(answer not in other for answer in reached)} answers in whole sentences of the clinic's file, "
    )
    print(
        f"{sum(answer in other & read for answer in reached)} read and found true, {len(unread)} to be read."
    )
    for name, pairs in outcomes.items():
        print(
            f"\n### {name.replace('_', ' ')}\n\n"
            "| question | what the contact got | stopped because |\n|---|---|---|"
        )
        for question, outcome in pairs:
            objections = " / ".join(attempt.objection for attempt in outcome.attempts if attempt.objection)
            unread_mark = " **(to be read)**" if outcome.answer in unread else ""
            got = f"{outcome.answer}{unread_mark}" if outcome.answer else f"*{question.verdict(None)}*"
            print(f"| {_cell(' → '.join(question.asked))} | {_cell(got)} | {_cell(objections)} |")


def _sentences(text: str) -> set[str]:
    flat = re.sub(r"^ *(?:- )?\w+: ", "", text, flags=re.MULTILINE)
    return {
        each.strip(" .!\n")
        for each in re.split(r"(?<=[.!?;])\s|\n", flat.replace(";", "."))
        if each.strip(" .!\n")
    }


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


if __name__ == "__main__":
    main()
