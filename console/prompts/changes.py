"""Notes whenever something changes that all prompts of an organization begin with, whoever changes it."""

from typing import Any

from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver
from django.utils import timezone

from console.organizations.models import Organization
from console.prompts.models import CannedPrompt, PromptVersion


@receiver([post_save, post_delete], sender=CannedPrompt)
@receiver([post_save, post_delete], sender=PromptVersion)
def note_change(instance: CannedPrompt | PromptVersion, **_: Any) -> None:
    Organization.objects.filter(pk=instance.organization_id).update(prompts_changed_at=timezone.now())
