"""The workshop's playground, test cases with their runs, and what staff teach the bot."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from console.conversations.models import Message, Turn
from console.prompts import drafts
from console.prompts.models import CannedPrompt, PromptVersion
from console.workshop import jobs
from console.workshop.judging import Comparison, judge
from console.workshop.models import Case, CaseRun, Rehearsal
from console.workshop.unanswered import Asked, grouped
from hub_lambdas import rehearsals
from tests import factories
from tests.console.conftest import World, body, signed_in
from tests.fakes.sqs import FakeSqs

HERE = "/workshop/zebra-clinic/"


@pytest.fixture
def draft(world: World) -> PromptVersion:
    """The draft of the world's organization, with another answer than what is published."""
    with drafts.editing(world.organization, world.admin) as draft:
        canned = draft.canned[0]
        canned.question, canned.answer = "How much is a whitening?", "A whitening costs 250 €."
        drafts.put(draft, canned)
    return draft


@pytest.fixture
def replies(monkeypatch: pytest.MonkeyPatch) -> dict[bool, str]:
    """What the LLM says, by whether the draft is asked; it replies at once."""
    said = {False: "A whitening costs 240 €.", True: "A whitening costs 250 €."}
    ask = rehearsals.ask

    def ask_and_reply(*args: Any, **fields: Any) -> Rehearsal:
        rehearsal = ask(*args, **fields)
        Rehearsal.objects.filter(pk=rehearsal.pk).update(state="answered", text=said[rehearsal.is_draft])
        return rehearsal

    monkeypatch.setattr(rehearsals, "ask", ask_and_reply)
    monkeypatch.setattr(jobs, "LOOK_EVERY_SECONDS", 0)
    return said


class TestPlayground:
    def test_both_versions_are_asked_and_what_came_of_it_stands_side_by_side(
        self, world: World, draft: PromptVersion, sqs: FakeSqs, django_capture_on_commit_callbacks: Any
    ) -> None:
        client = signed_in(world.admin)
        with django_capture_on_commit_callbacks(execute=True):
            page = client.post(f"{HERE}playground/", {"question": "How much is a whitening?"}, follow=True)
        assert "The LLM is asked…" in body(page)
        of_published, of_draft = sqs.requests()
        assert "zebra canned answer" in str(of_published["messages"])
        assert "A whitening costs 250 €." in str(of_draft["messages"])
        for request in (of_published, of_draft):
            reply = {"status": "completed", "text": "A whitening costs 250 €.", "prompt_tokens": 1234}
            rehearsals.store({**reply, "id": request["id"], "completion_tokens": 9})
        address = page.redirect_chain[-1][0]
        shown = body(client.get(address))
        assert "It names the price 250 €, which is nowhere in the facts." in shown, "as published"
        assert "1,234 tokens" in shown
        assert "The LLM is asked…" in shown, "the published version is asked a second time"
        assert signed_in(world.outsider).get(address).status_code == 404

    def test_a_conversation_goes_on_with_each_versions_own_answer(
        self, world: World, draft: PromptVersion, sqs: FakeSqs, replies: dict[bool, str]
    ) -> None:
        client = signed_in(world.agent)
        client.post(f"{HERE}playground/", {"question": "How much?"})
        pair = Rehearsal.objects.filter(question="How much?")[0].pair
        client.post(f"{HERE}playground/", {"question": "And for two?", "after": pair})
        found = Rehearsal.objects.filter(question="And for two?").order_by("is_draft")
        assert [each.history for each in found] == [
            [["How much?", "A whitening costs 240 €."]],
            [["How much?", "A whitening costs 250 €."]],
        ]


class TestCases:
    def test_one_is_made_of_a_turn_in_two_clicks(self, world: World) -> None:
        client = signed_in(world.admin)
        turn = factories.make_answered_turn(
            world.conversation, "How much is a whitening?", "A whitening costs 240 €, at 9:00."
        )
        conversation = f"/inbox/{world.conversation.pk}/"
        link = f"{HERE}cases/add/?turn={turn.pk}"
        assert link in body(client.get(conversation))
        form = client.get(link).context["form"]
        data = {name: form[name].value() for name in form.fields}
        client.post(f"{HERE}cases/add/", data)
        case = Case.objects.get(question="How much is a whitening?")
        assert (case.expectation, case.must_contain.splitlines()) == ("answered", ["240 €", "9:00"])
        assert case.history == [["zebra message text", "zebra answer text"]]

    def test_no_turn_of_another_organization_is_read(self, world: World) -> None:
        foreign = Turn.objects.exclude(organization=world.organization)[0]
        assert "heron" not in body(signed_in(world.admin).get(f"{HERE}cases/add/?turn={foreign.pk}"))
        own = world.conversation.turns.get()
        page = body(signed_in(world.outsider).get(f"/workshop/heron-bakery/cases/add/?turn={own.pk}"))
        assert "zebra" not in page

    def test_they_are_changed_and_deleted_by_admins(self, world: World) -> None:
        case = Case.objects.get(organization=world.organization)
        address = f"{HERE}cases/{case.pk}/"
        data = {"question": "Else?", "expectation": "handed_over"}
        assert signed_in(world.agent).post(address, data).status_code == 403
        client = signed_in(world.admin)
        client.post(address, data)
        case.refresh_from_db()
        assert (case.question, case.expectation) == ("Else?", "handed_over")
        assert "Delete the test case?" in body(client.post(f"{address}delete/"))
        client.post(f"{address}delete/", {"confirmed": "yes"})
        assert not Case.objects.filter(pk=case.pk).exists()

    @pytest.mark.parametrize(
        ("state", "text", "wanted", "problems"),
        [
            ("answered", "It costs 240 €.", {"must_contain": "240 €\ncosts"}, []),
            ("answered", "It costs 240 €.", {"must_contain": "250 €"}, ["“250 €” is missing."]),
            ("answered", "It is FREE.", {"must_not_contain": "free"}, ["“free” is in it."]),
            ("answered", "Yes.", {"expectation": "handed_over"}, ["The bot answers it."]),
            ("handed_over", "", {}, ["Staff would get it."]),
            ("handed_over", "", {"expectation": "handed_over", "must_contain": "x"}, []),
            ("failed", "", {}, None),
        ],
    )
    def test_what_a_case_says_of_an_outcome(
        self, state: str, text: str, wanted: dict[str, str], problems: list[str] | None
    ) -> None:
        assert judge(Case(**wanted), Rehearsal(state=state, text=text)).problems == problems

    def test_only_a_reply_on_both_sides_is_a_change(self) -> None:
        case = Case(must_contain="a")
        good, bad = Rehearsal(state="answered", text="a"), Rehearsal(state="answered", text="b")
        lost = Rehearsal(state="failed")
        pairs = [(good, bad), (bad, good), (good, good), (bad, bad), (good, lost), (good, None)]
        compared = [Comparison(case, before, after) for before, after in pairs]
        assert [each.change for each in compared] == ["worse", "better", "same", "same", "unknown", "unknown"]
        assert [each.gap for each in compared[3:]] == ["", "It got no reply.", "It was not asked."]

    @pytest.mark.parametrize("edit", [{"question": "Else?"}, {"history": [["Before?", "Yes."]]}])
    def test_an_answer_to_something_else_is_not_judged(self, edit: dict[str, Any]) -> None:
        answered = Rehearsal(state="answered", text="a")
        verdict = judge(Case(must_contain="a", **edit), answered)
        assert (verdict.problems, verdict.gap) == (None, "Its question has changed since.")


class TestRuns:
    def run(self, world: World, monkeypatch: pytest.MonkeyPatch, capture: Any) -> CaseRun:
        """All test cases, asked by a worker that is at it at once."""
        monkeypatch.setattr(jobs.run_cases, "delay", jobs.run_cases)
        with capture(execute=True):
            signed_in(world.admin).post(f"{HERE}cases/run/")
        return CaseRun.objects.filter(organization=world.organization)[0]

    def test_before_and_after_stand_in_a_table_and_publishing_warns(
        self,
        world: World,
        draft: PromptVersion,
        replies: dict[bool, str],
        sqs: FakeSqs,
        monkeypatch: pytest.MonkeyPatch,
        django_capture_on_commit_callbacks: Any,
    ) -> None:
        Case.objects.filter(organization=world.organization).update(must_contain="240 €")
        better = Case.objects.create(
            organization=world.organization, question="Dear?", must_contain="250 €", must_not_contain="240"
        )
        run = self.run(world, monkeypatch, django_capture_on_commit_callbacks)
        assert (run.state, run.done, run.total) == ("done", 4, 4)
        client = signed_in(world.admin)
        page = body(client.get(f"{HERE}cases/run/{run.pk}/"))
        assert page.index("zebra case question") < page.index(better.question), "what got worse stands first"
        assert "“240 €” is missing." in page
        page = body(client.get(f"{HERE}publish/"))
        assert "1 test case got worse" in page
        sent = {"revision": draft.revision}
        refused = client.post(f"{HERE}publish/", sent)
        assert (refused.status_code, drafts.draft_of(world.organization)) == (422, draft)
        client.post(f"{HERE}publish/", {**sent, "anyway": "on"})
        assert drafts.draft_of(world.organization) is None

    def test_a_run_of_a_draft_that_has_changed_since_says_nothing_of_it(
        self,
        world: World,
        draft: PromptVersion,
        replies: dict[bool, str],
        sqs: FakeSqs,
        monkeypatch: pytest.MonkeyPatch,
        django_capture_on_commit_callbacks: Any,
    ) -> None:
        Case.objects.filter(organization=world.organization).update(must_contain="240 €")
        run = self.run(world, monkeypatch, django_capture_on_commit_callbacks)
        with drafts.editing(world.organization, world.admin):
            pass
        client = signed_in(world.admin)
        assert "The draft has changed since." in body(client.get(f"{HERE}cases/run/{run.pk}/"))
        page = body(client.get(f"{HERE}publish/"))
        assert "got worse" not in page
        assert "The test cases were not run with the draft as it is now, beside what is published" in page

    def test_publishing_says_nothing_of_cases_that_the_run_did_not_ask(
        self,
        world: World,
        draft: PromptVersion,
        replies: dict[bool, str],
        sqs: FakeSqs,
        monkeypatch: pytest.MonkeyPatch,
        django_capture_on_commit_callbacks: Any,
    ) -> None:
        kept = Case.objects.get(organization=world.organization)
        edited = Case.objects.create(organization=world.organization, question="Edited?")
        self.run(world, monkeypatch, django_capture_on_commit_callbacks)
        client = signed_in(world.admin)
        fine = "2 of 2 test cases that were run are good with the draft, and none of them got worse."
        assert fine in body(client.get(f"{HERE}publish/"))
        Case.objects.filter(pk=edited.pk).update(question="Edited since?", must_contain="240 €")
        added = Case.objects.create(organization=world.organization, question="Added?", must_contain="240 €")
        page = body(client.get(f"{HERE}publish/"))
        assert "1 of 1 test case that was run is good with the draft, and it did not get worse." in page
        named = page[page.index("2 test cases are not judged") :]
        assert kept.question not in named
        assert 'Edited since?</strong> <span class="hub-muted">Its question has changed since.' in named
        assert f'{added.question}</strong> <span class="hub-muted">It was not asked.' in named
        assert f'action="{HERE}cases/run/"' in named, "they can be run at once"
        Case.objects.filter(pk=kept.pk).update(question="Edited, too?")
        page = body(client.get(f"{HERE}publish/"))
        assert "3 test cases are not judged" in page
        assert "good with the draft" not in page
        self.run(world, monkeypatch, django_capture_on_commit_callbacks)
        page = body(client.get(f"{HERE}publish/"))
        assert "2 test cases got worse" in page
        assert "not judged" not in page

    def test_what_a_case_wants_of_an_answer_may_change_without_asking_again(
        self,
        world: World,
        draft: PromptVersion,
        replies: dict[bool, str],
        sqs: FakeSqs,
        monkeypatch: pytest.MonkeyPatch,
        django_capture_on_commit_callbacks: Any,
    ) -> None:
        self.run(world, monkeypatch, django_capture_on_commit_callbacks)
        Case.objects.filter(organization=world.organization).update(must_contain="240 €")
        assert "1 test case got worse" in body(signed_in(world.admin).get(f"{HERE}publish/"))

    def test_a_run_beside_another_published_version_says_nothing_of_this_one(
        self,
        world: World,
        draft: PromptVersion,
        replies: dict[bool, str],
        sqs: FakeSqs,
        monkeypatch: pytest.MonkeyPatch,
        django_capture_on_commit_callbacks: Any,
    ) -> None:
        run = self.run(world, monkeypatch, django_capture_on_commit_callbacks)
        factories.make_prompt(world.organization, "You answer in verse.")
        client = signed_in(world.admin)
        page = body(client.get(f"{HERE}publish/"))
        assert "got worse" not in page
        assert "The test cases were not run with the draft as it is now, beside what is published" in page
        page = body(client.get(f"{HERE}cases/run/{run.pk}/"))
        assert "Another version has been published since." in page

    def test_a_second_worker_asks_nothing_twice_and_a_stopped_run_asks_nothing(
        self, world: World, replies: dict[bool, str], sqs: FakeSqs
    ) -> None:
        case = Case.objects.get(organization=world.organization)
        run = CaseRun.objects.create(organization=world.organization, total=1)
        factories.make_rehearsal(world.organization, case.question, "Said.", run=run, case=case)
        jobs.run_cases(run.pk)
        run.refresh_from_db()
        assert (run.state, run.rehearsals.count()) == ("done", 1)
        stopped = CaseRun.objects.create(organization=world.organization, total=1)
        signed_in(world.admin).post(f"{HERE}cases/run/{stopped.pk}/stop/")
        jobs.run_cases(stopped.pk)
        stopped.refresh_from_db()
        assert (stopped.state, stopped.rehearsals.count()) == ("stopped", 0)


class TestLearning:
    def test_a_reply_of_staff_becomes_a_canned_prompt_in_two_clicks(self, world: World) -> None:
        factories.make_handed_over_turn(
            world.conversation, "Do you treat  horses?", reason="not_known", kind="text"
        )
        reply = factories.make_outbound(
            world.conversation, "We treat people only.", purpose=Message.Purpose.STAFF, author=world.agent
        )
        client = signed_in(world.agent)
        link = f"{HERE}canned/add/?reply={reply.pk}"
        assert link in body(client.get(f"/inbox/{world.conversation.pk}/"))
        form = client.get(link).context["form"]
        client.post(f"{HERE}canned/add/", {name: form[name].value() or "" for name in form.fields})
        draft = drafts.draft_of(world.organization)
        assert draft is not None
        assert (draft.canned[-1].question, draft.canned[-1].answer) == (
            "Do you treat horses?",
            "We treat people only.",
        )
        assert CannedPrompt.objects.filter(organization=world.organization).count() == 1, "it is a proposal"

    def test_what_the_bot_could_not_answer_stands_together(self, world: World) -> None:
        for number, text in enumerate(
            ["Do you treat horses?", "do you treat my horse", "Is there parking?", "Do you treat a horse?"]
        ):
            conversation = factories.make_conversation(world.channel)
            at = timezone.now() - timedelta(hours=9 - number)
            factories.make_handed_over_turn(conversation, text, "not_known", at=at, kind="text")
        factories.make_handed_over_turn(conversation, "A picture of it", "not_text")
        client = signed_in(world.admin)
        response = client.get(f"{HERE}unanswered/")
        groups = response.context["groups"]
        assert [(len(group.asked), group.newest.text) for group in groups] == [
            (3, "Do you treat a horse?"),
            (1, "Is there parking?"),
        ]
        add = f"{HERE}canned/add/?turn={groups[0].newest.turn_id}"
        assert add in body(response)
        assert "Do you treat a horse?" in body(client.get(add))
        with drafts.editing(world.organization, world.admin) as draft:
            drafts.put(draft, CannedPrompt(question="Do you treat horses?", answer="No."))
        groups = client.get(f"{HERE}unanswered/").context["groups"]
        assert [group.answered_by for group in groups] == ["", "Do you treat horses?"]

    def test_groups_do_not_depend_on_function_words(self) -> None:
        now = timezone.now()
        texts = ["What is the price of a crown?", "price crown", "???", "Where are you?"]
        asked = [Asked(number, 1, text, now) for number, text in enumerate(texts)]
        assert [[each.turn_id for each in group.asked] for group in grouped(asked)] == [[0, 1], [2], [3]]
