"""Files from addresses that nobody vouches for."""

import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from hub_lambdas.channels.base import ChannelError, FetchedMedia, MediaGone, MediaRefused
from hub_lambdas.channels.download import Download, is_public
from tests.fakes.server import FakeServer

LIMIT_BYTES = 1000
HOST = "files.platform.example"
NOBODY = "https://api.platform.example"
PUBLIC = "93.184.215.14"


class FileServer(FakeServer):
    """Answers as the path says; `seen` holds each path with the credential that came along."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.seen: list[tuple[str, str]] = []
        self.is_closed = threading.Event()
        self.place = ("127.0.0.1", int(self.server_address[1]))
        self.url = f"http://127.0.0.1:{self.place[1]}"


class _Answers(BaseHTTPRequestHandler):
    server: FileServer

    def log_message(self, *arguments: object) -> None:
        """Nothing."""

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        self.server.seen.append((address.path, self.headers.get("authorization", "")))
        match address.path:
            case "/moved":
                self._say(302, b"", location=dict(parse_qsl(address.query))["to"])
            case "/circle":
                self._say(302, b"", location="circle")
            case "/large":
                self._say(200, b"x" * (LIMIT_BYTES + 1))
            case "/large-untold":
                self._say(200, b"x" * (LIMIT_BYTES + 1), length="")
            case "/endless":
                self._chunks(b"x" * 100)
            case "/dribble":
                self._chunks(b"x", pause_seconds=0.02)
            case "/huge-by-its-word":
                self._say(200, b"x", length=str(10**15))
            case "/cut":
                self._say(200, b"x", length="100")
            case "/untold":
                self._say(200, b"a picture")
            case "/gone" | "/forbidden" | "/busy" | "/slow-down":
                self._say({"/gone": 404, "/forbidden": 403, "/busy": 503, "/slow-down": 429}[address.path])
            case _:
                self._say(200, b"a picture", content_type="image/png; charset=binary")

    def _say(self, status: int, content: bytes = b"", *, length: str | None = None, **headers: str) -> None:
        self.send_response(status)
        if length != "":
            self.send_header("content-length", str(len(content)) if length is None else length)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(content)

    def _chunks(self, chunk: bytes, pause_seconds: float = 0.0) -> None:
        self.protocol_version = "HTTP/1.1"
        self.send_response(200)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        while not self.server.is_closed.wait(pause_seconds):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))


@pytest.fixture
def server() -> Iterator[FileServer]:
    with _serving(FileServer()) as started:
        yield started


class _serving:  # noqa: N801
    def __init__(self, server: FileServer) -> None:
        self._server = server

    def __enter__(self) -> FileServer:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self._server

    def __exit__(self, *_: object) -> None:
        self._server.is_closed.set()
        self._server.shutdown()
        self._server.server_close()


def fetch(server: FileServer, path: str, **more: Any) -> FetchedMedia:
    return Download("Platform", LIMIT_BYTES, server.url, **more).fetch(server.url + path)


def test_a_file_with_what_its_server_calls_it(server: FileServer) -> None:
    assert fetch(server, "/picture?a=b%20c") == FetchedMedia(b"a picture", "image/png")
    assert fetch(server, "/untold") == FetchedMedia(b"a picture", "")


@pytest.mark.parametrize("path", ["/large", "/large-untold", "/endless", "/huge-by-its-word"])
def test_what_is_too_large_is_refused_whatever_is_said_of_its_length(server: FileServer, path: str) -> None:
    with pytest.raises(MediaRefused, match="larger than 1000 bytes"):
        fetch(server, path)


@pytest.mark.parametrize(
    ("path", "error", "said"),
    [
        ("/gone", MediaGone, "does not give the file out any more"),
        ("/forbidden", MediaGone, "does not give the file out any more"),
        ("/busy", ChannelError, "now"),
        ("/slow-down", ChannelError, "now"),
        ("/cut", ChannelError, "did not deliver the file"),
    ],
)
def test_what_does_not_come(server: FileServer, path: str, error: type[ChannelError], said: str) -> None:
    with pytest.raises(ChannelError, match=said) as raised:
        fetch(server, path)
    assert type(raised.value) is error
    assert server.url not in str(raised.value)


def test_a_server_that_sends_a_byte_now_and_then_is_cut_off(server: FileServer) -> None:
    with pytest.raises(ChannelError, match=r"did not deliver the file within 0\.2 s"):
        fetch(server, "/dribble", seconds=0.2)


def test_a_circle_of_addresses_has_an_end(server: FileServer) -> None:
    with pytest.raises(MediaRefused, match="from one address to the next"):
        Download("Platform", LIMIT_BYTES, server.url).fetch(f"{server.url}/circle")
    assert len(server.seen) == 5


def test_a_server_that_is_not_there(server: FileServer) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{bound.getsockname()[1]}"
        with pytest.raises(ChannelError, match="did not deliver"):
            Download("Platform", LIMIT_BYTES, url).fetch(url)


def test_a_name_that_nobody_knows() -> None:
    def unknown(host: str, port: int) -> Sequence[str]:
        raise socket.gaierror("unknown")

    with pytest.raises(ChannelError, match="is not known"):
        Download("Platform", LIMIT_BYTES, NOBODY, resolve=unknown).fetch(f"https://{HOST}/")


# --- addresses that are nobody's business -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (PUBLIC, True),
        ("2606:2800:21f:cb07:6820:80da:af6b:8b2c", True),
        ("64:ff9b::5db8:d70e", True),  # NAT64 of a public one
        *((each, False) for each in ("127.0.0.1", "127.8.8.8", "10.0.0.1", "172.16.0.1", "192.168.1.1")),
        *(
            (each, False)
            for each in ("169.254.169.254", "100.64.0.1", "0.0.0.1", "224.0.0.1", "255.255.255.255")
        ),
        *((each, False) for each in ("::1", "::", "fe80::1", "fe80::1%eth0", "fd00:ec2::254", "ff02::1")),
        *(
            (each, False)
            for each in ("::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::")
        ),
        *((each, False) for each in ("", "localhost", "1.2.3")),
    ],
)
def test_which_addresses_are_public(address: str, expected: bool) -> None:
    assert is_public(address) is expected


@pytest.mark.parametrize(
    ("url", "addresses"),
    [
        ("https://127.0.0.1/", ["127.0.0.1"]),
        ("https://[::1]/", ["::1"]),
        ("https://2130706433/", ["127.0.0.1"]),
        (f"https://{HOST}/", ["10.0.0.1"]),
        (f"https://{HOST}/", [PUBLIC, "169.254.169.254"]),
        (f"http://{HOST}/", [PUBLIC]),
        (f"https://{HOST}:8443/", [PUBLIC]),
        ("http://api.platform.example/", [PUBLIC]),
        (f"ftp://{HOST}/", [PUBLIC]),
        ("file:///etc/passwd", [PUBLIC]),
        ("https://", [PUBLIC]),
        ("https://[oops/", [PUBLIC]),
        ("", [PUBLIC]),
    ],
)
def test_nothing_is_fetched_from(url: str, addresses: Sequence[str]) -> None:
    def connect(address: tuple[str, int], timeout_seconds: float) -> socket.socket:
        pytest.fail(f"it connects to {address}")

    download = Download("Platform", LIMIT_BYTES, NOBODY, resolve=lambda *_: addresses, connect=connect)
    with pytest.raises(MediaRefused):
        download.fetch(url)


def test_a_redirect_is_looked_at_too(server: FileServer) -> None:
    with _serving(FileServer()) as private, pytest.raises(MediaRefused, match="https"):
        fetch(server, f"/moved?to={private.url}/secret")
    assert private.seen == []


def certificate(folder: Path) -> Path:
    """A certificate of HOST, with its key, that vouches for itself."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, HOST)])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = folder / "certificate.pem"
    path.write_bytes(made.public_bytes(pem) + private)
    return path


@pytest.fixture
def secure_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    """A server on the loopback that stands for HOST, whose certificate this process trusts."""
    path = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    server = FileServer()
    server.socket = context.wrap_socket(server.socket, server_side=True)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    with _serving(server) as started:
        yield started


def test_the_connection_goes_to_the_address_that_was_looked_at(secure_server: FileServer) -> None:
    """A name that stands for a private address the second time it is asked for (DNS rebinding)."""
    answers, connected = [[PUBLIC], ["127.0.0.1"]], []

    def connect(address: tuple[str, int], timeout_seconds: float) -> socket.socket:
        connected.append(address)
        return socket.create_connection(secure_server.place, timeout_seconds)

    download = Download("Platform", LIMIT_BYTES, NOBODY, resolve=lambda *_: answers.pop(0), connect=connect)
    assert download.fetch(f"https://{HOST}/picture").content == b"a picture"
    assert connected == [(PUBLIC, 443)]
    assert answers == [["127.0.0.1"]]


def test_another_server_under_a_name_is_noticed(secure_server: FileServer) -> None:
    def connect(address: tuple[str, int], timeout_seconds: float) -> socket.socket:
        return socket.create_connection(secure_server.place, timeout_seconds)

    download = Download("Platform", LIMIT_BYTES, NOBODY, resolve=lambda *_: [PUBLIC], connect=connect)
    with pytest.raises(ChannelError, match="no valid certificate"):
        download.fetch("https://other.platform.example/picture")
    assert secure_server.seen == []


def test_credentials_stay_with_the_server_that_they_are_for(secure_server: FileServer) -> None:
    def connect(address: tuple[str, int], timeout_seconds: float) -> socket.socket:
        return socket.create_connection(address if address[0] == "127.0.0.1" else at, timeout_seconds)

    at = secure_server.place
    with _serving(FileServer()) as api:
        download = Download(
            "Platform",
            LIMIT_BYTES,
            api.url,
            {"authorization": "secret"},
            resolve=lambda host, _: [host if host == "127.0.0.1" else PUBLIC],
            connect=connect,
        )
        start = f"{api.url}/moved?to=/moved%3Fto%3Dhttps://{HOST}/picture"
        assert download.fetch(start).content == b"a picture"
    assert api.seen == [("/moved", "secret"), ("/moved", "secret")]
    assert secure_server.seen == [("/picture", "")]
