"""Django settings of the Lambdas: the tenant apps' models and nothing else, for a small and fast cold
start."""

from console.settings.base import *  # noqa: F403
from console.settings.base import TENANT_APPS

INSTALLED_APPS = TENANT_APPS
