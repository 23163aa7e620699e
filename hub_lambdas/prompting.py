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

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING

from console.conversations.models import Message, Turn
from console.exact_text import printable
from console.prompts.models import CannedPrompt, PromptVersion
from hub_lambdas import matching
from hub_lambdas.turns import FILE_KINDS, HANDOVER_MARK

if TYPE_CHECKING:
    from hub_lambdas import grounding

MAX_EXAMPLES = 10
OFF_TOPIC_SHARE = 0.4
"""So many examples without a fact to each with one: more of them make a small model give up what it knows."""
REPEATED_EXAMPLES = 4
HISTORY_TURNS = 2
SAID_MESSAGES = 20
"""So many of the latest messages of the organization may be repeated in an answer."""
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


def published_prompt(organization_id: int) -> PromptVersion | None:
    """The version that requests are asked with now, if the organization has published one."""
    return PromptVersion.objects.filter(
        organization_id=organization_id, status=PromptVersion.Status.PUBLISHED
    ).first()


def sources(turn: Turn, prompt: PromptVersion | None) -> "grounding.Sources":
    """What an answer to `turn` may draw on."""
    from hub_lambdas import grounding  # for replies only: its patterns would slow down every cold start

    canned, question = _canned(turn.organization_id), _question(turn)
    asked_for = _asked_for(canned, question, partial(_history, turn))
    said = turn.conversation.messages.filter(
        direction=Message.Direction.OUT, state=Message.State.SENT
    ).order_by("-id")
    return grounding.Sources(
        instructions=prompt.instructions if prompt else DEFAULT_INSTRUCTIONS,
        facts=[grounding.Fact(each.answer, each.wordings, each == asked_for) for each in canned],
        said=list(said.values_list("text", flat=True)[:SAID_MESSAGES]),
        contact_texts=[question],
        name=turn.organization.name,
        rule=f"{RULE} {STRICT_RULE}",
    )


def chat_messages(turn: Turn, prompt: PromptVersion | None, attempt: int = 1) -> list[ChatMessage]:
    """OpenAI-style messages for `turn`. The second `attempt` is for an answer that could not be sent."""
    canned, question = _canned(turn.organization_id), _question(turn)
    history = _history(turn)
    found = _asked_for(canned, question, lambda: history)
    if attempt > 1 and found:
        return _repetition(canned, found)
    rule = RULE if attempt == 1 else f"{RULE} {STRICT_RULE}"
    return [
        *_beginning(canned, prompt, rule),
        *_dialogue(history if attempt == 1 else []),
        _said("user", _note_on_files(turn) + _asked(found.answer if found else "", question)),
    ]


def beginning(organization_id: int) -> list[ChatMessage]:
    """What the first messages of all chats with an organization are, and a question that nobody asked."""
    canned, prompt = _canned(organization_id), published_prompt(organization_id)
    return [*_beginning(canned, prompt, RULE), _said("user", _asked("", GREETING))]


def _beginning(canned: Sequence[CannedPrompt], prompt: PromptVersion | None, rule: str) -> list[ChatMessage]:
    instructions = prompt.instructions if prompt else DEFAULT_INSTRUCTIONS
    return [_said("system", f"{instructions.strip()} {rule}"), *_dialogue(_examples(canned))]


def _repetition(canned: Sequence[CannedPrompt], found: CannedPrompt) -> list[ChatMessage]:
    """A model that told a fact in words of its own, and wrongly, is asked for the fact and nothing else."""
    others = [each for each in canned if each != found][:REPEATED_EXAMPLES]
    return [
        _said("system", REPEAT),
        *_dialogue((f"Fact: {each.answer}", each.answer) for each in others),
        _said("user", f"Fact: {found.answer}"),
    ]


def _canned(organization_id: int) -> list[CannedPrompt]:
    active = CannedPrompt.objects.filter(organization_id=organization_id, is_active=True)
    return list(active.order_by("position", "id"))


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


def _asked_for(
    canned: Sequence[CannedPrompt], question: str, history: Callable[[], Sequence[tuple[str, str]]]
) -> CannedPrompt | None:
    """The canned prompt that a question is about. A question that says too little by itself ("and for
    children?") is read together with the one before it."""
    found = _most_like(canned, question)
    if found or not canned or not (before := history()):
        return found
    return _most_like(canned, f"{before[-1][0]} {question}")


def _most_like(canned: Sequence[CannedPrompt], question: str) -> CannedPrompt | None:
    match = _index(canned).find(question)
    if match is None or match.similarity < MIN_SIMILARITY:
        return None
    return next(each for each in canned if each.pk == match.key)


def _index(canned: Sequence[CannedPrompt]) -> matching.Index:
    return matching.index(tuple((each.pk, text) for each in canned for text in (*each.wordings, each.answer)))


def _history(current: Turn) -> list[tuple[str, str]]:
    """(what was asked, what was answered) in the turns before, the latest last."""
    answered = Turn.objects.filter(
        conversation=current.conversation_id, state=Turn.State.ANSWERED, pk__lt=current.pk
    ).order_by("-pk")[:HISTORY_TURNS]
    messages = Message.objects.filter(turn__in=answered.values("pk")).order_by("turn_id", "id")
    turns = [list(rows) for _, rows in groupby(messages.defer("payload"), key=attrgetter("turn_id"))]
    said = [(_written(rows), _answer(rows)) for rows in turns]
    return [(question, answer) for question, answer in said if question]  # a contact may take theirs back


def _question(turn: Turn) -> str:
    return _written(turn.message_rows)


def _note_on_files(turn: Turn) -> str:
    """What to know of a question that pictures or other files came with."""
    kind = next((message.kind for message in turn.message_rows if message.kind in FILE_KINDS), "")
    note = FILE_NOTE.format(file="picture" if kind in PICTURES else "file")
    return f"{note}\n\n" if kind else ""


def _written(messages: Iterable[Message]) -> str:
    written = (message for message in messages if message.direction == Message.Direction.IN)
    return "\n".join(text for message in written if (text := message.text.strip()))


def _answer(messages: Iterable[Message]) -> str:
    return "".join(
        message.text
        for message in messages
        if message.purpose == Message.Purpose.ANSWER and message.state == Message.State.SENT
    )


def _dialogue(pairs: Iterable[tuple[str, str]]) -> list[ChatMessage]:
    return [
        said for question, answer in pairs for said in (_said("user", question), _said("assistant", answer))
    ]


def _said(role: str, text: str) -> ChatMessage:
    return {"role": role, "content": printable(text).strip()}
