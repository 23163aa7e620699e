from django.apps import AppConfig


class PromptsConfig(AppConfig):
    name = "console.prompts"
    verbose_name = "Answers"
