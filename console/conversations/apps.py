from django.apps import AppConfig
from django.utils.translation import gettext_lazy


class ConversationsConfig(AppConfig):
    name = "console.conversations"
    verbose_name = gettext_lazy("Inbox")
