from django.apps import AppConfig


class ReaderConfig(AppConfig):
    name = "console.reader"

    def ready(self) -> None:
        from console.reader import labels

        labels.translate()
