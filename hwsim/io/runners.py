"""Who computes a sweep's parts: processes of this machine, or a Dask cluster. The same bytes.

A few parts are under way at a time, so memory is bounded however many points there are.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context

from hwsim.io.sweeps import Parts, part_bytes

UNDER_WAY = 3  # parts per process at a time: ours
CONNECT_SECONDS = 10  # ours: how long a cluster may take to answer
ATTEMPTS = 5  # ours: workers a part may take down with it before it is given up


def locally(parts: Parts, wanted: Sequence[int], processes: int) -> Iterator[tuple[int, bytes]]:
    """Parts as they are done, by this machine; in this process if there is one only."""
    digest = parts.asked.digest
    if processes == 1:
        for number in wanted:
            yield number, part_bytes(parts.asked, digest, number, *parts.stretch(number))
        return
    left = list(reversed(wanted))
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        running: dict[Future[bytes], int] = {}
        try:
            while left or running:
                while left and len(running) < UNDER_WAY * processes:
                    number = left.pop()
                    work = pool.submit(
                        part_bytes, parts.asked, digest, number, *parts.stretch(number)
                    )
                    running[work] = number
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for each in done:
                    yield running.pop(each), each.result()
        except BrokenProcessPool as error:
            raise ValueError(
                "a process that computed a part was ended from outside, as by too little memory; "
                "what is there is whole, --resume goes on"
            ) from error


def on_cluster(parts: Parts, wanted: Sequence[int], address: str) -> Iterator[tuple[int, bytes]]:
    """Parts as they are done, by the workers of a Dask scheduler at ``address``.

    Raises ``ValueError`` if it does not answer, or if it goes away.
    """
    from distributed import Client, as_completed  # noqa: PLC0415 - heavy, and an extra
    from distributed.scheduler import KilledWorker  # noqa: PLC0415

    try:
        client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ValueError(
            f"a Dask scheduler must answer at {address} within {CONNECT_SECONDS} s: {error}"
        ) from error
    digest = parts.asked.digest
    with client:
        if not client.scheduler_info()["workers"]:
            raise ValueError(f"the cluster at {address} must have at least one worker, not none")
        asked = client.scatter(parts.asked, broadcast=True)
        left = list(reversed(wanted))
        numbers = {}
        many = UNDER_WAY * sum(client.nthreads().values())

        def submit() -> object:
            number = left.pop()
            future = client.submit(
                part_bytes, asked, digest, number, *parts.stretch(number),
                key=f"hwsim-{digest[:12]}-{number}", retries=ATTEMPTS, pure=False,
            )  # fmt: skip
            numbers[future.key] = number
            return future

        running = as_completed([submit() for _ in range(min(many, len(left)))], loop=client.loop)
        try:
            for future in running:
                yield numbers[future.key], future.result()
                if left:
                    running.add(submit())
        except (OSError, KilledWorker, CancelledError) as error:
            raise ValueError(
                f"the cluster at {address} must stay until all is computed, and it went away "
                f"({error}); what is there is whole, --resume goes on"
            ) from error
