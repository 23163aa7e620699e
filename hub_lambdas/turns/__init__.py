"""The heart of the hub: what is due for a turn. Pure: no clock, no database, no network.

A turn is what a contact wrote in one go, and it ends in exactly one outcome. `decide` looks at everything
that is known of it and says what to do now. It may be asked at any time and any number of times: by a
wake-up, a reply, the moment of sending, the sweep.
"""

from hub_lambdas.turns.actions import (
    Action,
    Answer,
    Ask,
    Cancel,
    Deliver,
    HoldTheLine,
    SendAgain,
    Settle,
    TellContact,
    Wait,
    Withdraw,
)
from hub_lambdas.turns.facts import (
    FILE_KINDS,
    Asked,
    Bot,
    Late,
    Owner,
    Part,
    Policy,
    RequestState,
    SendState,
    State,
    Turn,
    Written,
)
from hub_lambdas.turns.handover import Match, Rules, Topic
from hub_lambdas.turns.hours import Hours, Span
from hub_lambdas.turns.reasons import Reason
from hub_lambdas.turns.rules import (
    HANDOVER_MARK,
    HOLD_AT_MOST,
    HOLDING_AFTER,
    MAX_REQUESTS_PER_MESSAGE,
    RECONCILE_WITHIN,
    asks_for_staff,
    decide,
    hand_over,
    is_holding_line_due,
)

__all__ = [
    "FILE_KINDS",
    "HANDOVER_MARK",
    "HOLDING_AFTER",
    "HOLD_AT_MOST",
    "MAX_REQUESTS_PER_MESSAGE",
    "RECONCILE_WITHIN",
    "Action",
    "Answer",
    "Ask",
    "Asked",
    "Bot",
    "Cancel",
    "Deliver",
    "HoldTheLine",
    "Hours",
    "Late",
    "Match",
    "Owner",
    "Part",
    "Policy",
    "Reason",
    "RequestState",
    "Rules",
    "SendAgain",
    "SendState",
    "Settle",
    "Span",
    "State",
    "TellContact",
    "Topic",
    "Turn",
    "Wait",
    "Withdraw",
    "Written",
    "asks_for_staff",
    "decide",
    "hand_over",
    "is_holding_line_due",
]
