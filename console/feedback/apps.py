from django.apps import AppConfig


class FeedbackConfig(AppConfig):
    name = "console.feedback"
    verbose_name = "Feedback"
