"""python -m tools.mutation: see the package's description."""

from __future__ import annotations

import argparse
import collections
import dataclasses
import json
import multiprocessing
import random
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "build/python"))

from .judge import Subject, Verdict, read_reasons  # noqa: E402
from .sites import Mutant  # noqa: E402
from .subjects import subjects  # noqa: E402


def table(verdicts: list[Verdict]) -> str:
    """Counts by kind of instruction and change."""
    columns = ("caught", "redundant", "unexplained", "missed")
    counts: dict[tuple[str, str], collections.Counter] = collections.defaultdict(
        collections.Counter
    )
    for verdict in verdicts:
        counts[verdict.kind, verdict.change][verdict.outcome] += 1
    rows = [f"{'instruction':14}{'change':9}" + "".join(f"{c:>13}" for c in columns)]
    for (kind, change), found in sorted(counts.items()):
        rows.append(f"{kind:14}{change:9}" + "".join(f"{found[c]:13}" for c in columns))
    total = collections.Counter(verdict.outcome for verdict in verdicts)
    rows.append(f"{'total':23}" + "".join(f"{total[c]:13}" for c in columns))
    good = sum(verdict.is_good for verdict in verdicts)
    known = sum(verdict.is_known for verdict in verdicts)
    if known:
        rows.append(f"of those missed, {known} have a written reason")
    if verdicts:
        rows.append(f"caught or redundant: {good} of {len(verdicts)}, {good / len(verdicts):.1%}")
    return "\n".join(rows)


#: What the processes of a pool share: they are forks.
chosen: list[tuple[Subject, Mutant]] = []
reasons: dict[tuple, str] = {}


def judge(index: int) -> Verdict:
    """The verdict on one of `chosen`."""
    subject, mutant = chosen[index]
    return subject.judge(mutant, reasons)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.mutation", description=__doc__)
    parser.add_argument("--only", action="append", default=[], help="kernels that start so")
    parser.add_argument("--target", action="append", default=[], help="default: sm_80")
    parser.add_argument("--sample", type=int, help="this many mutants only")
    parser.add_argument("--seed", type=int, help="of the sample")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--list", action="store_true", help="name the mutants, run none")
    parser.add_argument("--json", type=Path, help="write the verdicts here")
    parser.add_argument("--least", type=float, default=0.95, help="share that must be good")
    return parser.parse_args()


def main() -> int:
    options = parse()
    reasons.update(read_reasons())
    for subject in subjects(options.only, options.target or ["sm_80"]):
        chosen.extend((subject, mutant) for mutant in subject.mutants())
    if options.sample is not None:
        seed = options.seed if options.seed is not None else random.randrange(2**32)
        print(f"mutation: seed {seed}", flush=True)
        chosen[:] = random.Random(seed).sample(chosen, min(options.sample, len(chosen)))
    if options.list:
        for subject, mutant in chosen:
            print(f"{subject.name} {subject.target}: {mutant}")
        return 0
    print(f"{len(chosen)} mutants", flush=True)
    verdicts = []
    with multiprocessing.get_context("fork").Pool(options.jobs) as pool:
        for verdict in pool.imap_unordered(judge, range(len(chosen))):
            verdicts.append(verdict)
            if not verdict.is_good and not verdict.is_known:
                print(f"[{len(verdicts)}] {verdict}", flush=True)
    print(table(verdicts))
    if options.json:
        verdicts.sort(key=lambda v: (v.case, v.target, v.line, v.change))
        options.json.write_text(json.dumps([dataclasses.asdict(v) for v in verdicts], indent=1))
    good = sum(verdict.is_good for verdict in verdicts)
    return 0 if good >= options.least * len(verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
