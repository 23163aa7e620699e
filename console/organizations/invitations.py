"""Invitations: the e-mail with its link, which links are good, and what happens when one is accepted."""

from datetime import datetime, timedelta

from django.conf import settings
from django.core import signing
from django.core.mail import send_mail
from django.db import transaction
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from console.audit import recording
from console.organizations import membership
from console.organizations.models import Invitation, Member, User

GOOD_FOR = timedelta(days=7)
_SALT = "console.organizations.invitation"


def send(invitation: Invitation, inviter: User) -> None:
    """E-mail a new link of `inviter`, which ends those before it. Raises what the mail server says."""
    invitation.invited_by, invitation.sent_at = inviter, timezone.now()
    invitation.save(update_fields=["invited_by", "sent_at"])
    with translation.override(_language(invitation, inviter)):
        subject = _("Join %(organization)s on channels-hub") % {"organization": invitation.organization}
        text = _text(invitation, inviter)
    send_mail(subject, text, None, [invitation.email])


def _language(invitation: Invitation, inviter: User) -> str:
    """Their own if they have an account; who has none probably speaks as their colleague does."""
    known = invited_user(invitation)
    return (known and known.language) or inviter.language or settings.LANGUAGE_CODE


def _text(invitation: Invitation, inviter: User) -> str:
    if invitation.role == Member.Role.ADMIN:
        invited = _("%(inviter)s invites you to %(organization)s on channels-hub, as an admin.")
    else:
        invited = _("%(inviter)s invites you to %(organization)s on channels-hub, as an agent.")
    pieces = [
        invited % {"inviter": inviter, "organization": invitation.organization},
        _("To accept, open this address within 7 days. It works once, and only for you: do not pass it on."),
        f"{settings.CONSOLE_URL}/join/{token(invitation)}/",
        _("If you do not know what this is about, you can ignore this e-mail."),
    ]
    return "\n\n".join(pieces) + "\n"


def token(invitation: Invitation) -> str:
    """What the link carries: which invitation, and of which of its e-mails, signed."""
    return signing.dumps([invitation.pk, _moment(invitation)], salt=_SALT)


def find(token: str) -> Invitation | None:
    """The invitation that a link opens: none where it is forged, too old, replaced, revoked or used, or the
    inviter may invite no more."""
    try:
        key, moment = signing.loads(token, salt=_SALT, max_age=GOOD_FOR)
    except signing.BadSignature:
        return None
    invitation = Invitation.objects.select_related("organization", "invited_by").filter(pk=key).first()
    if invitation is None or invitation.accepted_at or _moment(invitation) != moment:
        return None
    return invitation if invitation.organization.is_active and is_stood_by(invitation) else None


def is_stood_by(invitation: Invitation) -> bool:
    """Whether the inviter could invite to this organization today; the platform itself always can."""
    inviter = invitation.invited_by
    return inviter is None or membership.open_to(inviter).filter(pk=invitation.organization_id).exists()


def is_expired(invitation: Invitation, now: datetime) -> bool:
    """Whether the link of the last e-mail is too old."""
    return invitation.sent_at is not None and invitation.sent_at < now - GOOD_FOR


def invited_user(invitation: Invitation) -> User | None:
    """The account with the invited address, if there is one."""
    return User.objects.filter(email__iexact=invitation.email).first()


@transaction.atomic
def accept(invitation: Invitation, user: User) -> bool:
    """Make `user` a member, and save them if they are new; False where somebody was faster. Who is a member
    already keeps their role."""
    waiting = (
        Invitation.objects.select_for_update().filter(pk=invitation.pk, accepted_at__isnull=True).first()
    )
    if waiting is None:
        return False
    with recording.done_by(user):
        if user._state.adding:
            user.save()
        Member.objects.get_or_create(
            organization=waiting.organization, user=user, defaults={"role": waiting.role}
        )
        waiting.accepted_at = timezone.now()
        waiting.save(update_fields=["accepted_at"])
    return True


def _moment(invitation: Invitation) -> int:
    return int(invitation.sent_at.timestamp() * 1000) if invitation.sent_at else 0
