from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [('conversations', '0007_test_contacts')]

    operations = [
        migrations.AddField(
            model_name='conversation',
            name='closed_at',
            field=models.DateTimeField(help_text='When a member was done with it. What the contact writes later opens it again.', null=True),
        ),
        migrations.AddField(
            model_name='conversation',
            name='waiting_since',
            field=models.DateTimeField(help_text='When the contact wrote what staff have not answered yet.', null=True),
        ),
    ]
