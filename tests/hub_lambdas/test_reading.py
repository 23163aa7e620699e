"""A prompt that has changed is read by the LLM before the first contact asks."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from console.channels.models import Channel
from console.organizations.models import Organization
from console.prompts.models import CannedPrompt, PromptVersion
from hub_lambdas import sweep
from tests.fakes.sqs import FakeSqs
from tests.hub_lambdas.steps import ask

pytestmark = pytest.mark.django_db(transaction=True)
Write = Callable[..., dict[str, Any]]


@pytest.fixture(autouse=True)
def prompted(channel: Channel) -> None:
    loft = channel.organization
    CannedPrompt.objects.create(organization=loft, question="When are you open?", answer="Always.")
    PromptVersion.objects.create(organization=loft, instructions="You are the loft.").publish()


def pass_time() -> None:
    ago = timezone.now() - timedelta(seconds=10)
    Organization.objects.filter(prompts_changed_at__gt=ago).update(prompts_changed_at=ago)


def sweep_now(sqs: FakeSqs) -> list[Any]:
    """What the LLM is given to read."""
    sweep.handler({}, None)
    return [body for body in sqs.bodies("llm-requests") if body.get("wants_reply") is False]


def test_it_begins_as_every_question_does(sqs: FakeSqs, write: Write) -> None:
    pass_time()
    [body] = sweep_now(sqs)
    assert (body["organization"], body["priority"], body["max_tokens"]) == ("loft", "test", 1)
    sqs.queues["llm-requests"] = []
    ask(sqs, write, "When are you open?")
    [asked] = sqs.bodies("llm-requests")
    assert body["messages"][:-1] == asked["messages"][:-1]


def test_it_is_read_once_and_again_when_it_changes(sqs: FakeSqs) -> None:
    assert sweep_now(sqs) == [], "somebody may still be editing"
    pass_time()
    assert len(sweep_now(sqs)) == 1
    assert len(sweep_now(sqs)) == 1
    draft = PromptVersion.objects.create(
        organization=Organization.objects.get(), instructions="You are the nest."
    )
    pass_time()
    assert len(sweep_now(sqs)) == 1, "a draft is for nobody yet"
    Organization.objects.update(prompts_read_at=timezone.now() - timedelta(minutes=1))
    draft.publish()
    pass_time()
    assert len(sweep_now(sqs)) == 2


def test_nobody_reads_for_an_organization_without_a_channel(sqs: FakeSqs) -> None:
    pass_time()
    Channel.objects.update(status="retired")
    assert sweep_now(sqs) == []


def test_a_queue_out_of_reach_leaves_it_to_the_next_sweep(sqs: FakeSqs) -> None:
    pass_time()
    sqs.broken.add("llm-requests")
    assert sweep_now(sqs) == []
    sqs.broken.clear()
    assert len(sweep_now(sqs)) == 1
