"""The console's static files as a deploy collects and publishes them, into a real bucket."""

import json
import shutil
import zipfile
from pathlib import Path
from urllib.request import urlopen
from uuid import uuid4

import pytest
from boto3.session import Session

from infra.deployment.bucket import Bucket
from infra.deployment.releases import Releases
from infra.deployment.static_files import StaticFiles
from infra.local.environment import ROOT
from infra.packages import static


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sources")
    for name in ("console", "hub_lambdas"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "manage.py", folder)
    return folder


@pytest.fixture(scope="module")
def packed(sources: Path) -> Path:
    made = static.pack(static.collect(sources), sources / static.NAME)
    static.keep_list(sources)
    return made


@pytest.fixture
def bucket(aws: str) -> Bucket:
    bucket = Bucket(f"static-{uuid4().hex}", Session())
    bucket.client.create_bucket(Bucket=bucket.name)
    return bucket


def test_the_package_keeps_only_the_list_of_their_names(sources: Path, packed: Path) -> None:
    assert [path.name for path in (sources / static.FOLDER).iterdir()] == [static.LIST]
    assert not (sources / "console" / "static").exists()


def test_what_the_list_names_can_be_fetched_for_good(packed: Path, bucket: Bucket, aws: str) -> None:
    releases = Releases(bucket)
    releases.keep("abc", packed, static.NAME)
    names = json.loads(zipfile.ZipFile(packed).read(static.LIST))["paths"]

    count = StaticFiles(bucket, releases).publish("abc")

    assert count == len(set(names.values()))
    with urlopen(f"{aws}/{bucket.name}/abc/{names['console/console.css']}") as answer:  # noqa: S310
        assert answer.headers["content-type"] == "text/css"
        assert "immutable" in answer.headers["cache-control"]
        assert answer.read() == (ROOT / "console" / "static" / "console" / "console.css").read_bytes()


def test_what_lies_there_is_left_and_what_half_lies_there_is_finished(packed: Path, bucket: Bucket) -> None:
    releases = Releases(bucket)
    releases.keep("abc", packed, static.NAME)
    published = StaticFiles(bucket, releases)
    count = published.publish("abc")

    assert published.publish("abc") == 0
    bucket.delete(f"abc/{static.LIST}")  # the last that is put
    assert published.publish("abc") == count
