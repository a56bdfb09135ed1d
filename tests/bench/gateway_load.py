"""Sends chats over plain connections as fast as they are answered, and prints what it saw as one line of JSON.

    python tests/bench/gateway_load.py --url http://127.0.0.1:8000/v1/chat/completions --requests 5000 --clients 16

It is a process of its own, and does next to nothing for an answer, so that what is measured is the server.
"""

import argparse
import asyncio
import json
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import uvloop

ROOT = Path(__file__).resolve().parents[2]
LEAST_WORDS, MOST_WORDS = 18, 22


def prompts(first: int) -> Iterator[str]:
    """Yield prompts of some 20 words without end, each another one: held-out tasks and a number, from `first` on."""
    lines = (ROOT / "datasets" / "tasks" / "held-out" / "tasks.jsonl").read_text().splitlines()
    texts = [
        text for text in (json.loads(line)["text"] for line in lines) if LEAST_WORDS <= len(text.split()) <= MOST_WORDS
    ]
    while True:
        yield f"{texts[first % len(texts)]} ({first})"
        first += 1


class Job:
    """The requests that are left, and what was seen of the answers: seconds from sending to first and last byte."""

    def __init__(self, requests: list[bytes]) -> None:
        self.requests = iter(requests)
        self.first: list[float] = []
        self.last: list[float] = []
        self.refused: list[str] = []


class Client(asyncio.Protocol):
    """One connection: the next request goes out when the last answer is whole."""

    def __init__(self, job: Job, done: asyncio.Future[None]) -> None:
        self._job, self._done = job, done

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._send()

    def connection_lost(self, error: Exception | None) -> None:
        if not self._done.done():
            self._job.refused.append(f"the connection was lost: {error}")
            self._done.set_result(None)

    def data_received(self, data: bytes) -> None:
        now = time.perf_counter()
        if not self._first:
            self._first = now - self._sent
        self._received += data
        if self._is_whole():
            self._job.first.append(self._first)
            self._job.last.append(now - self._sent)
            if not self._received.startswith(b"HTTP/1.1 200"):
                self._job.refused.append(self._received[:600].decode("latin-1"))
            self._send()

    def _is_whole(self) -> bool:
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            return False
        _, _, stated = self._received[:end].lower().partition(b"content-length:")
        if stated:
            return len(self._received) >= end + 4 + int(stated.partition(b"\r\n")[0])
        return self._received.endswith(b"\r\n0\r\n\r\n")

    def _send(self) -> None:
        request = next(self._job.requests, None)
        self._received, self._first = b"", 0.0
        if request is None:
            self._done.set_result(None)
            self._transport.close()
            return
        self._sent = time.perf_counter()
        self._transport.write(request)


async def run(job: Job, host: str, port: int, clients: int) -> float:
    """Send everything; return how many seconds that took."""
    loop = asyncio.get_running_loop()
    started, ends = time.perf_counter(), [loop.create_future() for _ in range(clients)]
    for end in ends:
        await loop.create_connection(lambda end=end: Client(job, end), host, port)
    await asyncio.gather(*ends)
    return time.perf_counter() - started


def request(path: str, host: str, key: str, body: dict[str, Any]) -> bytes:
    """Return a POST on the wire."""
    data = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\n"
    return f"{head}content-length: {len(data)}\r\n\r\n".encode() + data


def report(job: Job, seconds: float) -> dict[str, Any]:
    """Return the figures: milliseconds, and answers a second."""
    count = len(job.last)
    whole = statistics.quantiles(job.last, n=100) if count > 1 else [0.0] * 99
    first = statistics.quantiles(job.first, n=100) if count > 1 else [0.0] * 99
    return {
        "requests": count,
        "refused": len(job.refused),
        "refusal": job.refused[0] if job.refused else None,
        "per_second": count / seconds,
        "p50_ms": whole[49] * 1e3,
        "p99_ms": whole[98] * 1e3,
        "first_byte_p50_ms": first[49] * 1e3,
        "first_byte_p99_ms": first[98] * 1e3,
    }


def main() -> None:
    """Send what was asked for and print the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--url", required=True)
    parser.add_argument("--key", default="sk-test")
    parser.add_argument("--model", default="auto")
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--clients", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="the number of the first prompt")
    parser.add_argument("--stream", action="store_true")
    args = parser.parse_args()
    where = urlsplit(args.url)
    extra = {"stream": True, "stream_options": {"include_usage": True}} if args.stream else {}
    numbered = zip(range(args.requests), prompts(args.first), strict=False)
    bodies = [
        {"model": args.model, "messages": [{"role": "user", "content": text}], "max_tokens": 256, **extra}
        for _, text in numbered
    ]
    job = Job([request(where.path, where.netloc, args.key, body) for body in bodies])
    seconds = uvloop.run(run(job, where.hostname or "127.0.0.1", where.port or 80, args.clients))
    print(json.dumps(report(job, seconds)))


if __name__ == "__main__":
    main()
