"""Times kernels side by side on a GPU, through torch's streams, events and graphs.

Each contender is a list of calls, one for each copy of its operands: together the copies
are larger than the L2 cache, so that weights come from memory as they do in a model.
The calls are captured in a graph, whose replay has no launch gaps; contenders take turns,
so that a clock that drifts drifts for all.
"""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Callable
from typing import Any

#: A sample lasts at least this long, in seconds.
MIN_SAMPLE = 2e-3
#: Copies of the operands take this many times the L2 cache.
CACHE_MULTIPLE = 2.5
MAX_COPIES = 64


@dataclasses.dataclass(frozen=True)
class Spread:
    """Seconds a call."""

    median: float
    lower_quartile: float
    upper_quartile: float
    samples: int

    @classmethod
    def of(cls, seconds: list[float]) -> Spread:
        """Median and quartiles."""
        if len(seconds) < 2:
            return cls(seconds[0], seconds[0], seconds[0], len(seconds))
        lower, median, upper = statistics.quantiles(seconds, n=4, method="inclusive")
        return cls(median, lower, upper, len(seconds))


def count_copies(nbytes: int, cache_bytes: int) -> int:
    """How many copies of operands of `nbytes` do not fit the cache."""
    return min(MAX_COPIES, max(1, -(-int(CACHE_MULTIPLE * cache_bytes) // max(nbytes, 1))))


class GraphTimer:
    """A contender's calls as a graph."""

    def __init__(self, torch: Any, calls: list[Callable[[], object]]) -> None:
        self.torch, self.count = torch, len(calls)
        stream = torch.cuda.Stream()
        with torch.cuda.stream(stream):
            for call in calls:  # loads, allocates and picks algorithms
                call()
        stream.synchronize()
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph, stream=stream):
            for call in calls:
                call()
        self.graph.replay()
        self.replays = 1
        self.replays = max(1, round(MIN_SAMPLE / (self.sample() * self.count)))

    def sample(self) -> float:
        """Seconds a call, by one run of replays."""
        start, end = (self.torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        for _ in range(self.replays):
            self.graph.replay()
        end.record()
        end.synchronize()
        return start.elapsed_time(end) / 1e3 / self.replays / self.count


def time_in_turn(timers: dict[str, Any], rounds: int) -> dict[str, Spread]:
    """Samples every timer once a round; the first round warms up and does not count."""
    samples: dict[str, list[float]] = {name: [] for name in timers}
    for turn in range(rounds + 1):
        for name, timer in timers.items():
            seconds = timer.sample()
            if turn:
                samples[name].append(seconds)
    return {name: Spread.of(seconds) for name, seconds in samples.items()}


def measure_copy(torch: Any, rounds: int) -> float:
    """Bytes a second that a copy within the device's memory reads and writes."""
    source = torch.empty(1 << 30, dtype=torch.uint8, device="cuda").random_()
    target = torch.empty_like(source)
    timers = {"copy": GraphTimer(torch, [lambda: target.copy_(source)])}
    return 2 * source.numel() / time_in_turn(timers, rounds)["copy"].median
