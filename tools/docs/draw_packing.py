"""Draws docs/images/packing.svg from the word layouts of docs/reference/tables.md.

One 16-bit half of each word of the 3-bit layout, bit by bit; generate.py calls it, so
that the picture shows what the code packs.
"""

from __future__ import annotations

import re

CELL, ROW, LEFT, TOP = 44, 58, 64, 86
COLOURS = ["#cfe2f3", "#d9ead3", "#fff2cc", "#ead1dc", "#d0e0e3"]
RESIDUE = "#f28e5c"
STYLE = (
    "text{font-family:Helvetica,Arial,sans-serif;fill:#1d2733;text-anchor:middle;font-size:14px}"
    ".t{font-size:17px;font-weight:700;text-anchor:start}"
    ".s{font-size:12.5px;fill:#5a6673}.l{font-size:13px;fill:#5a6673;text-anchor:start}"
    ".w{font-weight:700}rect{stroke:#44515e}"
)


def read_words(tables: str, bits: int) -> list[list[str]]:
    """The bits of each word, in the notation of tables.md."""
    block = re.search(rf"^{bits}-bit codes\n\n```\n(.*?)```", tables, re.DOTALL | re.MULTILINE)[1]
    return [line.split(": ")[1].split() for line in block.splitlines()]


def spans(word: list[str]) -> list[tuple[int, int, str]]:
    """(first bit, width, label) of each field; residue bits stand alone."""
    fields: list[tuple[int, int, str]] = []
    for offset, cell in enumerate(word):
        if cell == "·":
            first, width, label = fields[-1]
            fields[-1] = (first, width + 1, label)
        else:
            fields.append((offset, 1, cell))
    return fields


def text(x: float, y: float, content: str, kind: str = "") -> str:
    attribute = f' class="{kind}"' if kind else ""
    return f'<text x="{x:g}" y="{y:g}"{attribute}>{content}</text>'


def draw(tables: str, bits: int = 3) -> str:
    """The picture as SVG."""
    words = read_words(tables, bits)
    width, height = LEFT + 16 * CELL + 24, TOP + len(words) * ROW + 64
    residue = sum(cell[0].isalpha() for word in words for cell in word) // bits
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" role="img">',
        f"<title>How {bits}-bit weights lie in words</title><style>{STYLE}</style>",
        f'<rect width="{width}" height="{height}" fill="#fff" style="stroke:none"/>',
        text(24, 32, f"{32} weights of {bits} bits in {bits} words: one half of each word", "t"),
    ]
    parts += [text(LEFT + (bit + 0.5) * CELL, TOP - 14, str(bit), "s") for bit in range(16)]
    for row, word in enumerate(words):
        y = TOP + row * ROW
        parts.append(text(LEFT - 28, y + 26, f"w{row}", "w"))
        for first, count, label in spans(word):
            is_residue = label[0].isalpha()
            colour = RESIDUE if is_residue else COLOURS[int(label) % len(COLOURS)]
            x, size = LEFT + first * CELL, count * CELL
            parts.append(f'<rect x="{x}" y="{y}" width="{size}" height="40" fill="{colour}"/>')
            shown = label if is_residue else f"pair {label}" if count > 1 else label
            parts.append(text(x + size / 2, y + 26, shown))
    y = TOP + len(words) * ROW + 16
    whole = 16 - residue
    parts.append(
        text(24, y, f"{whole} pairs lie whole; the left-over bits hold {residue} more", "l")
    )
    note = "The other half holds the second weight of each pair, so a pair unpacks to one register."
    parts.append(text(24, y + 22, note, "l"))
    return "\n".join([*parts, "</svg>"]) + "\n"
