"""What the console and the Lambdas both need: environment, database, keys, storage, the tenant apps.

Every name read here is documented in docs/settings.md (a test keeps the two equal). The process environment
wins over `.env`, which wins over `HUB_HOME/stack.env` (written by `make run`).
"""

import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured
from psycopg.conninfo import conninfo_to_dict

from console.settings.secrets import read_secrets

BASE_DIR = Path(__file__).resolve().parent.parent.parent

env = environ.Env(
    HUB_HOME=(str, ".hub"),
    HUB_STAGE=(str, "local"),
    HUB_SECRET_KEY=(str, ""),
    HUB_CREDENTIAL_KEYS=(list, []),
    HUB_DEBUG=(bool, False),
    HUB_ALLOWED_HOSTS=(list, ["127.0.0.1", "localhost"]),
    HUB_CONSOLE_PORT=(int, 8000),
    HUB_WEBHOOK_PORT=(int, 8080),
    HUB_CONSOLE_URL=(str, ""),
    HUB_STATIC_URL=(str, ""),
    HUB_WEBHOOK_URL=(str, ""),
    HUB_QUEUE_PREFIX=(str, ""),
    HUB_STORAGE_BUCKET=(str, ""),
    HUB_MEDIA_MAX_BYTES=(int, 16 * 1024 * 1024),
    HUB_NEW_CONTACTS_PER_ADDRESS=(int, 20),
    HUB_EMAIL_URL=(str, ""),
    HUB_SECOND_FACTOR=(str, ""),
    HUB_EMAIL_FROM=(str, "channels-hub <hub@localhost>"),
    HUB_DEPLOY_REPOSITORY=(str, ""),
    HUB_DEPLOY_STAGES=(list, []),
    HUB_DEPLOYER=(str, ""),
    HUB_LLM_REQUESTS_PER_ORGANIZATION=(int, 8),
    HUB_LLM_REQUESTS_PER_BOX=(float, 3.2),
    HUB_PROMPT_TOKENS_PRICE=(float, 0.0),
    HUB_COMPLETION_TOKENS_PRICE=(float, 0.0),
    HUB_TELEGRAM_API_URL=(str, "https://api.telegram.org"),
    HUB_GRAPH_API_URL=(str, "https://graph.facebook.com"),
    HUB_GRAPH_VERSION=(str, "v26.0"),
    HUB_META_APP_ID=(str, ""),
    HUB_META_APP_SECRET=(str, ""),
    HUB_META_INSTAGRAM_SECRET=(str, ""),
    HUB_META_VERIFY_TOKEN=(str, ""),
    HUB_INSTAGRAM_API_URL=(str, "https://graph.instagram.com"),
    HUB_TWILIO_API_URL=(str, "https://api.twilio.com"),
    HUB_SIMULATOR_URL=(str, ""),
    DATABASE_URL=(str, ""),
    AWS_ENDPOINT_URL=(str, ""),
    AWS_DEFAULT_REGION=(str, "us-east-1"),
)
environ.Env.read_env(str(BASE_DIR / ".env"))
HUB_HOME = Path(BASE_DIR, env("HUB_HOME"))
environ.Env.read_env(str(HUB_HOME / "stack.env"))
read_secrets(os.environ)


def require(name: str) -> str:
    """The value of a setting that guards something; without it nothing starts."""
    value: str = env.str(name, default="")
    if not value:
        raise ImproperlyConfigured(
            f"{name} is not set: run `make run` once, which makes it, or set it in the environment or .env."
        )
    return value


def service_url(name: str, default: str = "") -> str:
    """An http(s) address from the environment, without a trailing slash."""
    url: str = env(name) or default
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
        raise ImproperlyConfigured(
            f"{name} is {url!r}: it must be an address that starts with http:// or https://."
        )
    return url.rstrip("/")


def database() -> dict[str, Any]:
    """Django's connection settings from DATABASE_URL, or from the embedded Postgres where it is unset."""
    url: str = env("DATABASE_URL")
    if not url:
        from infra.local.postgres import database_url  # only on a machine that carries the embedded server

        url = database_url(HUB_HOME)
    try:
        info = conninfo_to_dict(url)
    except Exception as error:
        raise ImproperlyConfigured(
            "DATABASE_URL is not a Postgres address: write postgresql://USER:PASSWORD@HOST:PORT/NAME."
        ) from error
    known = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}
    settings: dict[str, Any] = {known[key]: value for key, value in info.items() if key in known}
    options = {key: value for key, value in info.items() if key not in known}
    return {
        "ENGINE": "django.db.backends.postgresql",
        "CONN_MAX_AGE": 600,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {"connect_timeout": 5, **options},
        **settings,
    }


SECRET_KEY = require("HUB_SECRET_KEY")
require("HUB_CREDENTIAL_KEYS")
CREDENTIAL_KEYS: list[str] = env("HUB_CREDENTIAL_KEYS")
DEBUG: bool = env("HUB_DEBUG")
STAGE: str = env("HUB_STAGE")
ALLOWED_HOSTS: list[str] = env("HUB_ALLOWED_HOSTS")

CONSOLE_URL = service_url("HUB_CONSOLE_URL", f"http://127.0.0.1:{env('HUB_CONSOLE_PORT')}")
WEBHOOK_URL = service_url("HUB_WEBHOOK_URL", f"http://127.0.0.1:{env('HUB_WEBHOOK_PORT')}")
TELEGRAM_API_URL = service_url("HUB_TELEGRAM_API_URL")
GRAPH_API_URL = service_url("HUB_GRAPH_API_URL")
GRAPH_VERSION: str = env("HUB_GRAPH_VERSION")
META_APP_ID: str = env("HUB_META_APP_ID")
META_APP_SECRET: str = env("HUB_META_APP_SECRET")
META_INSTAGRAM_SECRET: str = env("HUB_META_INSTAGRAM_SECRET")
META_VERIFY_TOKEN: str = env("HUB_META_VERIFY_TOKEN")
INSTAGRAM_API_URL = service_url("HUB_INSTAGRAM_API_URL")
TWILIO_API_URL = service_url("HUB_TWILIO_API_URL")
SIMULATOR_URL: str = env("HUB_SIMULATOR_URL")

QUEUE_PREFIX: str = env("HUB_QUEUE_PREFIX")
AWS_ENDPOINT_URL: str | None = env("AWS_ENDPOINT_URL") or None
AWS_REGION: str = env("AWS_DEFAULT_REGION")

NEW_CONTACTS_PER_ADDRESS: int = env("HUB_NEW_CONTACTS_PER_ADDRESS")
LLM_REQUESTS_PER_ORGANIZATION: int = env("HUB_LLM_REQUESTS_PER_ORGANIZATION")
LLM_REQUESTS_PER_BOX: float = env("HUB_LLM_REQUESTS_PER_BOX")
PROMPT_TOKENS_PRICE: float = env("HUB_PROMPT_TOKENS_PRICE")
COMPLETION_TOKENS_PRICE: float = env("HUB_COMPLETION_TOKENS_PRICE")

if env("HUB_EMAIL_URL"):
    vars().update(env.email_url("HUB_EMAIL_URL"))
else:
    EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    EMAIL_FILE_PATH = str(HUB_HOME / "mail")
EMAIL_TIMEOUT = 5
DEFAULT_FROM_EMAIL: str = env("HUB_EMAIL_FROM")

TENANT_APPS = [
    "console.organizations",
    "console.channels",
    "console.prompts",
    "console.conversations",
    "console.inbox",
    "console.feedback",
    "console.dashboards",
    "console.workshop",
]
AUTH_USER_MODEL = "organizations.User"
DATABASES = {"default": database()}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
TIME_ZONE = "UTC"  # of who has not said another: see console/reader
LANGUAGE_CODE = "en"  # what texts are written in
LANGUAGES = [("en", "English"), ("es", "Español")]
LOCALE_PATHS = [BASE_DIR / "console" / "locale"]

STORAGES: dict[str, dict[str, Any]] = {}
FILES_ORIGINS: list[str] = []  # where pages may show stored files from, besides their own address
if env("HUB_STORAGE_BUCKET"):
    _bucket = f"https://{env('HUB_STORAGE_BUCKET')}.s3"
    _on_aws = [f"{_bucket}.amazonaws.com", f"{_bucket}.{AWS_REGION}.amazonaws.com"]
    FILES_ORIGINS = [AWS_ENDPOINT_URL] if AWS_ENDPOINT_URL else _on_aws
    STORAGES["default"] = {
        "BACKEND": "storages.backends.s3.S3Storage",
        "OPTIONS": {
            "bucket_name": env("HUB_STORAGE_BUCKET"),
            "endpoint_url": AWS_ENDPOINT_URL,
            "region_name": AWS_REGION,
            "default_acl": "private",
            "querystring_auth": True,
            "querystring_expire": 300,
            "signature_version": "s3v4",  # boto3 signs addresses by an older one, which new buckets refuse
            "file_overwrite": False,
        },
    }
else:
    STORAGES["default"] = {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": str(HUB_HOME / "files")},
    }

FILE_UPLOAD_PERMISSIONS = 0o600
FILE_UPLOAD_DIRECTORY_PERMISSIONS = 0o700
MEDIA_MAX_BYTES: int = env("HUB_MEDIA_MAX_BYTES")

LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": os.environ.get("HUB_LOG_LEVEL", "INFO")},
}
