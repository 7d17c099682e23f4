"""Proof by mutation that the emulated device's checkers find what they should.

Takes correct kernels, takes away or moves one synchronising instruction at a time,
and runs what is left under the checkers. A mutant is

    caught      a checker reports it
    redundant   nothing is reported, the results are equal under many orders of warps,
                landings of copies and preemptions, and `redundant.toml` says why the
                instruction is not needed
    unexplained as redundant, but nobody has said why
    missed      the results differ and nothing is reported

    python -m tools.mutation            every mutant of every case (minutes)
    python -m tools.mutation --sample N N of them, by a seed that is printed
    python -m tools.mutation --only reduce.tree --list
"""
