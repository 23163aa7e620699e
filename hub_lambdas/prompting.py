"""What the LLM is given for a turn.

First what is the same for every turn of an organization, so that an engine computes it once: the
instructions, and canned prompts as worked examples. Each example shows a fact, a question and the answer
that the fact gives; some show what to do without a fact: write HANDOVER_MARK, and staff take over. Then the
latest turns of the conversation. Last comes the contact's question behind the fact of the canned prompt
that is most like it.

A second try, after an answer that the check (`grounding`) did not let pass, asks for the fact alone.

A model of 135 million parameters that is given its fact this way repeats it; given all facts at once it
invents (docs/answers.md has the figures).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from console.conversations.models import Turn
from console.exact_text import printable
from console.prompts.models import CannedPrompt, PromptVersion, live_canned
from hub_lambdas import matching
from hub_lambdas.questions import HISTORY_TURNS, Exchange, OfTurn, Question
from hub_lambdas.turns import HANDOVER_MARK

if TYPE_CHECKING:
    from hub_lambdas import grounding

MAX_EXAMPLES = 10
OFF_TOPIC_SHARE = 0.4
"""So many examples without a fact to each with one: more of them make a small model give up what it knows."""
REPEATED_EXAMPLES = 4
MIN_SIMILARITY = 0.3
"""Below it a canned prompt has nothing to do with the question. At 0.2 every second question that the demo
clinic has no answer to got one of its facts, at 0.3 every fourth, and two of 76 others lost theirs."""

DEFAULT_INSTRUCTIONS = "You answer customers' messages in one or two short, friendly sentences."
RULE = (
    f"Answer from the facts given with each question. If they do not answer it, write only: {HANDOVER_MARK}"
)
STRICT_RULE = "Use only words that stand in these instructions."
REPEAT = "Repeat the fact."
FILE_NOTE = "A {file} came with this question. You cannot see it."
"""In front of the facts. Of 26 questions to the demo clinic the check stopped an answer to 8 with it there,
as without it; to 14 with it behind the question, to 22 beside the fact. 21 were answered right each time."""
PICTURES = ("image", "photo")
GREETING = "Hello"
OFF_TOPIC = (
    "Do you sell sunglasses?",
    "Who won the football match?",
    "What is the capital of Norway?",
    "Can you translate a letter?",
    "Is the lake frozen?",
)
"""Questions that hardly any organization has an answer to; those that its canned prompts resemble are left
out."""

ChatMessage = dict[str, str]


@dataclass(frozen=True)
class Told:
    """What an organization tells the LLM: its instructions, and its active canned prompts in order."""

    instructions: str
    canned: Sequence[CannedPrompt]


@dataclass(frozen=True)
class Chat:
    """What the LLM is given for a question, in the order of its parts. `found`: the canned prompt that the
    question is about, whose fact stands with it. `dropped`: how many exchanges before are left out."""

    opening: Sequence[ChatMessage]
    examples: Sequence[ChatMessage]
    history: Sequence[ChatMessage]
    question: ChatMessage
    shown: Sequence[CannedPrompt] = ()
    found: CannedPrompt | None = None
    dropped: int = 0

    @property
    def messages(self) -> list[ChatMessage]:
        return [*self.opening, *self.examples, *self.history, self.question]


def published_prompt(organization_id: int) -> PromptVersion | None:
    """The version that requests are asked with now, if the organization has published one."""
    published = PromptVersion.objects.filter(
        organization_id=organization_id, status=PromptVersion.Status.PUBLISHED
    )
    return published.defer("canned_prompts").first()  # while it is published they are rows of their own


def told(organization_id: int, prompt: PromptVersion | None) -> Told:
    """What a version tells the LLM, or an organization that has none."""
    canned = prompt.canned if prompt else live_canned(organization_id)
    instructions = prompt.instructions.strip() if prompt else ""
    return Told(instructions or DEFAULT_INSTRUCTIONS, [each for each in canned if each.is_active])


def sources(turn: Turn, prompt: PromptVersion | None) -> "grounding.Sources":
    """What an answer to `turn` may draw on."""
    return sources_of(OfTurn(turn), told(turn.organization_id, prompt), turn.organization.name)


def sources_of(question: Question, told: Told, name: str) -> "grounding.Sources":
    """What an answer to a question may draw on. `name`: the organization's."""
    from hub_lambdas import grounding  # for replies only: its patterns would slow down every cold start

    found = asked_for(told.canned, question)
    return grounding.Sources(
        instructions=told.instructions,
        facts=[grounding.Fact(each.answer, each.wordings, each is found) for each in told.canned],
        said=question.said,
        contact_texts=[question.text],
        name=name,
        rule=f"{RULE} {STRICT_RULE}",
    )


def chat_messages(turn: Turn, prompt: PromptVersion | None, attempt: int = 1) -> list[ChatMessage]:
    """OpenAI-style messages for `turn`. The second `attempt` is for an answer that could not be sent."""
    return chat(OfTurn(turn), told(turn.organization_id, prompt), attempt).messages


def chat(question: Question, told: Told, attempt: int = 1) -> Chat:
    """What the LLM is given for a question."""
    found = asked_for(told.canned, question)
    if attempt > 1 and found and question.is_one_message:
        return _repetition(told.canned, found, dropped=len(question.history))
    history = question.history[-HISTORY_TURNS:] if attempt == 1 else []
    asked = _asked(found.answer if found else "", question.text)
    return Chat(
        opening=_opening(told, RULE if attempt == 1 else f"{RULE} {STRICT_RULE}"),
        examples=_dialogue(_examples(told.canned)),
        history=_dialogue(history),
        question=_said("user", _note_on_file(question) + asked),
        shown=told.canned[:MAX_EXAMPLES],
        found=found,
        dropped=len(question.history) - len(history),
    )


def beginning(organization_id: int) -> list[ChatMessage]:
    """What the first messages of all chats with an organization are, and a question that nobody asked."""
    what = told(organization_id, published_prompt(organization_id))
    return [*_opening(what, RULE), *_dialogue(_examples(what.canned)), _said("user", _asked("", GREETING))]


def _opening(told: Told, rule: str) -> list[ChatMessage]:
    return [_said("system", f"{told.instructions} {rule}")]


def _repetition(canned: Sequence[CannedPrompt], found: CannedPrompt, dropped: int) -> Chat:
    """A model that told a fact in words of its own, and wrongly, is asked for the fact and nothing else. Of
    several messages it would answer one."""
    others = [each for each in canned if each is not found][:REPEATED_EXAMPLES]
    return Chat(
        opening=[_said("system", REPEAT)],
        examples=_dialogue((f"Fact: {each.answer}", each.answer) for each in others),
        history=[],
        question=_said("user", f"Fact: {found.answer}"),
        shown=others,
        found=found,
        dropped=dropped,
    )


def _examples(canned: Sequence[CannedPrompt]) -> list[tuple[str, str]]:
    """(what is asked, what is answered), those without a fact in the middle of the others: a small model
    copies what stands last. The last wording is shown, the least literal one: it teaches that other words
    have the same answer."""
    known = [(_asked(each.answer, each.wordings[-1]), each.answer) for each in canned[:MAX_EXAMPLES]]
    off_topic = [question for question in OFF_TOPIC if not _most_like(canned, question)]
    unknown = [
        (_asked("", question), HANDOVER_MARK) for question in off_topic[: int(len(known) * OFF_TOPIC_SHARE)]
    ]
    middle = len(known) // 2
    return [*known[:middle], *unknown, *known[middle:]]


def _asked(fact: str, question: str) -> str:
    return f"Facts: {fact or 'none'}\n\nQuestion: {question}"


def asked_for(canned: Sequence[CannedPrompt], question: Question) -> CannedPrompt | None:
    """The canned prompt that a question is about. A question that says too little by itself ("and for
    children?") is read together with the one before it."""
    found = _most_like(canned, question.text)
    if found or not canned or not question.history:
        return found
    return _most_like(canned, f"{question.history[-1][0]} {question.text}")


def _most_like(canned: Sequence[CannedPrompt], question: str) -> CannedPrompt | None:
    match = _index(canned).find(question)
    if match is None or match.similarity < MIN_SIMILARITY:
        return None
    return canned[match.key]


def _index(canned: Sequence[CannedPrompt]) -> matching.Index:
    return matching.index(
        tuple((place, text) for place, each in enumerate(canned) for text in (*each.wordings, each.answer))
    )


def _note_on_file(question: Question) -> str:
    """What to know of a question that a picture or another file came with."""
    note = FILE_NOTE.format(file="picture" if question.file_kind in PICTURES else "file")
    return f"{note}\n\n" if question.file_kind else ""


def _dialogue(pairs: Iterable[Exchange]) -> list[ChatMessage]:
    return [
        said for question, answer in pairs for said in (_said("user", question), _said("assistant", answer))
    ]


def _said(role: str, text: str) -> ChatMessage:
    return {"role": role, "content": printable(text).strip()}
