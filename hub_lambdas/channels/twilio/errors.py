"""What Twilio's error codes mean (twilio.com/docs/api/errors)."""

from hub_lambdas.channels import payloads
from hub_lambdas.channels.base import ChannelError, CredentialRejected, SendRefused, SendRejected, SendUnknown
from hub_lambdas.channels.client import Answer
from hub_lambdas.sentences import stored

_MEANINGS = {
    20003: stored("it does not accept account SID and auth token: copy both from the Twilio console again"),
    20404: stored(
        "the account or the messaging service does not exist: copy its SID from the Twilio console again"
    ),
    21211: stored("the contact's number is not valid"),
    21212: stored("the channel's number is not valid: correct it in the channel"),
    21408: stored("the account may not write to this country: allow it at Twilio under Geo permissions"),
    21606: stored("the channel's number cannot write to this contact"),
    21608: stored("a trial account writes to verified numbers only: upgrade it at Twilio"),
    21610: stored("the contact does not want messages any more (STOP)"),
    21611: stored("too many messages of this number wait at Twilio"),
    21612: stored("the channel's number cannot reach the contact's"),
    21614: stored("the contact's number takes no SMS"),
    21617: stored("the message is longer than 1600 characters"),
    21659: stored("the channel's number is not the account's: correct it in the channel"),
    21660: stored("the channel's number is not the account's: correct it in the channel"),
    21701: stored("the messaging service does not exist: correct it in the channel"),
    21705: stored("the messaging service cannot be used: correct it in the channel"),
    30001: stored("too many messages waited at Twilio"),
    30002: stored("the Twilio account is suspended"),
    30003: stored("the contact's phone is switched off or out of reach"),
    30004: stored("the contact or the carrier blocks messages"),
    30005: stored("the contact's number does not exist or is out of reach"),
    30006: stored("the contact's number is a landline or takes no SMS"),
    30007: stored("the carrier filtered the message"),
    30008: stored("the carrier gave no reason"),
    30032: stored("the toll-free number is not verified yet: verify it at Twilio"),
    30034: stored("the number is not registered for messages in the US (A2P 10DLC): register it at Twilio"),
    63003: stored("the contact is not on WhatsApp"),
    63007: stored("the channel's WhatsApp sender is not the account's: correct it in the channel"),
    63015: stored("the contact has not joined the WhatsApp sandbox"),
    63016: stored("the contact's last WhatsApp message is more than 24 hours old"),
    63018: stored("too many messages at once"),
    63024: stored("the contact cannot be written to on WhatsApp"),
    63049: stored("Meta chose not to deliver the message"),
}
_LATER = {14107: 1.0, 20429: 1.0, 21611: 30.0, 63018: 5.0}
"""Seconds to wait where Twilio names none."""
_BROKEN = {20003, 20005, 20006, 20404, 21212, 21660, 21701, 21705, 30002, 63007}
_GONE = {21211, 21610, 21614, 30004, 30005, 30006, 63003, 63024}


def _meaning(code: int | None, said: str) -> str:
    reason = _MEANINGS.get(code or 0) or said.strip().rstrip(".")[:200] or stored("it gave no reason")
    return reason if code is None else stored("%(reason)s (error %(code)s)", reason=reason, code=code)


def undelivered(code: str, said: str) -> tuple[str, bool]:
    """Why Twilio could not deliver a message that it had taken, and whether the contact cannot be reached any
    more."""
    number = int(code) if code.isascii() and code.isdecimal() and len(code) < 10 else None
    return stored("Twilio could not deliver it: %(said)s.", said=_meaning(number, said)), number in _GONE


def error_of(answer: Answer) -> ChannelError:
    """Only Twilio's own JSON proves that a request was refused, and only below 500: of its 500s Twilio itself
    says that whoever repeats them may send a message twice (error 20500). What it answers with 429 it has
    never processed (error 20429)."""
    code, said = payloads.integer(answer.content, "code"), payloads.text(answer.content, "message")
    sentence = stored("Twilio: %(said)s.", said=_meaning(code, said))
    if answer.status == 429:
        return SendRefused(sentence, max(answer.retry_after_seconds or 0.0, 1.0))
    if code is None or not 400 <= answer.status < 500:
        return SendUnknown(
            stored("Twilio answered with status %(status)s and no clear result.", status=answer.status)
        )
    if answer.status == 401 or code in _BROKEN:
        return CredentialRejected(sentence)
    if code in _LATER:
        return SendRefused(sentence, answer.retry_after_seconds or _LATER[code])
    return SendRejected(sentence, contact_gone=code in _GONE)
