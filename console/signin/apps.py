from django.apps import AppConfig


class SignInConfig(AppConfig):
    name = "console.signin"
    verbose_name = "Signing in"

    def ready(self) -> None:
        from django.db.models.signals import post_save

        from console.organizations.models import User
        from console.signin import sessions

        post_save.connect(sessions.end_with_password, sender=User)
