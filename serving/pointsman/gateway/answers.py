"""The cache on the request path: looked up in memory, written and shared in a thread beside it.

Every process has all entries in memory, so that neither a hit nor a miss waits for the database. A thread writes what
was put once a second, and reads what other processes added or cleared meanwhile: an answer is known to them about a
second later. Where the database can't be used the cache goes on in memory, and says so in the log.
"""

import math
import threading
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import numpy.typing as npt

from pointsman.budget.books import microseconds
from pointsman.caching.admission import FREE, CacheControl, cache_control, may_cache, may_keep
from pointsman.caching.digest import question_of, request_digest, seed_place
from pointsman.caching.guard import THRESHOLD
from pointsman.caching.memory import LONGEST_QUESTION, AnswerMemory
from pointsman.caching.nearest import Vector, unit
from pointsman.caching.words import Answer, Cached, CacheStatistics, Entry, HitKind, Question, statistics
from pointsman.chat import Chat, Reply
from pointsman.errors import NotCached
from pointsman.gateway.sharing import Sharing
from pointsman.settings import CacheSettings

if TYPE_CHECKING:
    from pointsman.store import StoredAnswers

SYNC_EVERY_S: Final = 1.0
DAY_US: Final = 86_400_000_000
_KNOWN_EMBEDDINGS: Final = 512

Embed = Callable[[str], npt.NDArray[Any]]


class Answers:
    """The cache of one process; safe to share between threads.

    `embed` gives the embedding of a text, and is called only where the settings say `semantic`. `store` None keeps
    everything in memory. With `sync_every_s` None nothing is written or read but by `flush`.
    """

    def __init__(
        self,
        store: "StoredAnswers | None",
        settings: CacheSettings,
        embed: Embed | None,
        *,
        clock: Callable[[], datetime],
        sync_every_s: float | None = SYNC_EVERY_S,
    ) -> None:
        self._settings = settings
        self._embed = embed if settings.semantic else None
        self._threshold = THRESHOLD if settings.threshold is None else settings.threshold
        self._clock = clock
        self._lock = threading.Lock()
        ttl_us = int(settings.ttl_days * DAY_US)
        self._memory = AnswerMemory(settings.max_entries, ttl_us)
        self._vectors: OrderedDict[str, Vector] = OrderedDict()
        self._sharing = Sharing(store, self._memory, self._lock, self._vector_of, ttl_us, settings.max_entries)
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        if sync_every_s is not None:
            arguments = (sync_every_s,)
            self._thread = threading.Thread(target=self._run, args=arguments, name="pointsman-cache", daemon=True)
            self._thread.start()

    def lookup(self, chat: Chat, tenant: str, header: str | None = None, *, constraints: str = "") -> Cached | None:
        """Return the answer that was given to the same request, or to one that means the same; None where none was.

        `header` is the request's `cache-control`; `constraints` what bears on the choice of a model and isn't in the
        body. A tenant is answered from its own requests only, and a model asked for from the same one.

        Raises:
            NotCached: there is none, and the request is `only-if-cached`.
        """
        control = FREE if header is None else cache_control(header)
        found = None
        if self._settings.enabled and control.may_read and may_cache(chat, self._settings):
            now_us = microseconds(self._clock())
            found = self._found(chat, tenant, control, constraints, now_us)
            self._sharing.count(tenant, found)
        if found is None and control.must_hit:
            raise NotCached(
                "The cache has no answer to this request, and its cache-control is only-if-cached; "
                "leave that out to ask a model."
            )
        return found

    def place(self, chat: Chat, tenant: str, header: str | None = None, *, constraints: str = "") -> bytes | None:
        """Return what two requests share where the answer to one may be given to the other; None where none may."""
        control = FREE if header is None else cache_control(header)
        is_open = self._settings.enabled and control == FREE and may_cache(chat, self._settings)
        return tenant.encode() + b"/" + request_digest(chat, constraints) if is_open else None

    def put(
        self,
        chat: Chat,
        tenant: str,
        answer: Answer,
        reply: Reply,
        header: str | None = None,
        *,
        constraints: str = "",
    ) -> bool:
        """Keep a whole answer that a model gave to this chat; return whether it may be kept.

        `reply` is what the answer says; a refusal, a cut or empty answer, or broken JSON is never kept. This process
        finds it from then on; the thread writes it.
        """
        control = FREE if header is None else cache_control(header)
        if not (self._settings.enabled and control.may_store and may_cache(chat, self._settings)):
            return False
        if not may_keep(chat, reply, answer.body):
            return False
        question = question_of(chat, constraints) if self._embed is not None else None
        self.add(Entry(tenant, request_digest(chat, constraints), answer, question))
        return True

    def add(self, entry: Entry) -> None:
        """Keep an entry, such as a seed."""
        with self._lock:
            self._memory.add(entry)
            self._sharing.waiting.append(entry)

    def stats(self, tenant: str | None = None) -> CacheStatistics:
        """Return what the cache did for a tenant (None: for all), in all processes where there is a store."""
        self.flush()
        return statistics(self._sharing.entries(tenant), self._sharing.counts(tenant))

    def clear(self, tenant: str | None = None) -> int:
        """Forget the answers of a tenant (None: of all), in all processes within about a second; return how many.

        Raises:
            LedgerUnavailable: the database can't be used; this process has forgotten them.
        """
        return self._sharing.clear(tenant)

    def flush(self) -> None:
        """Write what waits and read what others wrote; where the database can't be used, it is tried again later."""
        self._sharing.sync(microseconds(self._clock()))

    def close(self) -> None:
        """Write what waits, and let go of the database."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join()
        self.flush()
        self._sharing.close()

    def _run(self, every_s: float) -> None:
        self.flush()
        while not self._closing.wait(every_s):
            self.flush()

    def _found(self, chat: Chat, tenant: str, control: CacheControl, constraints: str, now_us: int) -> Cached | None:
        max_age_us = math.inf if control.max_age_s is None else control.max_age_s * 1e6
        with self._lock:
            entry = self._memory.same(tenant, request_digest(chat, constraints), now_us, max_age_us)
        if entry is not None:
            return self._hit(entry, "exact", 1.0, now_us)
        for question in self._questions(chat, tenant, constraints):
            with self._lock:
                entry = self._memory.same_words(tenant, question, now_us, max_age_us)
            if entry is not None:
                return self._hit(entry, "semantic", 1.0, now_us)
            vector = self._vector_of(question.text)
            if vector is None:
                continue
            with self._lock:
                alike = self._memory.alike(tenant, question, vector, self._threshold, now_us, max_age_us)
            if alike is not None:
                return self._hit(alike[0], "semantic", alike[1], now_us)
        return None

    def _questions(self, chat: Chat, tenant: str, constraints: str) -> list[Question]:
        """Return the question as it was asked here, and as seeds would answer it, where something lies there."""
        question = question_of(chat, constraints) if self._embed is not None or self._memory.has_seeds else None
        if question is None:
            return []
        places = [question.place] if self._embed is not None else []
        seeds = seed_place(chat) if self._memory.has_seeds else None
        if seeds is not None:
            places.append(seeds)
        with self._lock:
            return [Question(place, question.text) for place in places if self._memory.has_questions(tenant, place)]

    def _hit(self, entry: Entry, kind: HitKind, similarity: float, now_us: int) -> Cached:
        self._sharing.used(entry, now_us)
        return Cached(entry.answer, kind, similarity, max(0.0, (now_us - entry.answer.created_us) / 1e6))

    def _vector_of(self, text: str) -> Vector | None:
        if self._embed is None or len(text) > LONGEST_QUESTION:
            return None
        with self._lock:
            known = self._vectors.get(text)
        if known is not None:
            return known
        vector = unit(self._embed(text))
        with self._lock:
            self._vectors[text] = vector
            if len(self._vectors) > _KNOWN_EMBEDDINGS:
                self._vectors.popitem(last=False)
        return vector
