"""The packages that there are, and what goes into each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

MEGABYTE = 1024 * 1024

# AWS has these in its Python runtime, and the largest of them is larger than all else together.
IN_THE_RUNTIME = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "python_dateutil", "six")


@dataclass(frozen=True)
class Package:
    """One zip file. `stage` is the one of zappa_settings.json that it is packed as; `entries` are the
    modules that Lambda imports on a cold start; `left_out` are patterns of paths below site-packages."""

    name: str
    stage: str
    requirements: Sequence[str]
    bare_requirements: Sequence[str]
    """Installed without what they depend on."""
    sources: Sequence[str]
    left_out: Sequence[str]
    keeps_zappa_handler: bool
    limit_bytes: int
    entries: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    """What a cold start of it needs set, beside the settings of the hub."""


_RUNTIME = [f"{name}{end}" for name in IN_THE_RUNTIME for end in ("", ".py", "-*.dist-info")]
# Translations but those into the console's languages, and databases that the hub does not speak.
_DJANGO = [
    "django/**/locale/[!_e]*",
    "django/**/locale/e[!ns]*",
    "django/**/locale/e[ns]_*",
    "django/**/*.po",
    "django/db/backends/mysql",
    "django/db/backends/oracle",
    "django/db/backends/sqlite3",
    *(
        f"django/contrib/{name}"
        for name in ("admindocs", "flatpages", "gis", "redirects", "sitemaps", "syndication")
    ),
]
_COMMANDS = "django/core/management/commands"
_FOR_PEOPLE = [
    "django/**/locale/es",
    *(f"django/contrib/{name}" for name in ("admin", "humanize", "messages", "sessions")),
    "django/contrib/staticfiles/[!_su]*",  # of it the storage of files on S3 needs its storage and its utils
    "django/contrib/auth/common-passwords.txt.gz",
    _COMMANDS,
    "django/db/migrations",
    "django/core/servers",
]
# Scripts, tests, type stubs, what only compiles other packages, and what serves other platforms and stores.
_FOREIGN = [
    *("bin", "share", "**/tests", "**/*.pyi", "**/*.pxd", "**/*.c", "cffi", "pycparser*"),
    *("*.dist-info/RECORD", "*.dist-info/sboms", "*.dist-info/licenses/AUTHORS*"),
    *(
        "django/test",
        "django/utils/archive.py",
        "django/utils/feedgenerator.py",
        "django/core/handlers/asgi.py",
    ),
    *(f"django/core/cache/backends/{name}.py" for name in ("db", "memcached", "redis")),
    *("django/core/serializers/pyyaml.py", "django/core/serializers/xml_serializer.py"),
    *(
        "urllib3/contrib/emscripten",
        "urllib3/contrib/pyopenssl.py",
        "urllib3/contrib/socks.py",
        "urllib3/http2/connection.py",
    ),
    # Of cryptography the hub has Fernet: a cipher, a padding and an HMAC.
    *("cryptography/x509", "cryptography/hazmat/asn1", "cryptography/hazmat/_oid.py"),
    *(
        f"cryptography/hazmat/primitives/{name}"
        for name in ("serialization", "twofactor", "asymmetric/[!_u]*")
    ),
    # psycopg without its compiled half, and for another database.
    *("psycopg/crdb", "psycopg/pq/*pq_ctypes.py", "psycopg/_py_transformer.py"),
    *(f"storages/backends/{name}*" for name in ("apache", "azure", "dropbox", "ftp", "gcloud", "sftp")),
]

# What serves the console elsewhere, runs its jobs or packs it, and what works without its compiled half.
_FOR_WORKERS = [
    *("gunicorn*", "pycurl*", "curl"),
    *(f"celery/{name}" for name in ("apps", "beat.py", "bin", "security", "concurrency/[!_]*")),
    *(f"celery/{name}" for name in ("worker/[!_sw]*", "contrib/[!_d]*", "contrib/django/[!_t]*")),
    *(f"billiard/{name}.py" for name in ("connection", "forkserver", "heap", "managers", "pool", "queues")),
    *(f"billiard/{name}" for name in ("dummy", "sharedctypes.py", "spawn.py", "synchronize.py")),
    *(
        f"billiard/{name}.py"
        for name in ("popen_*", "reduction", "resource_sharer", "semaphore_tracker", "_win")
    ),
    *(f"celery/events/{name}.py" for name in ("cursesmon", "dumper", "snapshot", "state")),
    *(f"celery/app/{name}.py" for name in ("control", "log", "trace")),
    *(f"kombu/{name}.py" for name in ("compat", "pidbox", "simple")),
    *(f"zappa/{name}.py" for name in ("asynchronous", "cli", "core", "handler", "letsencrypt")),
    *(f"werkzeug/{name}" for name in ("debug", "middleware", "routing", "_reloader.py", "testapp.py")),
    *("django/core/servers", "django/core/management/templates.py"),
    # Commands of those who write code.
    *(f"{_COMMANDS}/{name}*.py" for name in ("compilem", "inspectdb", "makemessages", "optimize")),
    *(f"{_COMMANDS}/{name}*.py" for name in ("runserver", "squash", "start", "test")),
    *("django/conf/app_template", "django/conf/project_template"),
    *("click/testing.py", "click/shell_completion.py", "click/_winconsole.py"),
    *("segno/cli.py", "segno/helpers.py", "unfold/contrib/[!_f]*"),
    *("click_*", "prompt_toolkit*", "wcwidth*"),
    # Brokers and stores of results that the hub does not have: it has SQS, and keeps no results.
    *("celery/backends/[c-z]*", "celery/backends/a[rz]*", "kombu/transport/[c-lp-rz]*"),
    *(f"kombu/transport/{name}*" for name in ("azure", "mongodb", "sqlalchemy", "SLMQ")),
    *("_yaml", "yaml/_yaml*"),
]

# What functions need of the console, as git is told: its models, and what they and the functions import.
_BELOW_PAGES = [
    *(f":(glob)console/*/{name}.py" for name in ("__init__", "apps", "models", "models/*")),
    *(
        f"console/{name}.py"
        for name in (
            *(
                "__init__",
                "aws",
                "encryption",
                "exact_text",
                "progress",
                "roles",
                "stored_sentences",
                "tenancy",
                "zones",
            ),
            *("channels/addresses", "channels/connection"),
            *("conversations/report", "conversations/timeline"),
            *("dashboards/tallying", "dashboards/times"),
            *(
                f"organizations/{each}"
                for each in ("business_hours", "handover_rules", "languages", "policies")
            ),
            *("prompts/choices", "prompts/variables"),
            *("settings/base", "settings/secrets"),
        )
    ),
    "console/locale",
]
# Organizations to look at and to measure with: nothing for a stage.
_MADE_UP = [
    f":(exclude)console/conversations/{name}" for name in ("seeding", "management/commands/seed_demo.py")
]

# What translators write; what is compiled of it is packed.
_UNCOMPILED = [":(exclude,glob)console/locale/**/*.po"]

# Served from S3: infra/packages/static.py.
_STATIC = [
    *(
        "unfold/static",
        "unfold/contrib/*/static",
        "django/contrib/admin/static",
        "django/contrib/auth/static",
    ),
    "celery/utils/static",
]

FUNCTIONS = Package(
    name="functions",
    stage="inbound",
    requirements=["requirements/lambdas.txt"],
    bare_requirements=[],
    sources=[*_BELOW_PAGES, "hub_lambdas", *_UNCOMPILED],
    left_out=[*_RUNTIME, *_DJANGO, *_FOR_PEOPLE, *_FOREIGN],
    keeps_zappa_handler=False,
    limit_bytes=12 * MEGABYTE,
    entries=[
        f"hub_lambdas.{name}"
        for name in (
            "webhook",
            "inbound",
            "wakeups",
            "replies",
            "outbound",
            "errands",
            "dead_letters",
            "sweep",
        )
    ],
)
CONSOLE = Package(
    name="console",
    stage="console",
    requirements=["requirements/console.txt"],
    bare_requirements=["zappa", "werkzeug", "markupsafe", "durationpy"],
    sources=["console", "hub_lambdas", "manage.py", *_MADE_UP, *_UNCOMPILED],
    left_out=[
        *_RUNTIME,
        *_DJANGO,
        *_FOREIGN,
        *_FOR_WORKERS,
        *_STATIC,
    ],
    keeps_zappa_handler=True,
    limit_bytes=15 * MEGABYTE,
    entries=["handler"],
    environment={"INSTANTIATE_LAMBDA_HANDLER_ON_IMPORT": "1", "HUB_STATIC_URL": "https://static.example"},
)
PACKAGES = {each.name: each for each in (FUNCTIONS, CONSOLE)}
