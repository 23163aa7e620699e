from django.apps import AppConfig


class PromptsConfig(AppConfig):
    name = "console.prompts"
    verbose_name = "Answers"

    def ready(self) -> None:
        from console.prompts import changes  # noqa: F401 - once the models are there
