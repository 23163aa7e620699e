from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    """While messages keep coming: the index is built without locking the table. One that was left half
    built, which Postgres then does not use, is built anew."""

    atomic = False
    dependencies = [('conversations', '0009_message_newest')]

    operations = [
        migrations.RunSQL('DROP INDEX CONCURRENTLY IF EXISTS conversation_newest', migrations.RunSQL.noop),
        AddIndexConcurrently(
            model_name='conversation',
            index=models.Index(
                models.F('organization'),
                models.OrderBy(models.F('last_message_at'), descending=True, nulls_last=True),
                models.OrderBy(models.F('id'), descending=True),
                name='conversation_newest',
            ),
        ),
    ]
