from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    """While messages keep coming: the index is built without locking their table. One that was left half
    built, which Postgres then does not use, is built anew."""

    atomic = False
    dependencies = [('conversations', '0008_inbox')]

    operations = [
        migrations.RunSQL('DROP INDEX CONCURRENTLY IF EXISTS message_newest', migrations.RunSQL.noop),
        AddIndexConcurrently(
            model_name='message',
            index=models.Index(fields=['conversation', '-id'], name='message_newest'),
        ),
    ]
