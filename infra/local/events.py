"""Events in the shape that AWS gives to a Lambda function.

Shapes: "Using Lambda with Amazon SQS" (Lambda developer guide), "Amazon EventBridge events" (EventBridge user
guide), the latter with the `kwargs` that Zappa's input template adds.
"""

import base64
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from infra.local.triggers import ACCOUNT_ID, Function, QueueTrigger

if TYPE_CHECKING:
    from types_boto3_sqs.type_defs import MessageAttributeValueOutputTypeDef, MessageTypeDef

Event = dict[str, Any]


def sqs_event(messages: Iterable["MessageTypeDef"], trigger: QueueTrigger) -> Event:
    """The event of a batch, from messages received with all their attributes."""
    return {"Records": [_record(message, trigger) for message in messages]}


def _record(message: "MessageTypeDef", trigger: QueueTrigger) -> Event:
    attributes = message.get("MessageAttributes", {})
    record: Event = {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": dict(message["Attributes"]),
        "messageAttributes": {name: _attribute(value) for name, value in attributes.items()},
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": trigger.arn,
        "awsRegion": trigger.region,
    }
    if attributes:
        record["md5OfMessageAttributes"] = message["MD5OfMessageAttributes"]
    return record


def _attribute(value: "MessageAttributeValueOutputTypeDef") -> Event:
    attribute: Event = {"stringListValues": [], "binaryListValues": [], "dataType": value["DataType"]}
    if "BinaryValue" in value:
        attribute["binaryValue"] = base64.b64encode(value["BinaryValue"]).decode()
    else:
        attribute["stringValue"] = value["StringValue"]
    return attribute


def schedule_event(function: Function, at: datetime, kwargs: Mapping[str, Any] | None = None) -> Event:
    """The event of a rate rule that is due at a time."""
    rule = f"arn:aws:events:{function.region}:{ACCOUNT_ID}:rule/{function.name}-{function.handler}"
    return {
        "version": "0",
        "id": str(uuid4()),
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": ACCOUNT_ID,
        "time": at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": function.region,
        "resources": [rule],
        "detail": {},
        "kwargs": dict(kwargs or {}),
    }
