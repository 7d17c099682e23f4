"""Launch specs: a file that says how to launch kernels, on what, and what to expect.

One file a step: `reader` turns TOML or JSON into a checked `LaunchSpec`, `values` fills
buffers, `expressions` evaluates what specs compute, `runner` launches.
"""

from .reader import LaunchSpec, read_spec
from .runner import Mismatch, Outcome, run_spec

__all__ = ["LaunchSpec", "Mismatch", "Outcome", "read_spec", "run_spec"]
