"""A yoga studio on Telegram whose webhooks and queues are carried to functions by hand, as events."""

import json
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from infra.local.environment import ROOT
from infra.local.events import sqs_event
from infra.local.triggers import ACCOUNT_ID, QueueTrigger
from tests.fakes.telegram import FakeTelegram

ORGANIZATION = ROOT / "tests" / "end_to_end" / "lakeside-yoga.yaml"
QUESTION, ANSWER = "How much is a single class?", "A single class costs 19 €."
BATCH = 10
PATIENCE_SECONDS = 30.0

Event = dict[str, Any]


class Studio:
    """Its bot has been connected: what people write waits at Telegram until `write` carries it on."""

    def __init__(self, telegram: FakeTelegram, token: str, sqs: Any, prefix: str) -> None:
        self._telegram, self._bot, self._sqs, self._prefix = telegram, telegram.bots[token], sqs, prefix
        self._webhook = dict(self._bot.webhook)
        self._bot.webhook["url"] = ""

    def write(self, chat: int, text: str = QUESTION) -> Event:
        """The event of the webhook for a message."""
        return self._deliver(chat, self._telegram.compose(chat, text))

    def send_file(self, chat: int, name: str, content: bytes) -> Event:
        """The same for a file."""
        composed = self._telegram.compose(chat, "")
        del composed["message"]["text"]
        file = {"file_id": self._telegram.add_file(content), "file_name": name, "file_size": len(content)}
        composed["message"]["document"] = file
        return self._deliver(chat, composed)

    def take(self, queue: str, number: int) -> list[Event]:
        """So many records of a queue, which then has them no more."""
        trigger = QueueTrigger(f"arn:aws:sqs:us-east-1:{ACCOUNT_ID}:{self._prefix}{queue}", BATCH)
        url = self._sqs.get_queue_url(QueueName=f"{self._prefix}{queue}")["QueueUrl"]
        records: list[Event] = []
        deadline = time.monotonic() + PATIENCE_SECONDS
        while len(records) < number:
            assert time.monotonic() < deadline, f"{queue} has {len(records)} messages, not {number}"
            answer = self._sqs.receive_message(
                QueueUrl=url, MaxNumberOfMessages=BATCH, AttributeNames=["All"], WaitTimeSeconds=1
            )
            taken = sqs_event(answer.get("Messages", []), trigger)["Records"]
            for each in taken:
                self._sqs.delete_message(QueueUrl=url, ReceiptHandle=each["receiptHandle"])
            records += taken
        return records

    def heard(self, chat: int) -> list[str]:
        """What the studio has sent somebody."""
        said = self._telegram.conversation(self._bot.id, str(chat))
        return [each["text"] for each in said if each["by"] == "account"]

    def _deliver(self, chat: int, content: Mapping[str, Any]) -> Event:
        update = self._telegram.deliver(self._bot.token, chat, content)
        path = urlsplit(self._webhook["url"]).path
        return {
            "version": "2.0",
            "rawPath": path,
            "rawQueryString": "",
            "headers": {
                "host": "127.0.0.1",
                "content-type": "application/json",
                "x-telegram-bot-api-secret-token": self._webhook["secret_token"],
            },
            "requestContext": {"http": {"method": "POST", "path": path, "sourceIp": "198.51.100.7"}},
            "body": json.dumps(update),
            "isBase64Encoded": False,
        }


def batches(records: list[Event]) -> list[Event]:
    """The events of functions that take ten at a time."""
    return [{"Records": records[start : start + BATCH]} for start in range(0, len(records), BATCH)]


def answered(requests: list[Event]) -> list[Event]:
    """What llm_api puts on llm-replies for these records of llm-requests."""
    return [
        {**each, "body": json.dumps(_reply(json.loads(each["body"])["id"])), "eventSourceARN": _replies(each)}
        for each in requests
    ]


def _replies(record: Event) -> str:
    arn: str = record["eventSourceARN"]
    return arn.replace("llm-requests", "llm-replies")


def _reply(request_id: str) -> dict[str, Any]:
    now = time.time()
    return {
        "id": request_id,
        "status": "completed",
        "text": ANSWER,
        "finish_reason": "stop",
        "model": "fake",
        "prompt_tokens": 400,
        "completion_tokens": 9,
        "received_at": now,
        "started_at": now,
        "finished_at": now,
        "error": None,
    }
