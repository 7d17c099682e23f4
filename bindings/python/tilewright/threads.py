"""Work shared among threads; NumPy lets others run while it computes."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TypeVar

Item = TypeVar("Item")


def share_work(work: Callable[[Item], None], items: Sequence[Item]) -> None:
    """Works on all items in as many threads as there are cores.

    Raises what the first item that fails raises, in the order of `items`.
    """
    # Not at the top: importing the package should cost little.
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(min(os.cpu_count() or 1, max(len(items), 1))) as pool:
        futures = [pool.submit(work, item) for item in items]
        try:
            for future in futures:
                future.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
