import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('conversations', '0011_who_waits'),
        ('organizations', '0005_invitations'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Feedback',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('source', models.CharField(choices=[('contact', 'Contact'), ('staff', 'Staff')], max_length=7)),
                ('is_good', models.BooleanField()),
                ('given_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('member', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('message', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='feedback', to='conversations.message')),
                ('organization', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='organizations.organization')),
            ],
            options={
                'ordering': ['given_at'],
                'indexes': [models.Index(fields=['organization', 'given_at'], name='feedback_by_organization')],
                'constraints': [models.UniqueConstraint(fields=('message', 'member'), name='one_feedback_per_member'), models.UniqueConstraint(condition=models.Q(('source', 'contact')), fields=('message',), name='one_feedback_per_contact')],
            },
        ),
    ]
