from django.contrib.postgres.indexes import HashIndex
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations


class Migration(migrations.Migration):
    """While letters keep coming: the index is built without locking its table. It holds a hash of each body,
    for these may be as long as a queue takes them."""

    atomic = False
    dependencies = [('conversations', '0015_contact_counts_nowhere')]

    operations = [
        migrations.RunSQL('DROP INDEX CONCURRENTLY IF EXISTS dead_letter_by_body', migrations.RunSQL.noop),
        AddIndexConcurrently(
            model_name='deadletter',
            index=HashIndex(fields=['body'], name='dead_letter_by_body'),
        ),
    ]
