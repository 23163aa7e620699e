"""Django settings of the console, `manage.py` and the worker of console jobs."""

import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from celery.schedules import crontab
from django.core.exceptions import ImproperlyConfigured

from console.navigation import UNFOLD as UNFOLD  # how the console looks
from console.settings.base import *  # noqa: F403
from console.settings.base import (
    AWS_REGION,
    BASE_DIR,
    CONSOLE_URL,
    HUB_HOME,
    QUEUE_PREFIX,
    STAGE,
    STORAGES,
    TENANT_APPS,
    env,
    service_url,
)

INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.forms",
    *TENANT_APPS,
    "console.audit",
    "console.signin",
    "console.reader",
    "console.capacity",
    "console.protection",
    "console.deployments",
]
FORM_RENDERER = "django.forms.renderers.TemplatesSetting"  # so that a widget may have a template of ours
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "console.security_headers.SecurityHeaders",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "console.signin.sessions.Visits",
    "console.signin.gate.SecondFactorGate",
    "console.audit.recording.Recording",
    "console.reader.middleware.Reader",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "console.urls"
WSGI_APPLICATION = "console.wsgi.application"
TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "console" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "libraries": {"hub": "console.template_filters"},
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]
FORMAT_MODULE_PATH = ["console.formats"]

# --- signing in ---------------------------------------------------------------------------------------------

AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"

_address = urlsplit(CONSOLE_URL)
_HTTPS = _address.scheme == "https"
_PATH = _address.path or "/"  # a stage's own on API Gateway, whose host other stages share
SECOND_FACTOR: str = env("HUB_SECOND_FACTOR") or ("ops" if _HTTPS else "optional")
if SECOND_FACTOR not in ("optional", "ops", "all"):
    raise ImproperlyConfigured(f"HUB_SECOND_FACTOR is {SECOND_FACTOR!r}: it must be optional, ops or all.")
SESSION_ENGINE = "console.signin.sessions"
SESSION_COOKIE_AGE = 12 * 60 * 60
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = _HTTPS
SESSION_COOKIE_PATH = CSRF_COOKIE_PATH = _PATH
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SECURE = _HTTPS
CSRF_TRUSTED_ORIGINS = [f"{_address.scheme}://{_address.netloc}"]
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_HSTS_SECONDS = 31_536_000 if _HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = _HTTPS
SECURE_SSL_REDIRECT = _HTTPS
SECURE_REDIRECT_EXEMPT = ["^healthz$"]
# Nothing here ends TLS: behind an https address there always is a proxy, which says by what the visitor came.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if _HTTPS else None
SILENCED_SYSTEM_CHECKS = ["security.W021"]  # preloading is for the owner of the whole domain to ask for
X_FRAME_OPTIONS = "DENY"
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"

# --- files --------------------------------------------------------------------------------------------------

STATIC_URL = f"{_address.path}/static/"
WHITENOISE_STATIC_PREFIX = "/static/"  # the stage is no part of the path that reaches it
STATICFILES_DIRS = [path for path in [BASE_DIR / "console" / "static"] if path.is_dir()]
STATIC_ORIGINS: list[str] = []  # where pages may have them from, besides their own address
STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
if env("HUB_STATIC_URL"):
    # They were collected before, and lie there under names that tell their content: here is only the list.
    STATIC_URL = service_url("HUB_STATIC_URL") + "/"
    STATIC_ORIGINS = ["{0.scheme}://{0.netloc}".format(urlsplit(STATIC_URL))]
    STATIC_ROOT = BASE_DIR / "staticfiles"
    STORAGES["staticfiles"]["BACKEND"] = "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"
WHITENOISE_USE_FINDERS = (
    True  # serves each package's own files: nothing has to be collected before the first start
)
WHITENOISE_MAX_AGE = 600

# --- the platform's health ----------------------------------------------------------------------------------

CONSOLE_FUNCTION = os.environ.get("AWS_LAMBDA_FUNCTION_NAME", "channels-hub-console")  # Lambda sets it

# --- deploys: what only their worker needs ------------------------------------------------------------------

DEPLOY_REPOSITORY: str = env("HUB_DEPLOY_REPOSITORY") or (
    str(BASE_DIR) if (BASE_DIR / ".git").exists() else ""
)
DEPLOY_STAGES: list[str] = env("HUB_DEPLOY_STAGES") or [STAGE]
DEPLOYER = Path(BASE_DIR, env("HUB_DEPLOYER"))

# --- console jobs -------------------------------------------------------------------------------------------

JOBS_VISIBILITY_SECONDS = 3600  # longer than the longest job; infra/queues.yaml gives the queue the same
CELERY_BROKER_URL = "sqs://"
CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, Any] = {
    "region": AWS_REGION,
    "visibility_timeout": JOBS_VISIBILITY_SECONDS,
    "wait_time_seconds": 10,
}
CELERY_TASK_DEFAULT_QUEUE = f"{QUEUE_PREFIX}console-jobs"
DEPLOYS_QUEUE = f"{QUEUE_PREFIX}deploys"
CELERY_TASK_ROUTES = {name: {"queue": DEPLOYS_QUEUE} for name in ("look_at_releases", "run_deploy")}
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_PUBLISH_RETRY = False
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULE = {"purge": {"task": "purge", "schedule": crontab(hour="3", minute="10")}}
CELERY_BEAT_SCHEDULE_FILENAME = str(HUB_HOME / "jobs-schedule")
