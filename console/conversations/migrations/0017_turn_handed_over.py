from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    """While messages keep coming: the index is built without locking its table."""

    atomic = False
    dependencies = [('conversations', '0016_dead_letter_by_body')]

    operations = [
        migrations.RunSQL('DROP INDEX CONCURRENTLY IF EXISTS turn_handed_over', migrations.RunSQL.noop),
        AddIndexConcurrently(
            model_name='turn',
            index=models.Index(condition=models.Q(('state', 'handed_over')), fields=['conversation', 'id'], name='turn_handed_over'),
        ),
    ]
