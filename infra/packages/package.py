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
# Translations but English ones, and databases that the hub does not speak.
_DJANGO = [
    "django/**/locale/[!_e]*",
    "django/**/locale/e[!n]*",
    "django/**/locale/en_*",
    "django/**/*.po",
    "django/db/backends/mysql",
    "django/db/backends/oracle",
    "django/db/backends/sqlite3",
    *(
        f"django/contrib/{name}"
        for name in ("admindocs", "flatpages", "gis", "redirects", "sitemaps", "syndication")
    ),
]
_FOR_PEOPLE = [
    "django/test",
    *(f"django/contrib/{name}" for name in ("admin", "humanize", "messages", "sessions", "staticfiles")),
    "django/contrib/postgres",
    "django/contrib/auth/common-passwords.txt.gz",
    "django/core/management/commands",
    "django/core/servers",
    "urllib3/contrib/emscripten",
]
# Scripts, tests, type stubs, and what only compiles other packages.
_FOREIGN = ["bin", "**/tests", "**/*.pyi", "**/*.pxd", "**/*.c", "cffi", "pycparser*", "*.dist-info/RECORD"]

# What serves the console elsewhere, runs its jobs, and what works without its compiled half.
_FOR_WORKERS = ["gunicorn*", "pycurl*", "curl", "prompt_toolkit*", "wcwidth*", "_yaml", "yaml/_yaml*"]

# What of the console only shows pages or runs commands, as git is told to leave it out.
_PAGES = [
    *(
        f":(exclude)console/{name}"
        for name in ("static", "templates", "proof", "dashboard.py", "navigation.py")
    ),
    *(f":(exclude,glob)console/**/{name}" for name in ("admin.py", "management/**", "page.py", "views.py")),
]

FUNCTIONS = Package(
    name="functions",
    stage="inbound",
    requirements=["requirements/lambdas.txt"],
    bare_requirements=[],
    sources=["console", "hub_lambdas", *_PAGES],
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
    sources=["console", "hub_lambdas", "manage.py"],
    left_out=[
        *_RUNTIME,
        *_DJANGO,
        *_FOREIGN,
        "gunicorn*",
        "pycurl*",
        "curl",
        "prompt_toolkit*",
        "wcwidth*",
        "_yaml",
        "yaml/_yaml*",
    ],
    keeps_zappa_handler=True,
    limit_bytes=18 * MEGABYTE,
    entries=["handler"],
    environment={"INSTANTIATE_LAMBDA_HANDLER_ON_IMPORT": "1"},
)
PACKAGES = {each.name: each for each in (FUNCTIONS, CONSOLE)}
