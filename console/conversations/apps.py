from django.apps import AppConfig


class ConversationsConfig(AppConfig):
    name = "console.conversations"
    verbose_name = "Inbox"
