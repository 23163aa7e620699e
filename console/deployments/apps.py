from django.apps import AppConfig


class DeploymentsConfig(AppConfig):
    name = "console.deployments"
    verbose_name = "Releases"
