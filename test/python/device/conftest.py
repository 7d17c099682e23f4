"""Tests of the emulated device on PTX that was written for no test of it.

The cases lie in test/cuda (CUDA C++, compiled by nvcc) and test/triton (Triton).
"""

import os

import pytest
from tilewright import EmulatorOptions

#: Orders in which copies land and warps take turns. The seeds are fixed, so that a
#: failure comes again.
ORDERS = {
    "late": EmulatorOptions(),
    "eager": EmulatorOptions(landing="eager", warp_order_seed=11),
    "random": EmulatorOptions(landing="random", landing_seed=5, warp_order_seed=12),
    "preempted": EmulatorOptions(
        landing="random", landing_seed=6, warp_order_seed=13, preemption_seed=14
    ),
}
# TILEWRIGHT_ORDERS=16 adds as many more.
for seed in range(101, 101 + int(os.environ.get("TILEWRIGHT_ORDERS", "0"))):
    ORDERS[f"seed{seed}"] = EmulatorOptions(
        landing=("late", "eager", "random")[seed % 3],
        landing_seed=seed,
        warp_order_seed=seed,
        preemption_seed=seed,
    )


@pytest.fixture(params=ORDERS)
def order(request) -> EmulatorOptions:
    return ORDERS[request.param]
