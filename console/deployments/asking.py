"""What ops do about a deploy: ask for it, approve or refuse it, cancel it. The worker does the rest."""

import logging
from smtplib import SMTPException

from botocore.exceptions import BotoCoreError, ClientError
from django.conf import settings
from django.core.mail import send_mail
from django.db import IntegrityError, transaction
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from kombu.exceptions import OperationalError

from console.deployments.jobs import look_at_releases, run_deploy
from console.deployments.models import Commit, Deploy, Repository, Stage, expire
from console.organizations.models import User
from console.stored_sentences import translate_stored
from hub_lambdas.sentences import stored

log = logging.getLogger(__name__)

QUEUE_ERRORS = (OperationalError, BotoCoreError, ClientError)


class AskError(Exception):
    """It cannot be done; the text tells the person why."""


def ask_to_look() -> None:
    """Have the repository fetched and the stages looked at. Raises AskError."""
    repository = Repository.objects.get_or_create(pk=1)[0]
    repository.asked_at = timezone.now()
    repository.save(update_fields=["asked_at"])
    try:
        look_at_releases.delay()
    except QUEUE_ERRORS as error:
        raise AskError(_("The queue could not be reached: try again.")) from error


def ask(user: User, stage: Stage, task: str, release: str) -> Deploy:
    """Ask for a release on a stage, as it is known now. Raises AskError."""
    expire()
    needs_approval = task == Deploy.Task.DEPLOY and stage.needs_approval
    try:
        with transaction.atomic():
            deploy = Deploy.objects.create(
                stage=stage.name,
                task=task,
                release=_known(stage, task, release),
                replaces=stage.release,
                asked_by=user,
                state=Deploy.State.TO_APPROVE if needs_approval else Deploy.State.WAITING,
            )
    except IntegrityError as error:
        busy = _("Somebody is at %(stage)s already: wait for its end, or cancel it.")
        raise AskError(busy % {"stage": stage.name}) from error
    if needs_approval:
        _tell_others(user, deploy)
    else:
        _queue(deploy)
    return deploy


def _known(stage: Stage, task: str, release: str) -> str:
    if task == Deploy.Task.ROLLBACK and release in stage.kept:
        return release
    if task == Deploy.Task.DEPLOY and (commit := Commit.objects.filter(hash=release).first()):
        return commit.hash
    raise AskError(_("There is no such release by now: look again."))


def approve(user: User, deploy_id: int) -> None:
    """Let a deploy of somebody else begin. Raises AskError."""
    expire()
    with transaction.atomic():
        deploy = _to_approve(deploy_id)
        if deploy.asked_by == user:
            raise AskError(_("A second person has to approve it."))
        deploy.state, deploy.decided_by = Deploy.State.WAITING, user
        deploy.save(update_fields=["state", "decided_by"])
    _queue(deploy)


def refuse(user: User, deploy_id: int) -> None:
    """End a deploy that waits for approval. Raises AskError."""
    expire()
    with transaction.atomic():
        deploy = _to_approve(deploy_id)
        deploy.decided_by = user
        deploy.save(update_fields=["decided_by"])
        deploy.end(Deploy.State.REFUSED)


def cancel(user: User, deploy_id: int) -> None:
    """End a deploy that has not begun; have one that runs ended after the step in hand. Raises AskError."""
    with transaction.atomic():
        deploy = Deploy.objects.select_for_update().get(pk=deploy_id)
        if not deploy.is_under_way:
            raise AskError(_("It has ended already."))
        deploy.cancelled_by = user
        deploy.save(update_fields=["cancelled_by"])
        if deploy.state != Deploy.State.RUNNING:
            deploy.end(Deploy.State.CANCELLED)


def take_up(deploy_id: int) -> None:
    """Have a deploy that nobody is at any more gone on with."""
    deploy = Deploy.objects.filter(pk=deploy_id, state__in=Deploy.AT_WORK).first()
    if deploy:
        _queue(deploy)


def _tell_others(user: User, deploy: Deploy) -> None:
    """E-mail those who may approve it, each in their language. They see it in the console too, whatever the
    mail server says."""
    others = User.objects.filter(is_ops=True, is_active=True).exclude(pk=user.pk)
    address = f"{settings.CONSOLE_URL}/releases/deploys/{deploy.pk}/"
    try:
        for other in others:
            with translation.override(other.language or settings.LANGUAGE_CODE):
                said = {"who": user, "what": deploy}
                text = _("%(who)s asks for this: %(what)s. It begins when you approve it:") % said
                send_mail(_("To approve: %(what)s") % said, f"{text}\n\n{address}\n", None, [other.email])
    except (SMTPException, OSError):
        log.exception("deploy %s: not everybody could be told that it waits for approval", deploy.pk)


def _to_approve(deploy_id: int) -> Deploy:
    deploy = Deploy.objects.select_for_update(of=("self",)).get(pk=deploy_id)
    if deploy.state != Deploy.State.TO_APPROVE:
        raise AskError(_("It is no more to be approved: %(state)s.") % {"state": deploy.get_state_display()})
    return deploy


def _queue(deploy: Deploy) -> None:
    try:
        run_deploy.delay(deploy.pk)
    except QUEUE_ERRORS as error:
        deploy.end(Deploy.State.FAILED, stored("The queue could not be reached: ask for it again."))
        raise AskError(translate_stored(deploy.reason)) from error
