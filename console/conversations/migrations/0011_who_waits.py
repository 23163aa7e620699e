from typing import Any

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models

BATCH_SIZE = 500
FILL = """
WITH batch AS (
    SELECT id FROM conversations_conversation
    WHERE owner = 'staff' AND waiting_since IS NULL AND id > %s ORDER BY id LIMIT %s FOR UPDATE
)
UPDATE conversations_conversation conversation
SET waiting_since = (
    SELECT min(message.received_at) FROM conversations_message message
    JOIN conversations_turn turn ON turn.id = message.turn_id AND turn.state = 'handed_over'
    WHERE message.conversation_id = conversation.id AND message.direction = 'in' AND message.id > coalesce((
        SELECT max(answer.id) FROM conversations_message answer
        WHERE answer.conversation_id = conversation.id AND answer.direction = 'out'
            AND answer.purpose IN ('staff', 'answer') AND answer.state IN ('pending', 'sending', 'sent')
    ), 0)
)
FROM batch WHERE conversation.id = batch.id
RETURNING conversation.id
"""


def fill(apps: Any, schema_editor: Any) -> None:
    """Conversations of staff wait since the first message of theirs that neither they nor the bot have
    answered. Each batch is a transaction of its own, so that no handler waits for the whole; a second run
    goes on where the first one stopped."""
    last = 0
    with schema_editor.connection.cursor() as cursor:
        while True:
            cursor.execute(FILL, [last, BATCH_SIZE])
            filled = [row[0] for row in cursor.fetchall()]
            if not filled:
                return
            last = max(filled)


class Migration(migrations.Migration):
    """While messages keep coming: nothing is locked for longer than a batch takes. An index that was left half
    built, which Postgres then does not use, is built anew."""

    atomic = False
    dependencies = [('conversations', '0010_conversation_newest')]

    operations = [
        migrations.RunSQL('DROP INDEX CONCURRENTLY IF EXISTS conversation_waiting', migrations.RunSQL.noop),
        AddIndexConcurrently(
            model_name='conversation',
            index=models.Index(condition=models.Q(('waiting_since__isnull', False)), fields=['organization', 'waiting_since'], name='conversation_waiting'),
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
