from django.contrib.postgres.operations import BtreeGinExtension
from django.db import migrations

WORDS = "to_tsvector('simple', translate(left(text, 20000), '-./@_:+#', '        '))"
TABLE = "conversations_message"


class Migration(migrations.Migration):
    """The index on words begins with the channel: of a word that everybody's messages have, one organization's
    are read. While messages keep coming: indexes are built and dropped without locking the table."""

    atomic = False
    dependencies = [('inbox', '0005_draft')]

    operations = [
        BtreeGinExtension(),
        migrations.RunSQL("DROP INDEX CONCURRENTLY IF EXISTS channel_words", migrations.RunSQL.noop),
        migrations.RunSQL(
            f"CREATE INDEX CONCURRENTLY channel_words ON {TABLE} USING gin (channel_id, ({WORDS}))",
            "DROP INDEX CONCURRENTLY IF EXISTS channel_words",
        ),
        migrations.RunSQL(
            "DROP INDEX CONCURRENTLY IF EXISTS message_words",
            f"CREATE INDEX CONCURRENTLY message_words ON {TABLE} USING gin ({WORDS})",
        ),
    ]
