"""A build cache over HTTP, as bazel-remote serves one: blobs are checked against their name when they are PUT."""

from __future__ import annotations

from hashlib import sha256

from tests.kit.servers.http import Answer, HttpService, Request


class BuildCache(HttpService):
    """Keeps what is PUT, under any name. `token`: what clients must show. `conditional`: whether If-None-Match is obeyed."""

    def __init__(self, *, token: str | None = None, conditional: bool = True) -> None:
        super().__init__()
        self.objects: dict[str, bytes] = {}
        self._token = token
        self._conditional = conditional

    def answer(self, request: Request) -> Answer:
        if self._token and request.headers.get("authorization") != f"Bearer {self._token}":
            return Answer(401, b"who are you?")
        with self.lock:
            if request.method == "PUT":
                return self._put(request)
            if request.method == "DELETE":
                return Answer(204 if self.objects.pop(request.path, None) is not None else 404)
            data = self.objects.get(request.path)
        return _read(request, data) if data is not None else Answer(404, b"no such object")

    def _put(self, request: Request) -> Answer:
        if "/cas/" in request.path and sha256(request.body).hexdigest() != request.path.rpartition("/")[2]:
            return Answer(400, b"the digest does not match")
        if self._conditional and request.headers.get("if-none-match") == "*" and request.path in self.objects:
            return Answer(412)
        self.objects[request.path] = request.body
        return Answer(200)


def _read(request: Request, data: bytes) -> Answer:
    begin = request.headers.get("range", "").removeprefix("bytes=").removesuffix("-")
    if request.method == "GET" and begin.isdigit():
        return Answer(206, data[int(begin) :])
    return Answer(200, data)
