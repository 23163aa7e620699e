"""The Cloud API as the hub calls it: what its errors mean, and which number it is called for."""

import re
from dataclasses import replace

from django.conf import settings

from hub_lambdas.channels import meta
from hub_lambdas.channels.base import Account, CredentialRejected
from hub_lambdas.sentences import stored

# developers.facebook.com/documentation/business-messaging/whatsapp/support/error-codes
CODES = meta.Codes(
    # 2, 131016, 131057, 133004: out of service for a moment; 4, 80007, 130429, 131056: too fast.
    later={2, 4, 80007, 130429, 131016, 131056, 131057, 133004},
    # 0, 3, 10, 190, 131005: the token; 33 (also as a subcode of 100), 133010: the number is gone, or not the
    # token's; 368, 131031, 131042: Meta blocked the account, or waits for its payment.
    broken={0, 3, 10, 33, 190, 368, 131005, 131031, 131042, 133010},
    gone={131026},
    # "Unknown error", "something went wrong": perhaps after the message was taken. WhatsApp reports what it
    # took, so the ledger waits for that, and lets the organization decide on a second attempt where no report
    # comes.
    unclear={1, 131000},
    # One message in 6 s to the same contact, after a burst of 45; whoever goes on waits 4 times as long.
    later_seconds={131056: 6.0},
    later_growth={131056: 4.0},
)
GRAPH = meta.Graph("WhatsApp", CODES, lambda: settings.GRAPH_API_URL)

MEDIA = replace(GRAPH, codes=replace(CODES, broken={*CODES.broken} - {33}, never={33}))
"""The same for a file: what is not there (100/33) is one that WhatsApp keeps no longer."""

DIGITS = re.compile(r"[0-9]{1,30}")


def phone_number_id(account: Account) -> str:
    """Raises CredentialRejected where there is none that could be one."""
    return _digits(account, "phone_number_id", "phone number id")


def business_account_id(account: Account) -> str:
    """Raises CredentialRejected where there is none that could be one."""
    return _digits(account, "waba_id", "WhatsApp Business account id")


def _digits(account: Account, name: str, label: str) -> str:
    found = account.credentials.get(name)
    if not isinstance(found, str) or not DIGITS.fullmatch(found.strip()):
        raise CredentialRejected(
            stored("No usable %(label)s is stored: copy the digits from Meta into the channel.", label=label)
        )
    return found.strip()
