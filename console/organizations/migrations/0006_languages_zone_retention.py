import django.contrib.postgres.fields
import django.core.validators
from django.db import migrations, models

import console.organizations.languages
import console.organizations.policies


def offer_translated_languages(apps, schema_editor):
    """Which languages an organization speaks was told by its translations."""
    translation = apps.get_model("organizations", "Translation")
    offered = {}
    rows = translation.objects.order_by("organization", "language").values_list("organization", "language")
    for organization_id, language in rows.distinct():
        offered.setdefault(organization_id, []).append(language)
    for organization_id, languages in offered.items():
        organizations = apps.get_model("organizations", "Organization").objects
        organizations.filter(pk=organization_id).update(other_languages=languages)


class Migration(migrations.Migration):
    dependencies = [("organizations", "0005_invitations")]

    operations = [
        migrations.AddField(
            model_name="organization",
            name="language",
            field=models.CharField(
                db_default="en",
                default="en",
                help_text="What the texts on this page are written in.",
                max_length=35,
                validators=[console.organizations.languages.validate],
                verbose_name="language",
            ),
        ),
        migrations.AddField(
            model_name="organization",
            name="other_languages",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(
                    max_length=35, validators=[console.organizations.languages.validate]
                ),
                blank=True,
                db_default=[],
                default=list,
                help_text="Contacts whose platform says that they use one of these get its texts; all others "
                "get those on this page.",
                size=None,
                validators=[console.organizations.languages.validate_distinct],
                verbose_name="further languages",
            ),
        ),
        migrations.AddField(
            model_name="organization",
            name="retention_days",
            field=models.PositiveIntegerField(
                blank=True,
                help_text="What is older is erased. Empty: it is kept.",
                null=True,
                validators=[
                    django.core.validators.MinValueValidator(1),
                    django.core.validators.MaxValueValidator(3650),
                ],
                verbose_name="keep conversations for (days)",
            ),
        ),
        migrations.AddField(
            model_name="organization",
            name="time_zone",
            field=models.CharField(
                db_default="UTC",
                default="UTC",
                help_text="Its own clock.",
                max_length=64,
                validators=[console.organizations.policies.validate_time_zone],
                verbose_name="time zone",
            ),
        ),
        migrations.RunPython(offer_translated_languages, migrations.RunPython.noop),
    ]
