"""As much of torch as tools/gpu uses, on NumPy: time stands still but for what tests say."""

import contextlib
import types
import weakref

import ml_dtypes
import numpy as np

#: Arrays whose address was asked for: what a launch with that address means.
BY_ADDRESS = weakref.WeakValueDictionary()


class Tensor(np.ndarray):
    """An array with the methods of a tensor."""

    def cuda(self):
        return self

    def float(self):
        return self.astype(np.float32)

    def to(self, dtype):
        return self.astype(dtype)

    def clone(self):
        return self.copy()

    def contiguous(self):
        return np.ascontiguousarray(self).view(Tensor)

    def transpose(self, a, b):
        return self.swapaxes(a, b)

    def numel(self):
        return self.size

    def element_size(self):
        return self.itemsize

    def norm(self):
        return float(np.linalg.norm(np.asarray(self, np.float64)))

    def random_(self):
        return self

    def copy_(self, other):
        self[...] = other

    def data_ptr(self):
        BY_ADDRESS[self.ctypes.data] = self
        return self.ctypes.data


def product_int4(x, packed, group, pairs):
    """torch's documented meaning: (q - 8) * scale + zero, pairs [groups, N, 2]."""
    codes = np.stack([packed >> 4, packed & 15], axis=-1).reshape(len(packed), -1)
    scale, zero = (np.repeat(pairs[..., i].T.astype(np.float32), group, axis=1) for i in (0, 1))
    w = (codes.astype(np.float32) - 8) * scale + zero
    return (x.astype(np.float32) @ w.T).astype(ml_dtypes.bfloat16).view(Tensor)


def make(seconds_a_replay, cache_bytes=1000):
    """A module; `seconds_a_replay` gives how long a replay of so many calls takes."""
    clock = {"now": 0.0}

    class Event:
        def __init__(self, enable_timing):
            self.at = None

        def record(self):
            self.at = clock["now"]

        def synchronize(self):
            pass

        def elapsed_time(self, end):
            return 1e3 * (end.at - self.at)

    class Stream:
        cuda_stream = 7

        def synchronize(self):
            pass

    class Graph:
        def replay(self):
            clock["now"] += seconds_a_replay()

    def array(make_array):
        return lambda shape, *rest, dtype=None, **_: np.asarray(
            make_array(shape, *rest, dtype=dtype)
        ).view(Tensor)

    def mm(a, b, out):
        out[...] = a.astype(np.float32) @ b.astype(np.float32)

    properties = types.SimpleNamespace(L2_cache_size=cache_bytes)
    cuda = types.SimpleNamespace(
        Event=Event,
        Stream=Stream,
        CUDAGraph=Graph,
        stream=lambda stream: contextlib.nullcontext(),
        graph=lambda graph, stream: contextlib.nullcontext(),
        current_stream=Stream,
        synchronize=lambda: None,
        empty_cache=lambda: None,
        get_device_properties=lambda device: properties,
    )
    return types.SimpleNamespace(
        cuda=cuda,
        float16=np.float16,
        bfloat16=ml_dtypes.bfloat16,
        uint8=np.uint8,
        int32=np.int32,
        from_numpy=lambda a: np.array(a).view(Tensor),
        full=array(np.full),
        zeros=array(np.zeros),
        empty=array(np.zeros),
        empty_like=lambda like, dtype=None: np.zeros_like(like, dtype=dtype),
        stack=lambda parts, dim: np.stack(parts, axis=dim).view(Tensor),
        mm=mm,
        _convert_weight_to_int4pack=lambda nibbles, tiles: nibbles,
        _weight_int4pack_mm=product_int4,
    )
