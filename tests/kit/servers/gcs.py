"""Google Cloud Storage's JSON API, as far as a client of blobs sees it: generations, resumable uploads, MD5, paging.

Strict where the real one is: a block of a resumable upload is a multiple of 256 KiB unless it is the last, a precondition
is looked at when the object is made, an upload that was given up is gone.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import md5
from itertools import count
from typing import Any
from urllib.parse import quote

from tests.kit.servers.http import Answer, HttpService, Request

UNIT = 256 << 10


@dataclass
class Session:
    """A resumable upload that has begun."""

    name: str
    query: Mapping[str, str]
    data: bytearray = field(default_factory=bytearray)
    stored: Answer | None = None


@dataclass(frozen=True)
class Stored:
    """An object."""

    data: bytes
    generation: int

    @property
    def md5(self) -> str:
        return b64encode(md5(self.data).digest()).decode()


class RefusedError(Exception):
    """An answer that is an error."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class StorageEmulator(HttpService):
    """One bucket. `token`: the bearer token that clients must show. `takes_at_most`: bytes of a resumable block that are kept
    of one request, to show a server that takes a part. `page`: names a listing gives at once. `spoil`: damages what comes.
    `lose_last_answer`: the object is made, and its maker does not hear of it."""

    def __init__(self, bucket: str, *, token: str | None = None, page: int = 1000) -> None:
        super().__init__()
        self.bucket = bucket
        self.objects: dict[str, Stored] = {}
        self.sessions: dict[str, Session] = {}
        self.takes_at_most: int | None = None
        self.spoil = False
        self.lose_last_answer = False
        self.page = page
        self._token = token
        self._generations = count(1000)

    def answer(self, request: Request) -> Answer:
        try:
            if self._token and request.headers.get("authorization") != f"Bearer {self._token}":
                raise RefusedError(401, "Invalid Credentials")
            with self.lock:
                return self._route(request)
        except RefusedError as error:
            about = {"error": {"code": error.status, "message": str(error)}}
            return Answer(error.status, json.dumps(about).encode(), {"Content-Type": "application/json"})

    def _route(self, request: Request) -> Answer:
        if "upload_id" in request.query:
            return self._go_on(request)
        match = re.fullmatch(r"(/upload)?/storage/v1/b/([^/]+)/o(?:/(.+))?", request.path)
        if match is None or match[2] != self.bucket:
            raise RefusedError(404, "The specified bucket does not exist.")
        if match[1]:
            return self._upload(request)
        return self._object(request, match[3]) if match[3] else self._list(request)

    def _upload(self, request: Request) -> Answer:
        if request.query["uploadType"] == "resumable":
            key = f"session-{next(self._generations)}"
            self.sessions[key] = Session(json.loads(request.body)["name"], request.query)
            path = f"/upload/storage/v1/b/{quote(self.bucket)}/o?uploadType=resumable&upload_id={key}"
            return Answer(200, headers={"Location": f"http://{request.headers['host']}{path}"})
        boundary = request.headers["content-type"].partition("boundary=")[2].encode()
        _, about, content, _ = request.body.split(b"--" + boundary)
        meta = json.loads(about.partition(b"\r\n\r\n")[2])
        data = content.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n")
        return self._store(meta["name"], data, request.query, meta.get("md5Hash"))

    def _go_on(self, request: Request) -> Answer:
        key = request.query["upload_id"]
        session = self.sessions.get(key)
        if session is None:
            raise RefusedError(410, "This upload is gone.")
        if request.method == "DELETE":
            del self.sessions[key]
            return Answer(499)
        match = re.fullmatch(r"bytes (?:(\d+)-(\d+)|\*)/(\d+)", request.headers["content-range"])
        assert match is not None
        total = int(match[3])
        if match[1]:
            self._take(session, int(match[1]), request.body, total)
        if len(session.data) == total:
            if session.stored is None:
                session.stored = self._store(session.name, bytes(session.data), session.query, None)
            if self.lose_last_answer:
                self.lose_last_answer = False
                raise RefusedError(503, "Please try again.")
            return session.stored
        held = {"Range": f"bytes=0-{len(session.data) - 1}"} if session.data else {}
        return Answer(308, headers=held)

    def _take(self, session: Session, begin: int, body: bytes, total: int) -> None:
        if begin > len(session.data):
            raise RefusedError(400, "There is a gap.")
        if begin + len(body) < total and len(body) % UNIT:
            raise RefusedError(400, f"A block is a multiple of {UNIT} bytes.")
        body = body[: self.takes_at_most]
        session.data[begin:] = bytes([body[0] ^ 1]) + body[1:] if self.spoil else body

    def _store(self, name: str, data: bytes, query: Mapping[str, str], checksum: str | None) -> Answer:
        self._check_generation(name, query)
        stored = Stored(data, next(self._generations))
        if checksum not in (None, stored.md5):
            raise RefusedError(400, "Provided MD5 hash doesn't match calculated MD5 hash.")
        self.objects[name] = stored
        return _json(_about(name, stored))

    def _object(self, request: Request, name: str) -> Answer:
        stored = self.objects.get(name)
        if stored is None:
            raise RefusedError(404, f"No such object: {self.bucket}/{name}")
        if request.method == "DELETE":
            self._check_generation(name, request.query)
            del self.objects[name]
            return Answer(204)
        if request.query.get("alt") != "media":
            return _json(_about(name, stored))
        begin = request.headers.get("range", "").removeprefix("bytes=").removesuffix("-")
        return Answer(206, stored.data[int(begin) :]) if begin else Answer(200, stored.data)

    def _list(self, request: Request) -> Answer:
        after = request.query.get("pageToken", "")
        names = sorted(n for n in self.objects if n.startswith(request.query.get("prefix", "")) and n > after)
        page: dict[str, Any] = {"items": [{"name": name} for name in names[: self.page]]}
        if len(names) > self.page:
            page["nextPageToken"] = names[self.page - 1]
        return _json(page)

    def _check_generation(self, name: str, query: Mapping[str, str]) -> None:
        wanted = query.get("ifGenerationMatch")
        stored = self.objects.get(name)
        if wanted is not None and int(wanted) != (stored.generation if stored else 0):
            raise RefusedError(412, "At least one of the pre-conditions you specified did not hold.")


def _about(name: str, stored: Stored) -> dict[str, str]:
    return {
        "name": name,
        "generation": str(stored.generation),
        "size": str(len(stored.data)),
        "md5Hash": stored.md5,
    }


def _json(value: object) -> Answer:
    return Answer(200, json.dumps(value).encode(), {"Content-Type": "application/json; charset=UTF-8"})
