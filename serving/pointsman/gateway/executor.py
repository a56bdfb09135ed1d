"""A gateway inside a program: opened from its configuration, used from an event loop or from plain code."""

import asyncio
import contextlib
import os
import threading
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from types import TracebackType
from typing import Any, Final, TypeVar

from pointsman.beside import repeated
from pointsman.configuration import Configuration, read_configuration
from pointsman.gateway.engine import Engine
from pointsman.gateway.evaluating import Evaluated, Evaluation, evaluate
from pointsman.gateway.opening import opened_parts, opened_router, opened_treasury
from pointsman.gateway.running import running
from pointsman.gateway.tasks import Executed, Result, Work, execute, execute_many, work_of
from pointsman.tenants import Tenants
from pointsman.treasury import Watch
from pointsman.types import Task

T = TypeVar("T")
TICK_S: Final = 1.0


class Executor(Engine):
    """Runs tasks, judges texts and answers chats. Use it from one event loop; `load` opens it."""

    @staticmethod
    def load(path: str | os.PathLike[str] = "pointsman.yaml", environ: Mapping[str, str] = os.environ) -> "Loading":
        """Return the gateway of a configuration, to be opened by `async with`, or by `with ....in_thread()`.

        Raises:
            InvalidConfig: the file or the environment can't be used; the message has every mistake.
        """
        return Loading.of(path, environ)

    async def execute(
        self, task: Work | Task | str, *, task_type: str | None = None, budget_usd: float | None = None
    ) -> Executed:
        """Route a task, run it, and return its answer.

        `task_type` and `budget_usd` are for a plain text; a `Task` or `Work` says so itself, and much more.

        Raises:
            PointsmanError: as `answer`.
        """
        work = Work(Task(task, task_type, budget_usd)) if isinstance(task, str) else work_of(task)
        return await execute(self, work)

    async def execute_many(self, tasks: Sequence[Work | Task | str], *, can_wait: bool = False) -> list[Result]:
        """Run many tasks, as many at once as `batching` says; each gets its answer, or its error, in its place.

        `can_wait` says so of all: they are decided together, and cost the batch price of providers that offer one.
        """
        works = [work_of(task, can_wait=can_wait) for task in tasks]
        return await execute_many(self, works, concurrency=self.parts.batching.concurrency)

    async def evaluate(self, text: Evaluation | str, *, judges: tuple[str, ...] | int = 1) -> Evaluated:
        """Have a text judged by models, or by so many that the router chooses; an `Evaluation` says that itself.

        Raises:
            PointsmanError: as `gateway.evaluating.evaluate`.
        """
        return await evaluate(self, Evaluation(text, judges=judges) if isinstance(text, str) else text)


class Loading:
    """A gateway that is about to be opened: by `async with`, or by `with loading.in_thread()` without an event loop.

    Both close it in the end: what was begun is finished, and bills are posted.
    """

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration
        self._stack = contextlib.AsyncExitStack()

    @classmethod
    def of(cls, path: str | os.PathLike[str], environ: Mapping[str, str]) -> "Loading":
        """Return the gateway of a configuration's file. Raises InvalidConfig where that can't be used."""
        return cls(read_configuration(path, environ))

    def in_thread(self) -> "InThread":
        """Return the same for code without an event loop."""
        return InThread(self)

    async def __aenter__(self) -> Executor:
        """Open it; raises PointsmanError where bundle, policy or database can't be used."""
        return await self._stack.enter_async_context(_opened(self._configuration))

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finish what was begun, and close it."""
        await self._stack.aclose()


@contextlib.asynccontextmanager
async def _opened(configuration: Configuration) -> AsyncIterator[Executor]:
    async with contextlib.AsyncExitStack() as stack:
        treasury = await asyncio.to_thread(opened_treasury, configuration)
        stack.push_async_callback(asyncio.to_thread, treasury.close)
        router = await asyncio.to_thread(opened_router, configuration, treasury)
        executor = Executor(await asyncio.to_thread(opened_parts, configuration, Tenants(router)))
        if executor.parts.log is not None:
            stack.push_async_callback(asyncio.to_thread, executor.parts.log.close)
        watch = Watch(treasury, None)

        def watching() -> None:
            watch.tick()

        await stack.enter_async_context(repeated(watching, TICK_S))
        await stack.enter_async_context(running(executor))
        yield executor


class InThread:
    """A gateway on an event loop in a thread of its own; its methods wait for their results, in any thread."""

    def __init__(self, loading: Loading) -> None:
        self._loading = loading
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="pointsman-gateway", daemon=True)
        self._executor: Executor | None = None

    def __enter__(self) -> "InThread":
        """Open it. Raises as `Loading`."""
        self._thread.start()
        try:
            self._executor = self._waited(self._loading.__aenter__())
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finish what was begun, and close it."""
        try:
            self._waited(self._loading.__aexit__(kind, error, trace))
        finally:
            self._stop()

    @property
    def executor(self) -> Executor:
        """What it runs on."""
        assert self._executor is not None, "open it first: with Executor.load(...).in_thread() as executor"
        return self._executor

    def execute(
        self, task: Work | Task | str, *, task_type: str | None = None, budget_usd: float | None = None
    ) -> Executed:
        """Run one task; see `Executor.execute`."""
        return self._waited(self.executor.execute(task, task_type=task_type, budget_usd=budget_usd))

    def execute_many(self, tasks: Sequence[Work | Task | str], *, can_wait: bool = False) -> list[Result]:
        """Run many tasks; see `Executor.execute_many`."""
        return self._waited(self.executor.execute_many(tasks, can_wait=can_wait))

    def evaluate(self, text: Evaluation | str, *, judges: tuple[str, ...] | int = 1) -> Evaluated:
        """Have a text judged; see `Executor.evaluate`."""
        return self._waited(self.executor.evaluate(text, judges=judges))

    def _waited(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def _stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self._loop.shutdown_default_executor(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
