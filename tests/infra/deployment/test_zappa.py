"""Zappa itself, without a cloud that it could reach."""

import os

import pytest

from infra.deployment.errors import ZappaError
from infra.deployment.zappa import Zappa, reason

TRACEBACK = """START RequestId: 1
Traceback (most recent call last):
  File "/var/task/django/core/management/base.py", line 464, in execute
{raised}

Error: Unhandled error occurred while invoking command."""


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        ("django.core.management.base.CommandError: No answer within 5 s.", "No answer within 5 s."),
        ("django.db.utils.OperationalError: no password", "OperationalError: no password"),
        ("ModuleNotFoundError: No module named 'x'", "ModuleNotFoundError: No module named 'x'"),
    ],
)
def test_what_a_function_raised_is_the_reason(raised: str, expected: str) -> None:
    assert reason(TRACEBACK.format(raised=raised)) == expected


def test_where_nothing_was_raised_the_last_lines_are() -> None:
    assert reason("Calling update\nNo such bucket") == "Calling update\nNo such bucket"


def test_a_function_that_the_settings_do_not_name_is_zappas_own_sentence() -> None:
    in_hand: list[str] = []
    with pytest.raises(ZappaError, match="Error: Please define stage 'sweep'"):
        Zappa(os.environ, in_hand.append).update({"webhook": {}}, "sweep", "s3://bucket/functions.zip")
    assert in_hand == ["sweep"]
