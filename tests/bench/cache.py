"""How often the semantic cache answers wrongly, and how often it answers at all: on the authored pairs and workload.

`make bench-cache` prints the tables and writes out/cache.json. Everything goes through `Answers`, with the embedding of
the bundle that comes along; nothing is drawn, so that a run gives the same figures every time.
"""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
from rich.console import Console
from rich.table import Table

from pointsman.caching.guard import THRESHOLD, difference
from pointsman.caching.nearest import unit
from pointsman.caching.words import Answer
from pointsman.chat import Chat, Reply, Turn
from pointsman.gateway.answers import Answers
from pointsman.prediction import read_bundle
from pointsman.prediction.embedder import Embedder
from pointsman.registry import TokenUsage
from pointsman.settings import CacheSettings

ROOT: Final = Path(__file__).resolve().parents[2]
DATA: Final = ROOT / "datasets" / "cache"
OUT: Final = ROOT / "out" / "cache.json"
NOW: Final = datetime(2026, 11, 21, tzinfo=UTC)
THRESHOLDS: Final = (0.6, 0.7, 0.8, 0.9, 0.95)
SYSTEM: Final = "You help the team of a shop."

Embed = Callable[[str], Any]


class Pair(msgspec.Struct, frozen=True):
    """Two questions, and whether the answer to the first suits the second."""

    id: str
    kind: str
    should_hit: bool
    split: str
    first: str
    second: str


class Request(msgspec.Struct, frozen=True):
    """A request of the workload; `answered_by` is the first request whose answer is right for it, None for none."""

    id: str
    kind: str
    text: str
    answered_by: str | None


class Served(msgspec.Struct, frozen=True):
    """What the workload came to, by kind of request."""

    requests: dict[str, int]
    exact_hits: dict[str, int]
    semantic_hits: dict[str, int]
    false_hits: list[str]

    @property
    def hit_rate(self) -> float:
        """Right hits per request."""
        hits = sum(self.exact_hits.values()) + sum(self.semantic_hits.values()) - len(self.false_hits)
        return hits / sum(self.requests.values())


def pairs() -> list[Pair]:
    """Return the authored pairs."""
    return [msgspec.json.decode(line, type=Pair) for line in (DATA / "pairs.jsonl").read_bytes().splitlines()]


def workload() -> list[Request]:
    """Return the authored requests in the order of their arrival."""
    return [msgspec.json.decode(line, type=Request) for line in (DATA / "workload.jsonl").read_bytes().splitlines()]


def chat_of(text: str) -> Chat:
    """Return the chat that asks this."""
    messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": text}]
    turns = (Turn("system", SYSTEM, 0), Turn("user", text, 1))
    return Chat("openai", {"model": "auto", "messages": messages}, turns, "auto")


def answers(embed: Embed | None, threshold: float = THRESHOLD) -> Answers:
    """Return an empty cache; without `embed` it answers the very same requests only."""
    settings = CacheSettings(enabled=True, semantic=embed is not None, threshold=threshold)
    return Answers(None, settings, embed, clock=lambda: NOW, sync_every_s=None)


def answered(kept: Answers, request: str, text: str) -> tuple[str, str] | None:
    """Return (kind of the hit, the request whose answer it is); None for a miss, whose answer is kept then."""
    chat = chat_of(text)
    found = kept.lookup(chat, "default")
    if found is not None:
        return found.kind, found.body.decode()
    answer = Answer(request.encode(), "openai", "small", TokenUsage(100, 100), 1000, 0)
    now_us = int(NOW.timestamp() * 1_000_000)
    kept.put(chat, "default", msgspec.structs.replace(answer, created_us=now_us), Reply("Right.", "stop", 0, None))
    kept.flush()
    return None


def is_hit(pair: Pair, embed: Embed, threshold: float = THRESHOLD) -> bool:
    """Return whether the second question is answered with the answer to the first."""
    kept = answers(embed, threshold)
    answered(kept, "first", pair.first)
    return answered(kept, "second", pair.second) is not None


def replayed(requests: Sequence[Request], embed: Embed | None) -> Served:
    """Return what a cache does with the requests, each in its turn."""
    kept, seen, exact, semantic, false = answers(embed), Counter(), Counter(), Counter(), []
    stands_for: dict[str, str | None] = {}
    for request in requests:
        seen[request.kind] += 1
        stands_for[request.id] = request.answered_by or request.id
        hit = answered(kept, request.id, request.text)
        if hit is None:
            continue
        (exact if hit[0] == "exact" else semantic)[request.kind] += 1
        if stands_for[hit[1]] != stands_for[request.id]:
            false.append(request.id)
    return Served(dict(seen), dict(exact), dict(semantic), false)


def cosines(asked: Sequence[Pair], embed: Embed) -> list[float]:
    """Return the cosine of each pair's two embeddings."""
    return [float(unit(embed(pair.first)) @ unit(embed(pair.second))) for pair in asked]


def main() -> None:
    """Print both tables and write them as JSON."""
    embed = cache(Embedder(read_bundle()))
    asked, console = pairs(), Console()
    result: dict[str, Any] = {"threshold": THRESHOLD, "pairs": {}, "cosine_alone": {}, "guarded": {}}
    table = Table(
        "kind", "split", "pairs", "hits", title=f"Pairs answered with each other's answer, cosine ≥ {THRESHOLD}"
    )
    hits = {pair.id: is_hit(pair, embed) for pair in asked}
    for kind in dict.fromkeys(pair.kind for pair in asked):
        for split in ("tune", "held-out"):
            chosen = [hits[pair.id] for pair in asked if (pair.kind, pair.split) == (kind, split)]
            result["pairs"][f"{kind}/{split}"] = {"pairs": len(chosen), "hits": sum(chosen)}
            table.add_row(kind, split, str(len(chosen)), str(sum(chosen)))
    console.print(table)
    near = np.array(cosines(asked, embed))
    same = np.array([pair.should_hit for pair in asked])
    passed = np.array([difference(pair.first, pair.second) is None for pair in asked])
    table = Table("cosine ≥", "split", "hard", "paraphrases", "hard, guarded", "paraphrases, guarded")
    for threshold in THRESHOLDS:
        for split in ("tune", "held-out"):
            half = np.array([pair.split == split for pair in asked])
            shares = [
                float(((near >= threshold) & rule)[half & kind].mean())
                for rule in (True, passed)
                for kind in (~same, same)
            ]
            result["cosine_alone"][f"{threshold}/{split}"], result["guarded"][f"{threshold}/{split}"] = (
                shares[:2],
                shares[2:],
            )
            table.add_row(str(threshold), split, *(f"{share:.1%}" for share in shares))
    console.print(table)
    table = Table("kind", "requests", "exact", "semantic", title="The workload")
    served = replayed(workload(), embed)
    for kind, count in served.requests.items():
        table.add_row(kind, str(count), str(served.exact_hits.get(kind, 0)), str(served.semantic_hits.get(kind, 0)))
    console.print(table)
    alone = replayed(workload(), None)
    console.print(f"right hits: {served.hit_rate:.1%}, false: {served.false_hits}; exact alone: {alone.hit_rate:.1%}")
    result["workload"] = msgspec.to_builtins(served) | {"hit_rate": served.hit_rate, "exact_alone": alone.hit_rate}
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
