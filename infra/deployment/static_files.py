"""The static files of the console in a bucket that anybody may read, a folder for each release."""

import mimetypes
import tempfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from infra.deployment.bucket import Bucket
from infra.deployment.releases import Releases
from infra.packages.static import LIST, NAME

AT_A_TIME = 8
FOREVER = "public, max-age=31536000, immutable"  # a changed file has another name


class StaticFiles:
    """Those of one stage."""

    def __init__(self, bucket: Bucket, releases: Releases) -> None:
        self._bucket, self._releases = bucket, releases

    def publish(self, release: str) -> int:
        """Put the files of a release there, unless they are; how many that were."""
        if self._bucket.keys(f"{release}/{LIST}"):
            return 0
        with tempfile.TemporaryDirectory() as scratch:
            packed = self._releases.fetch(release, NAME, Path(scratch, NAME))
            with zipfile.ZipFile(packed) as files:
                contents = {name: files.read(name) for name in files.namelist()}
        last = contents.pop(LIST)  # with it the release counts as whole
        with ThreadPoolExecutor(AT_A_TIME) as pool:
            for _ in pool.map(lambda name: self._put(f"{release}/{name}", contents[name]), contents):
                pass
        self._put(f"{release}/{LIST}", last)
        return len(contents)

    def forget(self, release: str) -> None:
        for key in self._bucket.keys(f"{release}/"):
            self._bucket.delete(key)

    def _put(self, key: str, content: bytes) -> None:
        kind = mimetypes.guess_type(key)[0] or "application/octet-stream"
        self._bucket.client.put_object(
            Bucket=self._bucket.name, Key=key, Body=content, ContentType=kind, CacheControl=FOREVER
        )
