from django.apps import AppConfig


class OrganizationsConfig(AppConfig):
    name = "console.organizations"
    verbose_name = "Setup"
