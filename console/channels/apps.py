from django.apps import AppConfig


class ChannelsConfig(AppConfig):
    name = "console.channels"
    verbose_name = "Setup"
