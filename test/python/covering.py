"""Covering arrays: few rows in which given combinations of options all meet.

`TILEWRIGHT_SCALES_FULL=2/8` (`make test-scales-full`) asks for full products instead, for
rows 2, 10, 18, ...: a process keeps all kernels it has compiled, about 1.5 MB each.
"""

import itertools
import os
import random


def read_part(text):
    """(2, 8) of "2/8"; None of nothing."""
    return tuple(map(int, text.split("/"))) if text else None


#: Which part of full products, of how many; None: covering arrays.
FULL = read_part(os.environ.get("TILEWRIGHT_SCALES_FULL"))


class Combinations:
    """What rows must contain: every pair of values, and products of chosen ones.

    `options` has the values of each option. Every two values of two options must meet in
    a row; `products` are more demands, each the values of three or more options of which
    every combination must. `allows` says which rows make sense: it is given rows and parts
    of rows, and must refuse a part only where it refuses every row that has it.
    """

    def __init__(self, options, products=(), allows=lambda part: True):
        self.options, self.allows = options, allows
        demands = [{a: options[a], b: options[b]} for a, b in itertools.combinations(options, 2)]
        self.demanded = {}
        for demand in [*demands, *products]:
            met = self.demanded.setdefault(tuple(demand), set())
            for values in itertools.product(*demand.values()):
                if allows(dict(zip(demand, values, strict=True))):
                    met.add(tuple(map(repr, values)))

    def missing(self, rows):
        """The combinations that are in none of `rows`, by the names of their options."""
        missing = {}
        for names, values in self.demanded.items():
            met = {tuple(repr(row[name]) for name in names) for row in rows}
            if values - met:
                missing[names] = values - met
        return missing

    def count(self):
        """How many combinations there are."""
        return sum(map(len, self.demanded.values()))


def covering_array(options, seed, products=(), allows=lambda part: True):
    """Rows in which everything that `Combinations` demands meets, found greedily."""
    rng = random.Random(seed)
    wanted = Combinations(options, products, allows)
    # The largest demands first: they decide how many rows there are.
    names_of = sorted(wanted.demanded, key=lambda names: -len(wanted.demanded[names]))
    values = {name: {repr(value): value for value in options[name]} for name in options}

    def met_by(row):
        keys = {name: repr(value) for name, value in row.items()}
        return [(names, tuple(keys[name] for name in names)) for names in names_of]

    def draw(names, start):
        """A row with a combination that is still open, so that each row makes progress."""
        for _ in range(10000):
            row = {name: rng.choice(options[name]) for name in options}
            row |= {name: values[name][key] for name, key in zip(names, start, strict=True)}
            if allows(row):
                return row
        raise ValueError(
            f"expects a row with {dict(zip(names, start, strict=True))}, but found none"
        )

    rows = []
    missing = {names: set(found) for names, found in wanted.demanded.items()}
    for names in names_of:
        for start in sorted(missing[names]):
            if start not in missing[names]:  # an earlier row has it
                continue
            tries = [draw(names, start) for _ in range(30)]
            best = max(tries, key=lambda row: sum(key in missing[n] for n, key in met_by(row)))
            for n, key in met_by(best):
                missing[n].discard(key)
            rows.append(best)
    return rows


def full_product(options, names, seed, allows=lambda part: True, part_of=(0, 1)):
    """Every combination of the options `names`, the others drawn at random, or a part of them."""
    first, parts = part_of
    return list(every_combination(options, names, seed, allows))[first::parts]


def every_combination(options, names, seed, allows):
    rng = random.Random(seed)
    for values in itertools.product(*(options[name] for name in names)):
        part = dict(zip(names, values, strict=True))
        while allows(part):
            row = {name: part.get(name, rng.choice(options[name])) for name in options}
            if allows(row):
                yield row
                break
