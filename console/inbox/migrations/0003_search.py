from django.db import migrations

WORDS = "to_tsvector('simple', translate(left({}, 20000), '-./@_:+#', '        '))"
INDEXES = {
    "message_words": ("conversations_message", WORDS.format("text")),
    "contact_words": ("conversations_contact", WORDS.format("(name || ' ' || platform_id)")),
}


class Migration(migrations.Migration):
    """While messages keep coming: the indexes are built without locking their tables. One that was left half
    built, which Postgres then does not use, is built anew."""

    atomic = False
    dependencies = [
        ('inbox', '0002_notes_and_labels'),
        ('conversations', '0009_message_newest'),
    ]

    operations = [
        operation
        for name, (table, words) in INDEXES.items()
        for operation in (
            migrations.RunSQL(f"DROP INDEX CONCURRENTLY IF EXISTS {name}", migrations.RunSQL.noop),
            migrations.RunSQL(
                f"CREATE INDEX CONCURRENTLY {name} ON {table} USING gin ({words})",
                f"DROP INDEX CONCURRENTLY IF EXISTS {name}",
            ),
        )
    ]
