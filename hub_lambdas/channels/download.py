"""Files from the address that a platform names for them, fetched with suspicion.

Whoever knows an app's secret can name any address in a webhook, and an organization knows its own. So a file
comes over https and from public addresses only: a name is resolved once, all it stands for must be public,
and the connection goes to an address that was looked at, so that a name which stands for another one a moment
later (DNS rebinding) gains nothing. Each redirect is looked at like that, and credentials go to the first
server alone. The one exception is `trusted`, the platform's API as the settings name it.

No error carries an address: it may hold a credential.
"""

import http.client
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from types import TracebackType
from urllib.parse import urljoin

from urllib3.exceptions import LocationParseError
from urllib3.util import parse_url

from hub_lambdas.channels.base import ChannelError, FetchedMedia, MediaGone, MediaRefused
from hub_lambdas.channels.client import CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS
from hub_lambdas.sentences import stored

DOWNLOAD_SECONDS = 20.0
"""For one file, redirects included."""
CHUNK_BYTES = 64 * 1024
MAX_REDIRECTS = 4
MAX_ADDRESSES = 3
"""Of one name that are tried."""

_PORTS = {"http": 80, "https": 443}
_REDIRECTS = {301, 302, 303, 307, 308}
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


def resolve(host: str, port: int) -> Sequence[str]:
    """The addresses behind a name. Raises OSError or UnicodeError where there are none."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(each[4][0]) for each in found))


def size(count_bytes: int) -> str:
    """A number of bytes for people."""
    if count_bytes < 1024:
        return f"{count_bytes} bytes"
    return f"{count_bytes / 1024:.0f} KB" if count_bytes < 1024 * 1024 else f"{count_bytes / 1048576:.3g} MB"


@dataclass(frozen=True)
class _Place:
    """An address in parts."""

    scheme: str
    host: str
    port: int
    target: str = field(repr=False)

    @property
    def origin(self) -> tuple[str, str, int]:
        return self.scheme, self.host, self.port


def _place(url: str) -> _Place:
    try:
        parsed = parse_url(url)
    except (LocationParseError, ValueError):
        parsed = parse_url("")
    if parsed.scheme not in _PORTS or not parsed.host:
        raise MediaRefused("The platform names no address that the file could be fetched from.")
    host, port = parsed.host.strip("[]"), parsed.port or _PORTS[parsed.scheme]
    return _Place(parsed.scheme, host, port, parsed.request_uri)


def is_at(url: str, base_url: str) -> bool:
    """Whether an address is one of the server of `base_url`."""
    try:
        return _place(url).origin == _place(base_url).origin
    except MediaRefused:
        return False  # it is none at all


@dataclass(frozen=True)
class Download:
    """How one file is fetched. `platform`: its name in sentences. `trusted`: an address of the platform's own
    API. `headers`: credentials, for the first server alone. Raises MediaRefused, MediaGone, or another
    ChannelError where a second attempt may succeed."""

    platform: str
    limit_bytes: int
    trusted: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    seconds: float = DOWNLOAD_SECONDS
    resolve: Callable[[str, int], Sequence[str]] = resolve
    connect: Callable[[tuple[str, int], float], socket.socket] = socket.create_connection

    def fetch(self, url: str) -> FetchedMedia:
        """The file at `url`."""
        with _Deadline(self.seconds) as deadline:
            try:
                return self._follow(url, deadline)
            except (OSError, http.client.HTTPException) as error:
                raise ChannelError(self._what_failed(error, deadline)) from None

    def _what_failed(self, error: Exception, deadline: "_Deadline") -> str:
        if deadline.is_over:
            return stored(
                "%(platform)s did not deliver the file within %(seconds)s s.",
                platform=self.platform,
                seconds=f"{self.seconds:g}",
            )
        if isinstance(error, ssl.SSLCertVerificationError):
            return stored(
                "The server of %(platform)s's files has no valid certificate.", platform=self.platform
            )
        return stored("%(platform)s did not deliver the file.", platform=self.platform)

    def _follow(self, url: str, deadline: "_Deadline") -> FetchedMedia:
        first = place = _place(url)
        for _ in range(MAX_REDIRECTS + 1):
            headers = self.headers if place.origin == first.origin else {}
            found = self._ask(place, headers, deadline)
            if isinstance(found, FetchedMedia):
                return found
            url = urljoin(url, found)
            place = _place(url)
        raise MediaRefused(
            stored("%(platform)s sends the hub from one address to the next.", platform=self.platform)
        )

    def _ask(self, place: _Place, headers: Mapping[str, str], deadline: "_Deadline") -> FetchedMedia | str:
        """The file, or the address that it is said to be at."""
        connection = http.client.HTTPConnection(place.host, place.port)
        connection.sock = self._connect(place, deadline)
        try:
            given = {"accept": "*/*", "accept-encoding": "identity", "connection": "close", **headers}
            connection.request("GET", place.target, headers=given)
            with closing(connection.getresponse()) as response:
                if response.status in _REDIRECTS and response.headers.get("location"):
                    return str(response.headers["location"])
                return self._read(response, deadline)
        finally:
            connection.close()

    def _read(self, response: http.client.HTTPResponse, deadline: "_Deadline") -> FetchedMedia:
        """What a server says of the length saves the reading, and is never relied upon."""
        if response.status == 429 or response.status >= 500:
            raise ChannelError(
                stored(
                    "%(platform)s cannot give the file out now (status %(status)s).",
                    platform=self.platform,
                    status=response.status,
                )
            )
        if response.status != 200:
            raise MediaGone(
                stored(
                    "%(platform)s does not give the file out any more (status %(status)s).",
                    platform=self.platform,
                    status=response.status,
                )
            )
        too_large = MediaRefused(stored("The file is larger than %(limit)s.", limit=size(self.limit_bytes)))
        if (response.length or 0) > self.limit_bytes:
            raise too_large
        content = bytearray()
        while chunk := response.read(CHUNK_BYTES):
            content += chunk
            if len(content) > self.limit_bytes:
                raise too_large
        if response.length or deadline.is_over:
            raise http.client.IncompleteRead(b"")
        is_named = "content-type" in response.headers  # else Python says "text/plain"
        return FetchedMedia(bytes(content), response.headers.get_content_type() if is_named else "")

    def _connect(self, place: _Place, deadline: "_Deadline") -> socket.socket:
        refusal: OSError | None = None
        for address in self._addresses(place)[:MAX_ADDRESSES]:
            try:
                plain = self.connect((address, place.port), CONNECT_TIMEOUT_SECONDS)
            except OSError as error:
                refusal = error
                continue
            plain.settimeout(READ_TIMEOUT_SECONDS)
            deadline.watch(plain)
            return plain if place.scheme == "http" else _secure(plain, place.host, deadline)
        raise refusal or OSError("no address")

    def _addresses(self, place: _Place) -> Sequence[str]:
        is_trusted = place.origin == _place(self.trusted).origin
        if not is_trusted and (place.scheme, place.port) != ("https", 443):
            raise MediaRefused("Its address is none of https: nothing was fetched.")
        try:
            found = self.resolve(place.host, place.port)
        except (OSError, UnicodeError):
            raise ChannelError(
                stored("The name of the server of %(platform)s's file is not known.", platform=self.platform)
            ) from None
        if not is_trusted and not all(map(is_public, found)):
            raise MediaRefused("Its address leads into a private network: nothing was fetched.")
        return found


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public internet, and stands for none that is not."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    inner = _embedded(ip) if isinstance(ip, ipaddress.IPv6Address) else None
    return ip.is_global and not ip.is_multicast and (inner is None or is_public(str(inner)))


def _embedded(ip: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The address that packets to this one end at (6to4: RFC 3056; NAT64: RFC 6052)."""
    if ip in _NAT64:
        return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.ipv4_mapped or ip.sixtofour


def _secure(plain: socket.socket, host: str, deadline: "_Deadline") -> ssl.SSLSocket:
    """TLS with the server that `host` names, whatever address it was found at."""
    context = ssl.create_default_context()
    secured = context.wrap_socket(plain, server_hostname=host, do_handshake_on_connect=False)
    deadline.watch(secured)
    try:
        secured.do_handshake()
    except BaseException:
        secured.close()
        raise
    return secured


class _Deadline:
    """Ends whatever waits on a socket when the time is up: a server that sends a byte now and then outlives
    the time-out of every single read."""

    def __init__(self, seconds: float) -> None:
        self.is_over = False
        self._socket: socket.socket | None = None
        self._lock = threading.Lock()
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True

    def __enter__(self) -> "_Deadline":
        self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        self._timer.join()

    def watch(self, watched: socket.socket) -> None:
        """From now on this is the socket that is waited on."""
        with self._lock:
            self._socket = watched
            if self.is_over:
                self._break()

    def _end(self) -> None:
        with self._lock:
            self.is_over = True
            self._break()

    def _break(self) -> None:
        try:
            if self._socket is not None:
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)  # an SSLSocket's own drops its state
        except OSError:
            return  # it is closed already
