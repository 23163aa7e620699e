from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class AuditConfig(AppConfig):
    name = "console.audit"
    verbose_name = _("Audit")

    def ready(self) -> None:
        from console.audit import recording

        recording.start()
