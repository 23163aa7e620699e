"""A webhook of WhatsApp that nobody sent, for the hub's test message."""

import secrets
import time

from django.conf import settings

from hub_lambdas.channels import meta
from hub_lambdas.channels.base import SAMPLE_NAME, Account, Sample
from hub_lambdas.channels.whatsapp.api import business_account_id, phone_number_id
from hub_lambdas.channels.whatsapp.receiving import OBJECT


def sample(path: str, account: Account, text: str) -> Sample:
    """By somebody who keeps their phone number to themselves; ZZ is no country's code."""
    contact = f"ZZ.{secrets.token_hex(16)}"
    message = {
        "from_user_id": contact,
        "id": f"wamid.{secrets.token_hex(24)}",
        "timestamp": str(int(time.time())),
        "type": "text",
        "text": {"body": text},
    }
    value = {
        "messaging_product": "whatsapp",
        "metadata": {"phone_number_id": phone_number_id(account)},
        "contacts": [{"profile": {"name": SAMPLE_NAME}, "user_id": contact}],
        "messages": [message],
    }
    entry = {"id": business_account_id(account), "changes": [{"field": "messages", "value": value}]}
    app_secrets = meta.app_secrets(account, settings.META_APP_SECRET)
    webhook = {"object": OBJECT, "entry": [entry]}
    return Sample(contact, meta.signed(path, webhook, app_secrets))
