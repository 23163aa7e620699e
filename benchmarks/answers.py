"""What becomes of the questions in `benchmarks/questions.yaml`: answered right or beside the point, or handed
over; what the check stopped; and what reached a contact in words that are not the clinic's.

    .venv/bin/python -m benchmarks.answers [--model PATH.gguf]

The production path builds each prompt from rows imported from `demo/dental-clinic.yaml`; the embedded
engine answers it; `grounding` checks the answer; an answer with an objection is asked for once more. Prints
the Markdown of docs/answers.md. A question counts as right when the fact that it asks for is in the answer.

What no program can tell is whether an answer is true. One that consists of whole sentences of the clinic's
file is; every other one has to be read by a person, who notes it under `read_and_true` in the questions.
"""

import argparse
import itertools
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
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


@dataclass(frozen=True)
class Row:
    """A question of a class, and what became of it. `is_true`: known to say nothing that the file does not;
    None: nobody has looked."""

    name: str
    question: Question
    answer: str | None
    objections: Sequence[str]
    is_true: bool | None

    @property
    def verdict(self) -> str:
        """Of three."""
        return self.question.verdict(self.answer)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", help="a GGUF file in place of the embedded model")
    arguments = parser.parse_args()
    prepare()
    if arguments.model:
        os.environ["HUB_LLM_MODEL"] = str(Path(arguments.model).resolve())
    rows = list(ask(yaml.safe_load(QUESTIONS.read_text(encoding="utf-8"))))
    print_summary(rows)
    for name, group in itertools.groupby(rows, key=lambda row: row.name):
        print_answers(name, group)


def ask(file: Mapping[str, Any]) -> Iterator[Row]:
    """Ask every question of the file."""
    from benchmarks.asking import Clinic

    clinic = Clinic(DEMO)
    own = _sentences(DEMO.read_text(encoding="utf-8"))
    read = {(each["asked"], each["answer"]) for each in file[READ]}
    for name, entries in file.items():
        for entry in entries if name != READ else ():
            question = Question.read(entry)
            outcome = clinic.ask(*question.asked)
            objections = [each.objection for each in outcome.attempts if each.objection]
            is_true = outcome.answer is None or _is_own(outcome.answer, own)
            is_read = (question.asked[-1], outcome.answer) in read
            yield Row(name, question, outcome.answer, objections, is_true or is_read or None)


def print_summary(rows: Sequence[Row]) -> None:
    """A table by class, and what is known of the truth of the answers."""
    print("| class | questions | right | beside the point | handed over | stopped | saved by a second try |")
    print("|---|---|---|---|---|---|---|")
    for name, group in itertools.groupby(rows, key=lambda row: row.name):
        of_class = list(group)
        count = Counter(row.verdict for row in of_class)
        stopped = [row for row in of_class if row.objections]
        saved = sum(row.answer is not None for row in stopped)
        verdicts = f"{count['right']} | {count['beside the point']} | {count['handed over']}"
        print(f"| {_title(name)} | {len(of_class)} | {verdicts} | {len(stopped)} | {saved} |")
    answered = [row for row in rows if row.answer]
    unread = sum(row.is_true is None for row in answered)
    print(f"\n{len(answered)} of {len(rows)} answered, {len(rows) - len(answered)} handed over.")
    print(f"{len(answered) - unread} answers known to be true, {unread} to be read.")


def print_answers(name: str, rows: Iterable[Row]) -> None:
    """What each contact of a class got."""
    print(f"\n### {_title(name)}\n\n| question | what the contact got | stopped because |\n|---|---|---|")
    for row in rows:
        unread = " **(to be read)**" if row.is_true is None else ""
        got = f"{row.answer}{unread}" if row.answer else "*handed over*"
        cells = (" → ".join(row.question.asked), got, " / ".join(row.objections))
        print(f"| {' | '.join(each.replace('|', '/').replace(chr(10), ' ') for each in cells)} |")


def _title(name: str) -> str:
    return name.replace("_", " ")


def _is_own(answer: str, own: Set[str]) -> bool:
    """Whole sentences of the clinic's file. "Yes" is true or not with the question: a person must look."""
    return _sentences(answer) <= own and not re.match(r"(yes|no)\b", answer, re.IGNORECASE)


def _sentences(text: str) -> set[str]:
    """Those of a text or of the file, where each value stands behind its key."""
    lines = re.sub(r"^ *(?:- )?\w+: ", "", text, flags=re.MULTILINE)
    return {each.strip(" .!;") for each in re.split(r"(?<=[.!?;])\s|\n", lines)} - {""}


if __name__ == "__main__":
    main()
