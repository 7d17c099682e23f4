"""`python -m tilewright`: the command line without an installed script."""

from .cli import run_and_exit

if __name__ == "__main__":
    run_and_exit()
