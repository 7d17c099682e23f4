"""Pairwise covering arrays: few rows in which every two values of every two options meet."""

import itertools
import random


def covering_array(options, seed):
    """Rows in which every two values of every two options meet, found greedily."""
    rng = random.Random(seed)
    names = list(options)
    open_pairs = {
        ((a, i), (b, j))
        for a, b in itertools.combinations(names, 2)
        for i in range(len(options[a]))
        for j in range(len(options[b]))
    }

    def gain(row):
        return sum(pair in open_pairs for pair in itertools.combinations(row.items(), 2))

    rows = []
    while open_pairs:
        # Start from a pair that is still open, so that each row makes progress.
        (a, i), (b, j) = min(open_pairs)
        tries = []
        for _ in range(30):
            row = {name: rng.randrange(len(options[name])) for name in names}
            row[a], row[b] = i, j
            tries.append(row)
        best = max(tries, key=gain)
        open_pairs -= set(itertools.combinations(best.items(), 2))
        rows.append({name: options[name][index] for name, index in best.items()})
    return rows
