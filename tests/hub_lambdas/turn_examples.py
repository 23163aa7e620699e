"""Snapshots of turns, for examples of what is due for them."""

import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hub_lambdas.turns import (
    Asked,
    Owner,
    Part,
    Policy,
    RequestState,
    State,
    Turn,
    Wait,
    Written,
)

START = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
PLAIN = Policy(burst_window=timedelta(seconds=1), handover_after=timedelta(seconds=60))
POLICY = replace(PLAIN, has_holding_line=False)
FIRST, SECOND = uuid.UUID(int=1), uuid.UUID(int=2)


def after(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def written(
    number: int = 1, *, text: str = "How much is a whitening?", kind: str = "text", at: float = 0
) -> Written:
    return Written(number, kind, text, after(at))


def asked(
    state: RequestState = RequestState.PENDING,
    *,
    last: int = 1,
    at: float = 1,
    text: str = "",
    error: str = "",
    objection: str = "",
) -> Asked:
    return Asked(FIRST, last, state, after(at), text, error, objection)


def a_turn(
    *messages: Written,
    requests: Sequence[Asked] = (),
    parts: Sequence[Part] = (),
    state: State = State.OPEN,
    owner: Owner = Owner.BOT,
    policy: Policy = POLICY,
    sealed: bool = False,
) -> Turn:
    return Turn(state, owner, policy, messages or (written(),), requests, parts, sealed)


COMPLETED = asked(RequestState.COMPLETED, text="A whitening costs 240 €.")
FAILED = asked(RequestState.FAILED, error="engine_error")
LIMIT = Wait(after(60))
LINE = Wait(after(4))
