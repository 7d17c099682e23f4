"""Writes files in children that kill themselves in their n-th call of the system.

Arguments: a folder, the number of children. Child n writes <folder>/<n>/x; how it
ended is left in <folder>/<n>.status.
"""

import os
import signal
import sys
from pathlib import Path

import numpy as np
from tilewright import tensor_file

CALLS = ("open", "pwrite", "fsync", "posix_fadvise", "link", "unlink", "close")


def kill_at(step):
    counter = [0]

    def wrap(original):
        def call(*arguments, **options):
            counter[0] += 1
            if counter[0] == step + 1:
                os.kill(os.getpid(), signal.SIGKILL)
            return original(*arguments, **options)

        return call

    for name in CALLS:
        setattr(tensor_file.os, name, wrap(getattr(os, name)))
    # Several writes to a tensor, so that it can be cut in the middle.
    pwrite = tensor_file.os.pwrite
    tensor_file.os.pwrite = lambda fd, data, at: pwrite(fd, data[:1000], at)


def write(path):
    with tensor_file.TensorWriter(path, header_room=500) as writer:
        writer.add("a", np.arange(1000))
        writer.finish({}).close()
        writer.commit()


def main():
    folder = Path(sys.argv[1])
    for step in range(int(sys.argv[2])):
        child = os.fork()
        if child == 0:
            kill_at(step)
            write(folder / str(step) / "x")
            os._exit(0)
        _, status = os.waitpid(child, 0)
        (folder / f"{step}.status").write_text(str(os.waitstatus_to_exitcode(status)))


if __name__ == "__main__":
    main()
