"""The settings fail closed, and the project is whole."""

import http.server
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection
from django.test import Client
from django.test.utils import override_script_prefix

from console.conversations.models import MessageMedia
from console.organizations.models import Member, User
from console.security_headers import content_security_policy
from console.settings.secrets import read_secrets
from tests import factories
from tests.console.conftest import World, body, signed_in
from tests.console.walk import row_of

ROOT = Path(__file__).parent.parent.parent


def manage(*arguments: str, **changes: str | None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "DATABASE_URL": "postgresql://nobody@127.0.0.1:9/none"}
    for name, value in changes.items():
        environment.pop(name, None)
        if value is not None:
            environment[name] = value
    command = [sys.executable, str(ROOT / "manage.py"), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("name", ["HUB_SECRET_KEY", "HUB_CREDENTIAL_KEYS"])
def test_nothing_starts_without_a_key(name: str, tmp_path: Path) -> None:
    result = manage("check", HUB_HOME=str(tmp_path), **{name: ""})
    assert result.returncode != 0
    assert result.stderr.strip().startswith(f"{name} is not set: ")
    assert len(result.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [("HUB_CONSOLE_URL", "ftp://x"), ("HUB_WEBHOOK_URL", "nonsense"), ("DATABASE_URL", "mysql://x y")],
)
def test_a_wrong_address_is_one_sentence(name: str, value: str) -> None:
    result = manage("check", **{name: value})
    assert result.returncode != 0
    assert name in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_cookies_are_secure_behind_https() -> None:
    code = (
        "from django.conf import settings as s; print(s.SESSION_COOKIE_SECURE, s.CSRF_COOKIE_SECURE, s.DEBUG)"
    )
    assert (
        manage("shell", "-v0", "-c", code, HUB_CONSOLE_URL="https://hub.example").stdout.strip()
        == "True True False"
    )
    assert manage("shell", "-v0", "-c", code).stdout.strip() == "False False False"


def test_the_project_is_whole(db: None) -> None:
    call_command("check", fail_level="WARNING")
    output = StringIO()
    call_command("makemigrations", "--check", "--dry-run", stdout=output)
    assert "No changes" in output.getvalue()


def test_pages_are_guarded(client: Client, db: None) -> None:
    response = client.get("/login/")
    assert response["X-Frame-Options"] == "DENY"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Referrer-Policy"] == "same-origin"
    cookie = response.cookies["csrftoken"]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"
    assert "channels-hub" in response.content.decode()


def test_no_script_comes_from_elsewhere_or_stands_in_a_page(world: World) -> None:
    client = signed_in(world.admin)
    for address in ("/login/", "/", "/conversations/export/", f"/inbox/{world.conversation.pk}/"):
        response = client.get(address, follow=True)
        policy = dict(part.split(" ", 1) for part in response["Content-Security-Policy"].split("; "))
        assert policy["default-src"] == "'none'"
        assert policy["script-src"] == "'self' 'unsafe-eval'"
        assert policy["frame-ancestors"] == "'none'"
        page = response.content.decode()
        assert not re.search(r"<script(?![^>]*\ssrc=)|\son(click|change|load|submit)=", page), address
        assert not re.search(r"""src=["'](https?:)?//""", page), address


def test_a_stored_file_keeps_its_stricter_policy(world: World) -> None:
    response = signed_in(world.agent).get(
        f"/conversations/conversation/file/{row_of(MessageMedia, world.organization).pk}/"
    )
    assert response["Content-Security-Policy"].startswith("sandbox; ")
    assert body(response)


def test_pages_may_show_files_that_lie_in_s3() -> None:
    policy = content_security_policy(["https://files.s3.amazonaws.com"], [])
    assert "img-src 'self' https://files.s3.amazonaws.com data:" in policy
    assert "script-src 'self' 'unsafe-eval'" in policy


def test_pages_may_have_scripts_styles_and_fonts_from_where_a_deploy_put_them() -> None:
    policy = content_security_policy([], ["https://static.s3.amazonaws.com"])
    for kind in ("script-src", "style-src", "font-src", "img-src"):
        assert f"{kind} 'self' https://static.s3.amazonaws.com" in policy


def test_a_deployed_console_passes_djangos_own_review() -> None:
    key = "k" * 30 + "0123456789abcdefghijklmnopqrst"
    result = manage(
        "check",
        "--deploy",
        "--fail-level",
        "WARNING",
        HUB_CONSOLE_URL="https://hub.example/production",
        HUB_ALLOWED_HOSTS="hub.example",
        HUB_SECRET_KEY=key,
    )
    assert result.returncode == 0, result.stderr
    assert "no issues" in result.stdout


@override_script_prefix("/production/")
def test_forms_work_behind_a_proxy_and_under_a_stages_path(db: None, settings: Any) -> None:
    """The proxy ends TLS and has another name for the console; API Gateway puts the stage before the path."""
    code = (
        "import json; from django.conf import settings as s; print(json.dumps([s.CSRF_TRUSTED_ORIGINS,"
        " s.CSRF_COOKIE_PATH, s.SESSION_COOKIE_PATH, s.STATIC_URL,"
        " s.SECURE_PROXY_SSL_HEADER, s.SECURE_SSL_REDIRECT]))"
    )
    said = manage("shell", "-v0", "-c", code, HUB_CONSOLE_URL="https://hub.example/production").stdout
    origins, path, session_path, static_url, header, redirects = json.loads(said)
    assert (origins, path, session_path, redirects) == (
        ["https://hub.example"],
        "/production",
        "/production",
        True,
    )
    settings.CSRF_TRUSTED_ORIGINS, settings.SECURE_PROXY_SSL_HEADER = origins, tuple(header)
    settings.STATIC_URL, settings.SECURE_SSL_REDIRECT, settings.CSRF_COOKIE_PATH = static_url, True, path
    user = factories.make_member(factories.make_organization())
    client = Client(enforce_csrf_checks=True)
    proxied: Any = {"SCRIPT_NAME": path, "HTTP_X_FORWARDED_PROTO": "https", "HTTP_HOST": "127.0.0.1:8000"}
    page = client.get("/login/", **proxied).content.decode()
    assert 'action="/production/login/' in page
    assert 'src="/production/static/' in page
    assert body(client.get("/static/console/console.css", **proxied)).startswith("{")
    found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
    assert found
    data = {"username": user.email, "password": factories.PASSWORD, "csrfmiddlewaretoken": found[1]}
    referer = {"HTTP_REFERER": "https://hub.example/production/login/"}
    foreign = client.post("/login/", data, **proxied, HTTP_ORIGIN="https://evil.example", **referer)
    assert foreign.status_code == 403
    own = client.post("/login/", data, **proxied, HTTP_ORIGIN="https://hub.example", **referer)
    assert (own.status_code, own["Location"]) == (302, "/production/")
    plain = client.get("/login/", SCRIPT_NAME=path, HTTP_HOST="127.0.0.1:8000")
    assert (plain.status_code, plain["Location"]) == (301, "https://127.0.0.1:8000/production/login/")
    assert client.get("/healthz", HTTP_HOST="127.0.0.1:8000").status_code == 200


def test_forms_of_other_sites_are_refused(db: None) -> None:
    strict = Client(enforce_csrf_checks=True)
    assert strict.post("/login/", {"username": "a@b.c", "password": "x"}).status_code == 403


def test_static_files_are_served_without_collecting_them(client: Client) -> None:
    for path in ("console/console.css", "console/icon.svg", "unfold/css/styles.css"):
        response = client.get(f"/{settings.STATIC_URL.strip('/')}/{path}")
        assert response.status_code == 200
        assert body(response)


def test_health(client: Client, db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}

    def fail() -> None:
        raise DatabaseError("away")

    with monkeypatch.context() as patched:
        patched.setattr(connection, "cursor", fail)
        assert client.get("/healthz").status_code == 503


@pytest.mark.django_db
def test_the_first_admin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUB_ADMIN_PASSWORD", "first long password")
    factories.make_organization("bright-smile")
    call_command("ensure_admin", stdout=StringIO())
    user = User.objects.get(email="admin@example.com")
    assert user.is_ops
    assert Member.objects.get(user=user).role == "admin"
    hashed = user.password
    call_command("ensure_admin", stdout=StringIO())
    user.refresh_from_db()
    assert user.password == hashed
    monkeypatch.setenv("HUB_ADMIN_PASSWORD", "second long password")
    call_command("ensure_admin", stdout=StringIO())
    user.refresh_from_db()
    assert user.check_password("second long password")
    assert signed_in(user).get("/").status_code == 200


@pytest.mark.django_db
def test_the_first_admin_of_a_stage_elsewhere_is_named_and_gets_no_organization(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HUB_ADMIN_PASSWORD", "first long password")
    monkeypatch.setattr(settings, "STAGE", "prod")
    factories.make_organization("bright-smile")  # a customer's, with the slug of a demo

    with pytest.raises(CommandError, match="--email"):
        call_command("ensure_admin", stdout=StringIO())
    assert not User.objects.filter(is_ops=True).exists()
    call_command("ensure_admin", "--email", "ann@studio.example", stdout=StringIO())

    assert User.objects.get(is_ops=True).email == "ann@studio.example"
    assert not Member.objects.exists()


def test_signing_in_leads_to_the_dashboard(client: Client, db: None) -> None:
    user = factories.make_member(factories.make_organization())
    response = client.post("/login/", {"username": user.email, "password": factories.PASSWORD})
    assert (response.status_code, response.headers["location"]) == (302, "/")


class Secrets(http.server.BaseHTTPRequestHandler):
    """Secrets Manager, as far as reading goes."""

    values: dict[str, str] = {}

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        value = self.values.get(asked["SecretId"])
        status, answer = (
            (200, {"SecretString": value}) if value else (400, {"__type": "AccessDeniedException"})
        )
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - so named above
        """Quiet."""


@pytest.fixture
def secrets_manager() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Secrets)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_on_aws_settings_come_from_secrets_and_what_is_set_wins(secrets_manager: str) -> None:
    Secrets.values = {
        "settings": '{"HUB_META_APP_SECRET": "s3cret", "HUB_SECRET_KEY": "from the secret"}',
        "admin": '{"HUB_ADMIN_PASSWORD": "long"}',
        "database": '{"username": "hub", "password": "p@ss/word"}',
    }
    environment = {
        "HUB_SECRETS": "settings,admin",
        "HUB_DATABASE_SECRET": "database",
        "HUB_DATABASE_HOST": "proxy.internal",
        "HUB_SECRET_KEY": "set",
        "AWS_ENDPOINT_URL": secrets_manager,
    }

    read_secrets(environment)

    assert environment["HUB_META_APP_SECRET"] == "s3cret"
    assert environment["HUB_ADMIN_PASSWORD"] == "long"
    assert environment["HUB_SECRET_KEY"] == "set"
    assert environment["DATABASE_URL"] == "postgresql://hub:p%40ss%2Fword@proxy.internal/hub?sslmode=require"


@pytest.mark.parametrize("value", ["", "no JSON", "[]"])
def test_a_secret_that_cannot_be_used_is_one_sentence_without_its_content(
    secrets_manager: str, value: str
) -> None:
    Secrets.values = {"settings": value}

    result = manage("check", HUB_SECRETS="settings", AWS_ENDPOINT_URL=secrets_manager)

    assert result.returncode != 0
    assert result.stderr.strip().startswith("The secret settings ")
    assert len(result.stderr.strip().splitlines()) == 1
    assert "no JSON" not in result.stderr
