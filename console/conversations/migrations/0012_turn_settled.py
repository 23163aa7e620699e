from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    """While messages keep coming: the index is built without locking its table."""

    atomic = False
    dependencies = [('conversations', '0011_who_waits')]

    operations = [
        migrations.RunSQL('DROP INDEX CONCURRENTLY IF EXISTS turn_settled', migrations.RunSQL.noop),
        AddIndexConcurrently(
            model_name='turn',
            index=models.Index(fields=['settled_at'], name='turn_settled'),
        ),
    ]
