"""Starts Django for a handler, once per Lambda process. Handlers import this before any model.

What `django.setup()` does, less its import of `django.urls` and, through it, of `django.http` and the
template engine, which no handler needs and a cold start would pay for.
"""

import gc
import logging.config
import os

from django.apps import apps
from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hub_lambdas.settings")
if not apps.ready:
    gc.disable()  # what is made now stays: looking for garbage among it takes a tenth of a cold start
    logging.config.dictConfig(settings.LOGGING)
    apps.populate(settings.INSTALLED_APPS)
    gc.freeze()
    gc.enable()
