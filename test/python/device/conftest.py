"""Tests of the emulated device on PTX that was written for no test of it.

The cases lie in test/cuda (CUDA C++, compiled by nvcc) and test/triton (Triton).
"""

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


@pytest.fixture(params=ORDERS)
def order(request) -> EmulatorOptions:
    return ORDERS[request.param]
