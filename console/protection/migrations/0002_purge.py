import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('organizations', '0012_return_to_staff'),
        ('protection', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='Purge',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('rows_done', models.PositiveIntegerField(db_default=0, default=0, editable=False)),
                ('rows_total', models.PositiveIntegerField(db_default=0, default=0, editable=False)),
                ('state', models.CharField(choices=[('running', 'Running'), ('done', 'Done'), ('failed', 'Failed')], default='running', max_length=7)),
                ('deleted', models.JSONField(default=dict, help_text='How many rows of each kind.')),
                ('began_at', models.DateTimeField(verbose_name='last run')),
                ('finished_at', models.DateTimeField(null=True)),
                ('organization', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='purge', to='organizations.organization')),
            ],
            options={
                'verbose_name': 'purge',
                'verbose_name_plural': 'purges',
                'ordering': ['-began_at'],
            },
        ),
    ]
