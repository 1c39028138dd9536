"""What the inbox is measured against: procrastinate with one lock per thread, on the same server."""

import asyncio
from collections.abc import Sequence
from time import perf_counter

from procrastinate import App, PsycopgConnector

from bench.database import Server, fetch
from bench.until import until
from core.store.database import conninfo

# The library's own default is 5 s, for the next job of a thread as for a lost notification.
_POLL = 0.1
_UNFINISHED = "SELECT count(*) FROM procrastinate_jobs WHERE status IN ('todo', 'doing')"


async def drain(server: Server, threads: Sequence[str], *, concurrency: int) -> float:
    """Jobs per second that it drains where there is nothing to do in them; `threads` is each job's lock, in order."""
    async with server.new(is_migrated=False) as url:
        app = App(connector=PsycopgConnector(conninfo=conninfo(url), max_size=10))

        @app.task(name="nothing")
        async def nothing(number: int) -> None:
            pass

        async with app.open_async():
            await app.schema_manager.apply_schema_async()
            jobs = [app.configure_task("nothing", lock=thread) for thread in threads]
            for number, job in enumerate(jobs):
                await job.defer_async(number=number)
            return await _timed(app, url, len(threads), concurrency)


async def _timed(app: App, url: str, jobs: int, concurrency: int) -> float:
    began = perf_counter()
    worker = asyncio.create_task(
        app.run_worker_async(
            concurrency=concurrency, fetch_job_polling_interval=_POLL, install_signal_handlers=False, wait=True
        )
    )

    async def is_drained() -> bool:
        return not (await fetch(url, _UNFINISHED))[0][0]

    await until(is_drained, timeout=600, every=0.05)
    seconds = perf_counter() - began
    worker.cancel()
    await asyncio.gather(worker, return_exceptions=True)
    return jobs / seconds
