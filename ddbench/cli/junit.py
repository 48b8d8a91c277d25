"""A comparison as JUnit XML, which CI servers show as tests."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from ddbench.cli.numbers import interval, number, sample
from ddbench.errors import printable

if TYPE_CHECKING:
    from ddbench.cli.comparison import Shown
    from ddbench.regression.compare import Compared


def junit(shown: Shown) -> str:
    """Return a suite with a case for each cell and column: failed, skipped where nothing is told, or passed.

    Where the comparison fails as a whole and no row does, as with nothing comparable, a case of its own fails.
    """
    rows = shown.rows
    failures, skipped = sum(row.fails for row in rows), sum(map(_is_skipped, rows))
    whole = int(shown.comparison.code != 0 and not failures)
    counts = {
        "tests": str(len(rows) + whole),
        "failures": str(failures + whole),
        "errors": "0",
        "skipped": str(skipped),
    }
    root = ET.Element("testsuites", counts)
    suite = ET.SubElement(root, "testsuite", {"name": printable(f"{shown.baseline} -> {shown.head}"), **counts})
    if whole:
        case = ET.SubElement(suite, "testcase", {"classname": "comparison", "name": "all of it"})
        ET.SubElement(case, "failure", {"type": "comparison", "message": shown.summary})
    for row in rows:
        _case(suite, row, shown)
    ET.indent(root)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _is_skipped(row: Compared) -> bool:
    return not row.fails and row.verdict in {"underpowered", "new"}


def _case(suite: ET.Element, row: Compared, shown: Shown) -> None:
    names = {"classname": printable(f"{row.column} {shown.title}".strip()), "name": printable(shown.name(row))}
    case = ET.SubElement(suite, "testcase", names)
    told = printable("; ".join([row.verdict, *row.notes, _numbers(row)]))
    if row.fails:
        ET.SubElement(case, "failure", {"type": row.verdict, "message": told})
    elif _is_skipped(row):
        ET.SubElement(case, "skipped", {"message": told})
    ET.SubElement(case, "system-out").text = told


def _numbers(row: Compared) -> str:
    found, column = row.contrast, row.column
    return (
        f"{column}: {sample(found.base, column)} -> {sample(found.head, column)}, "
        f"difference {number(found.interval.difference, column, signed=True)}, 95 % {interval(found.interval, column)}"
    )
