"""What is done on a machine with a GPU: tests, comparison with the emulated device, timing.

`make gpu-bundle` packs all it needs into one archive; `run.py` is the script in it.
"""
