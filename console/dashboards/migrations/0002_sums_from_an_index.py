from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    """What a dashboard adds up stands in the index: the rows themselves, with their times and reasons, are wide."""

    atomic = False
    dependencies = [('dashboards', '0001_initial')]

    operations = [
        AddIndexConcurrently(
            model_name='tally',
            index=models.Index(
                fields=['organization', 'hour'],
                include=[
                    *('channel', 'received', 'sent', 'turns', 'answered', 'handed_over', 'declined'),
                    *('in_time', 'slow', 'prompt_tokens', 'completion_tokens'),
                ],
                name='tally_sums',
            ),
        ),
        RemoveIndexConcurrently(model_name='tally', name='tally_by_organization'),
    ]
