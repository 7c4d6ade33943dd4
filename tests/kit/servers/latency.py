"""A worker with a fixed latency, for as many calls at once as one likes: answers Lambda's Invoke and plain HTTP alike.

As a program: `latency.py PORT SECONDS ARTIFACT_JSON`. `GET /most` says how many calls were under way at once at most.
"""

from __future__ import annotations

import asyncio
import json
import sys
from base64 import b64encode

HOST = "127.0.0.1"
REPORT = b64encode(b"REPORT RequestId: x\tDuration: 1 ms\tBilled Duration: 1 ms\tMemory Size: 128 MB\t\n").decode()


class Worker:
    """Answers each call after `seconds`."""

    def __init__(self, seconds: float, artifact: dict[str, object]) -> None:
        self._seconds = seconds
        self._body = {"exitCode": 0, "output": "", "stdout": "", "stderr": "", "artifacts": [artifact]}
        self._under_way = 0
        self._most = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                await self._answer(line.decode(), reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _answer(self, line: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        length = 0
        while (header := (await reader.readline()).strip().lower()) != b"":
            if header.startswith(b"content-length:"):
                length = int(header.split(b":")[1])
        await reader.readexactly(length)
        if line.startswith("GET"):
            data = json.dumps(self._most).encode()
        else:
            self._under_way += 1
            self._most = max(self._most, self._under_way)
            await asyncio.sleep(self._seconds)
            self._under_way -= 1
            invoked = "/invocations" in line
            reply = {"statusCode": 200, "body": json.dumps(self._body)} if invoked else self._body
            data = json.dumps(reply).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Amz-Log-Result: {REPORT}\r\n"
        writer.write(f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data)
        await writer.drain()


async def main(port: int, seconds: float, artifact: dict[str, object]) -> None:
    server = await asyncio.start_server(Worker(seconds, artifact).serve, HOST, port, backlog=4096)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), float(sys.argv[2]), json.loads(sys.argv[3])))
