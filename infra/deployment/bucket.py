"""JSON objects in an S3 bucket, with writes that fail where somebody else was first."""

import json
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from infra.deployment.clients import Clients

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

_ABSENT = ("404", "NoSuchKey", "NotFound")
_TAKEN = ("412", "PreconditionFailed", "409", "ConditionalRequestConflict")


class Taken(Exception):
    """Somebody else wrote the object first."""


class Bucket:
    """A bucket, by its name."""

    def __init__(self, name: str, clients: Clients) -> None:
        self.name = name
        self.client: S3Client = clients.client("s3")

    def read(self, key: str) -> tuple[Any, str] | None:
        """What an object holds, and its tag; None where there is none."""
        try:
            found = self.client.get_object(Bucket=self.name, Key=key)
        except ClientError as error:
            if _code(error) in _ABSENT:
                return None
            raise
        return json.loads(found["Body"].read()), found["ETag"]

    def write(self, key: str, content: object) -> None:
        self.client.put_object(Bucket=self.name, Key=key, Body=_encoded(content))

    def create(self, key: str, content: object) -> str:
        """Write an object that is not there yet; its tag. Raises Taken."""
        return self._write_if(key, content, IfNoneMatch="*")

    def replace(self, key: str, content: object, tag: str) -> str:
        """Write an object that still has this tag; its new one. Raises Taken."""
        return self._write_if(key, content, IfMatch=tag)

    def delete(self, key: str) -> None:
        self.client.delete_object(Bucket=self.name, Key=key)

    def keys(self, prefix: str) -> list[str]:
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix)
        return [each["Key"] for page in pages for each in page.get("Contents", [])]

    def _write_if(self, key: str, content: object, **condition: Any) -> str:
        try:
            done = self.client.put_object(Bucket=self.name, Key=key, Body=_encoded(content), **condition)
        except ClientError as error:
            if _code(error) in (*_TAKEN, *_ABSENT):
                raise Taken from error
            raise
        return done["ETag"]


def _encoded(content: object) -> bytes:
    return json.dumps(content, indent=1).encode()


def _code(error: ClientError) -> str:
    return error.response.get("Error", {}).get("Code", "")
