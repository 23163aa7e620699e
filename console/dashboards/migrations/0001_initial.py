import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('channels', '0005_health'),
        ('organizations', '0005_invitations'),
    ]

    operations = [
        migrations.CreateModel(
            name='Tally',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('hour', models.DateTimeField(help_text='Where it begins.')),
                ('counted_at', models.DateTimeField()),
                ('received', models.PositiveIntegerField(help_text='Messages of contacts.')),
                ('sent', models.PositiveIntegerField(help_text='Messages that platforms took.')),
                ('turns', models.PositiveIntegerField()),
                ('answered', models.PositiveIntegerField()),
                ('handed_over', models.PositiveIntegerField()),
                ('declined', models.PositiveIntegerField()),
                ('in_time', models.PositiveIntegerField(help_text='First reply within five seconds.')),
                ('slow', models.PositiveIntegerField(help_text='First reply later, or still waited for.')),
                ('prompt_tokens', models.BigIntegerField()),
                ('completion_tokens', models.BigIntegerField()),
                ('reasons', models.JSONField(help_text='Why turns were handed over: how many for each reason.')),
                ('answer_times', models.JSONField(help_text='How long answers took: how many in each bin of `times.py`.')),
                ('channel', models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='channels.channel')),
                ('organization', models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='organizations.organization')),
            ],
            options={
                'indexes': [models.Index(fields=['organization', 'hour'], name='tally_by_organization')],
                'constraints': [models.UniqueConstraint(fields=('hour', 'organization', 'channel'), name='one_tally_per_hour', nulls_distinct=False), models.CheckConstraint(condition=models.Q(models.Q(('channel__isnull', True), ('organization__isnull', True)), models.Q(('channel__isnull', False), ('organization__isnull', False)), _connector='OR'), name='tally_of_a_channel_or_of_all')],
            },
        ),
    ]
