"""Files of contacts, as staff see them."""

from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from pytest_django import Settings

from console.conversations import attachments
from console.conversations.models import MessageMedia, Turn
from tests import factories
from tests.console.conftest import World, body, in_s3, signed_in

PNG = b"\x89PNG\r\n\x1a\n"


def show(world: World, **fields: Any) -> str:
    """The conversation with such a file in it."""
    make(world, **fields)
    return body(signed_in(world.agent).get(f"/inbox/{world.conversation.pk}/"))


def make(world: World, media_type: str = "image/png", **fields: Any) -> MessageMedia:
    return factories.make_media(Turn.objects.get(conversation=world.conversation), PNG, media_type, **fields)


def get(world: World, media: MessageMedia) -> Any:
    return signed_in(world.agent).get(f"/conversations/conversation/file/{media.pk}/")


@pytest.mark.parametrize(
    ("media_type", "shown"),
    [
        ("image/png", '<img src="/conversations/conversation/file/'),
        ("audio/ogg", "<audio"),
        ("video/mp4", "<video"),
        ("image/heic", "download>"),
        ("application/pdf", "download>"),
        ("text/plain", "download>"),
    ],
)
def test_a_file_is_shown_played_or_offered(world: World, media_type: str, shown: str) -> None:
    page = show(world, media_type=media_type, name='"><b>x')
    assert shown in page
    assert "<b>x" not in page


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"state": "waiting"}, ["Being fetched"]),
        ({"state": "waiting", "reason": "No answer."}, ["Being fetched", "No answer. It is tried again."]),
        ({"state": "refused", "reason": "The file is larger than 16 MB."}, ["Not kept", "larger than 16 MB"]),
        ({"state": "failed", "reason": "It is gone.", "name": "a.png"}, ["fetched: a.png", "It is gone."]),
        ({"state": "removed"}, ["Deleted"]),
    ],
)
def test_a_file_that_is_not_there_says_so(world: World, fields: dict[str, Any], said: list[str]) -> None:
    page = show(world, **fields)
    assert [each for each in said if each not in page] == []
    assert page.count('href="/conversations/conversation/file/') == 1, "that of another message"
    assert get(world, MessageMedia.objects.latest("pk")).status_code == 404


@pytest.mark.parametrize(
    ("media_type", "disposition"),
    [
        ("image/png", 'inline; filename="cat.png"'),
        ("application/pdf", 'attachment; filename="cat.pdf"'),
        ("text/csv", 'attachment; filename="cat.csv"'),
    ],
)
def test_nothing_in_a_file_can_run(world: World, media_type: str, disposition: str) -> None:
    response = get(world, make(world, media_type=media_type, name="cat"))
    assert b"".join(response.streaming_content) == PNG
    assert response["Content-Type"] == media_type
    assert response["Content-Disposition"] == disposition
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
    assert "no-store" in response["Cache-Control"]


def test_only_what_no_browser_runs_is_ever_shown_inline() -> None:
    assert not {each for each in attachments.INLINE if "html" in each or "svg" in each or "xml" in each}


@pytest.mark.parametrize("who", ["outsider", "outside_agent", "ops", "anonymous"])
def test_a_file_is_nobody_else_s(world: World, who: str) -> None:
    user = None if who == "anonymous" else getattr(world, who)
    response = signed_in(user).get(f"/conversations/conversation/file/{make(world).pk}/")
    assert response.status_code == (302 if user is None else 404)


def test_in_s3_it_lies_behind_an_address_for_minutes(world: World, settings: Settings) -> None:
    media = make(world, name="cat")
    settings.STORAGES = in_s3(settings)
    response = get(world, media)
    assert response.status_code == 302
    address = urlsplit(response["Location"])
    assert address.path == f"/files/{media.file.name}"
    given = dict(parse_qsl(address.query))
    assert given["response-content-type"] == "image/png"
    assert given["response-content-disposition"] == 'inline; filename="cat.png"'
    assert given["X-Amz-Algorithm"] == "AWS4-HMAC-SHA256"
