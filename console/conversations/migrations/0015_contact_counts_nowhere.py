from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    """While messages keep coming: the index is built without locking its table. One that was left half built,
    which Postgres then does not use, is built anew."""

    atomic = False
    dependencies = [('conversations', '0014_reason_detail')]

    operations = [
        migrations.RunSQL('DROP INDEX CONCURRENTLY IF EXISTS contact_counts_nowhere', migrations.RunSQL.noop),
        AddIndexConcurrently(
            model_name='contact',
            index=models.Index(condition=models.Q(('is_test', True), ('erased_at__isnull', False), _connector='OR'), fields=['id'], name='contact_counts_nowhere'),
        ),
    ]
