"""S3 for tests: moto's server for the quick ones, OpenStack Swift with its S3 API for a real store."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.kit.loopback import HOST, end, free_port, listens, running

BUCKET = "helios-test"


@dataclass(frozen=True)
class S3:
    """Where it is and how to sign in; the bucket `BUCKET` exists."""

    url: str
    key: str
    secret: str

    @property
    def environment(self) -> dict[str, str]:
        """What the AWS SDK reads."""
        return {
            "AWS_ACCESS_KEY_ID": self.key,
            "AWS_SECRET_ACCESS_KEY": self.secret,
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL_S3": self.url,
        }

    def client(self, **options: Any) -> Any:
        """A plain client, for looking behind the store's back."""
        import boto3

        return boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id=self.key,
            aws_secret_access_key=self.secret,
            **options,
        )


@contextmanager
def moto(folder: Path) -> Iterator[S3]:
    """moto's server. It does not check signatures or checksums; a conditional creation is atomic."""
    port = free_port()
    program = Path(sys.executable).with_name("moto_server")
    with running([program, "-H", HOST, "-p", str(port)], port=port, log=folder / "moto.log") as server:
        s3 = S3(server.url, "test", "testing")
        s3.client().create_bucket(Bucket=BUCKET)
        yield s3


@contextmanager
def swift(folder: Path) -> Iterator[S3]:
    """One node of OpenStack Swift with one replica. It checks signatures and checksums; a conditional creation is not atomic."""
    ports = {kind: free_port() for kind in ("proxy", "object", "container", "account")}
    _configure(folder, ports)
    started = []
    try:
        for kind in ("object", "container", "account", "proxy"):
            started.append(_start(folder, kind))
            _await(started[-1], ports[kind])
        s3 = S3(f"http://{HOST}:{ports['proxy']}", "test:tester", "testing")
        s3.client().create_bucket(Bucket=BUCKET)
        yield s3
    finally:
        for process in started:
            end(process)


def _start(folder: Path, kind: str) -> subprocess.Popen[bytes]:
    program = Path(sys.executable).with_name(f"swift-{kind}-server")
    with (folder / f"{kind}.log").open("wb") as log:
        return subprocess.Popen(
            [str(program), str(folder / "etc" / f"{kind}-server.conf")],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _await(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + 30
    while not listens(port):
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"{process.args!r} did not start")
        time.sleep(0.05)


def _configure(folder: Path, ports: dict[str, int]) -> None:
    etc = folder / "etc"
    etc.mkdir(parents=True)
    (folder / "dev" / "d1").mkdir(parents=True)
    (etc / "swift.conf").write_text(
        "[swift-hash]\nswift_hash_path_suffix = helios\nswift_hash_path_prefix = helios\n"
        "[storage-policy:0]\nname = one\ndefault = yes\n"
    )
    builder = str(Path(sys.executable).with_name("swift-ring-builder"))
    for kind in ("object", "container", "account"):
        ring = str(etc / f"{kind}.builder")
        device = f"r1z1-{HOST}:{ports[kind]}/d1"
        for words in (["create", "6", "1", "0"], ["add", device, "1"], ["rebalance"]):
            subprocess.run([builder, ring, *words], check=True, stdout=subprocess.DEVNULL, cwd=etc)
        (etc / f"{kind}-server.conf").write_text(_BACKEND.format(etc=etc, folder=folder, port=ports[kind], kind=kind))
    (etc / "proxy-server.conf").write_text(_PROXY.format(etc=etc, port=ports["proxy"]))


_BACKEND = """\
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
user = root
swift_dir = {etc}
devices = {folder}/dev
mount_check = false
disable_fallocate = true
workers = 0
log_address = /dev/null
log_level = WARNING
[pipeline:main]
pipeline = {kind}-server
[app:{kind}-server]
use = egg:swift#{kind}
"""

_PROXY = """\
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
user = root
swift_dir = {etc}
workers = 0
log_level = WARNING
[pipeline:main]
pipeline = catch_errors gatekeeper proxy-logging listing_formats bulk s3api tempauth
    copy slo dlo versioned_writes symlink proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
[filter:tempauth]
use = egg:swift#tempauth
user_test_tester = testing .admin
[filter:s3api]
use = egg:swift#s3api
location = us-east-1
force_swift_request_proxy_log = no
min_segment_size = 5242880
max_upload_part_num = 10000
[filter:copy]
use = egg:swift#copy
[filter:slo]
use = egg:swift#slo
[filter:dlo]
use = egg:swift#dlo
[filter:symlink]
use = egg:swift#symlink
[filter:versioned_writes]
use = egg:swift#versioned_writes
allow_object_versioning = true
[filter:bulk]
use = egg:swift#bulk
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:gatekeeper]
use = egg:swift#gatekeeper
[filter:listing_formats]
use = egg:swift#listing_formats
[filter:proxy-logging]
use = egg:swift#proxy_logging
"""
