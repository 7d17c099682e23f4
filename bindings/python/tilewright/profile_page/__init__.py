"""Profiles of launches as data, and as an HTML page that needs nothing else.

One shape for all who ask: `tw profile --json` prints `describe_launch`, the page
(`page.html`) shows it beside the texts it is about.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ..reports import LineCounters, Report

_PAGE = Path(__file__).with_name("page.html")


@dataclasses.dataclass(frozen=True)
class ProfiledLaunch:
    """A launch and the texts that its counters are about."""

    report: Report
    #: The PTX; empty where nobody kept it.
    ptx: str
    ptx_name: str
    #: What was computed, or how it was launched.
    problem: str = ""


def describe_launch(
    launch: ProfiledLaunch, locate: Callable[[str], str] = lambda path: path
) -> dict[str, Any]:
    """A launch as JSON: totals, and counters by source line and by PTX instruction.

    `locate` says what to call a source file that the PTX names.
    """
    report = launch.report
    return {
        "kernel": report.kernel,
        "device": report.device,
        "problem": launch.problem,
        "seconds": report.seconds,
        "blocks": report.blocks,
        "warps": report.warps,
        "counters": dict(sorted(report.counters.items())),
        "notes": report.notes,
        "issues_by_class": {k: v for k, v in report.issues_by_class.items() if v},
        "source_lines": [_describe_line(line, locate) for line in report.source_lines],
        "lines": [_describe_line(line, locate) for line in report.lines],
    }


def _describe_line(line: LineCounters, locate: Callable[[str], str]) -> dict[str, Any]:
    described = dataclasses.asdict(line)
    if line.source_file is not None:
        described["source_file"] = locate(line.source_file)
    return {key: value for key, value in described.items() if value is not None}


def render_page(
    title: str,
    launches: Sequence[ProfiledLaunch],
    locate: Callable[[str], str] = lambda path: path,
) -> str:
    """The page: HTML with its data, styles and scripts in it.

    Args:
        title: of the page.
        launches: what it shows, in order.
        locate: where a source file that the PTX names lies.
    """
    described = [describe_launch(launch, locate) for launch in launches]
    texts: dict[str, str] = {}
    for launch, data in zip(launches, described, strict=True):
        data["ptx_name"] = launch.ptx_name
        texts[launch.ptx_name] = launch.ptx
        for line in data["source_lines"]:
            name = line.get("source_file", "")
            if name not in texts:
                texts[name] = _read_text(name)
    payload = json.dumps({"title": title, "launches": described, "texts": texts})
    # Within <script> only "</" could end the data early.
    payload = payload.replace("</", "<\\/").replace("<!--", "\\u003c!--")
    before, after = _PAGE.read_text(encoding="utf-8").split("__DATA__")
    return before.replace("__TITLE__", _escape(title)) + payload + after


def _read_text(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace") if os.path.isfile(path) else ""
    except OSError:
        return ""


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
