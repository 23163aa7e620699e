from django.apps import AppConfig
from django.utils.translation import gettext_lazy


class InboxConfig(AppConfig):
    name = "console.inbox"
    verbose_name = gettext_lazy("Inbox")
