"""The card of an exported set: what it is, how it was made, what it scored, whom to cite."""

from __future__ import annotations

import inspect
import re
import statistics
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from ddbench.types import Cell, DatasetSpec

MARK = "<!-- written by ddbench export-images -->"
"""First line of every card: by it a folder is known to be such a set."""

_CITED = re.compile(
    r"(?P<authors>[A-Z][\w-]+(?:, [A-Z][\w-]+)*(?: and [A-Z][\w-]+| et al\.)), "
    r'"(?P<title>[^"]+)",? \(?(?P<venue>[A-Z][A-Za-z ]*?) (?P<year>(?:19|20)\d\d)(?:, arXiv (?P<arxiv>\d{4}\.\d{4,5}))?'
)
_FORMS = {
    "png": "PNG files, lossless, a folder a class: `003_cat/00007.png` is image 7 of class 3.",
    "sre2l": "JPEG files (quality 95, 4:4:4: not lossless) in the layout of SRe2L: `new003/class003_id007.jpg`.",
    "parquet": "Parquet files in the form of the Hugging Face Hub: `datasets.load_dataset(\"parquet\", "
    "data_files=\"data/*.parquet\")`; images are PNG, lossless.",
    "webdataset": "WebDataset shards: `000007.png`, lossless, and its class in `000007.cls`.",
}  # fmt: skip


@dataclass(frozen=True)
class Told:
    """What a card tells.

    Attributes:
        cell: the set's coordinates, as tables show them.
        seed: of the synthesis.
        data: the real data set.
        form: of the files.
        images: their number.
        keys: of the stages that made them.
        settings: of the method, every parameter written out.
        method: the method's class.
        soft: what the soft labels are, empty where there are none.
        environment: in which the first images were made.
        results: documents of students that were trained on them.
    """

    cell: Cell
    seed: int
    data: DatasetSpec
    form: str
    images: int
    keys: Sequence[str]
    settings: Mapping[str, Any]
    method: type
    soft: str = ""
    environment: Mapping[str, Any] = field(default_factory=dict)
    results: Sequence[Mapping[str, Any]] = ()


def card(told: Told) -> str:
    """Return the card as Markdown."""
    cell, data = told.cell, told.data
    title = f"{told.settings['name']}, {data.name}, {cell.ipc} images per class"
    lines = [
        *(MARK, f"# {title}", ""),
        _opening(told),
        *("", "## Files", "", _FORMS[told.form], ""),
        _labels(told),
        f"Classes, from 0: {', '.join(data.class_names)}.",
        *("", "## How it was made", "", *_table(("what", "value"), _facts(told))),
        *("", f"Settings of `{told.settings['name']}`:", "", *_table(("parameter", "value"), _settings(told))),
        *("", "Made with:", "", *_table(("what", "value"), _made_with(told.environment))),
        *("", "## Scores", "", *_scores(told.results)),
        *("", "To score the set: `ddbench eval FOLDER --dataset ... --eval ...`."),
        *(
            "",
            "## Licence",
            "",
            f"Not stated: it derives from that of {data.name}. Say here what holds for these images.",
        ),
        *("", "## Citation", "", *_about(told.method), "", "```bibtex", *_bibtex(told, title), "```", ""),
    ]
    return "\n".join(lines)


def _opening(told: Told) -> str:
    data = told.data
    kind = f"{data.image_size}x{data.image_size} pixels, {'grey' if data.channels == 1 else 'in colour'}"
    return (
        f"{told.images} distilled images of {data.num_classes} classes, {kind}, made from the training images of "
        f"{data.name} by the synthesizer `{told.settings['name']}` of ddbench."
    )


def _labels(told: Told) -> str:
    soft = f", and `soft_labels`, {told.soft}" if told.soft else ""
    in_files = told.form in ("parquet", "webdataset")
    order = "of the files" if in_files else "first image of every class, by number of the class, then second, and so on"
    return f"`labels.safetensors` holds `labels`, the number of each image's class{soft}; order of rows: {order}."


def _facts(told: Told) -> Iterator[tuple[str, Any]]:
    cell = told.cell
    yield from {
        "data set": told.data.name,
        "fingerprint of the data": told.data.fingerprint,
        "method": cell.synthesizer,
        "teacher": cell.teacher,
        "images per class": cell.ipc,
        "synthesis seed": told.seed,
    }.items()
    yield "key" if len(told.keys) == 1 else f"keys, of {len(told.keys)} shards", " ".join(key[:16] for key in told.keys)


def _settings(told: Told) -> Iterator[tuple[str, Any]]:
    return ((name, value) for name, value in sorted(told.settings.items()) if name != "name")


def _made_with(environment: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    told = {name: environment.get(name) for name in ("device", "system", "python", "commit")}
    return ((name, value) for name, value in {**told, **environment.get("versions", {})}.items() if value)


def _table(header: tuple[str, str], rows: Iterable[tuple[str, Any]]) -> list[str]:
    return [_line(header), "| --- | --- |", *(_line((name, f"`{value}`")) for name, value in rows)]


def _line(cells: Iterable[Any]) -> str:
    return f"| {' | '.join(' '.join(str(cell).split()).replace('|', chr(92) + '|') for cell in cells)} |"


def _scores(results: Sequence[Mapping[str, Any]]) -> list[str]:
    if not results:
        return ["None are known."]
    cells: dict[tuple[str, ...], list[float]] = {}
    for found in results:
        name = tuple(found["trial"][part] for part in ("architecture", "labeler", "evaluator"))
        cells.setdefault(name, []).append(found["measures"]["top1"])
    rows = [_line((*(f"`{part}`" for part in name), _spread(values))) for name, values in sorted(cells.items())]
    header = _line(("student", "labels", "exam", "top-1 in %, mean ± standard deviation (n)"))
    return [header, "| --- | --- | --- | --- |", *rows]


def _spread(values: list[float]) -> str:
    deviation = f" ± {statistics.stdev(values):.1f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.1f}{deviation} ({len(values)})"


def _about(method: type) -> list[str]:
    """Return what a method's docstring says of it and where it comes from."""
    text = (inspect.getdoc(method) or "").partition("\nAttributes:")[0].strip()
    return [text.replace("``", "`")]


def _bibtex(told: Told, title: str) -> Iterator[str]:
    text = " ".join((inspect.getdoc(told.method) or "").split())
    for found in _CITED.finditer(text):
        authors = re.sub(r", | and ", " and ", found["authors"].replace(" et al.", " and others"))
        name = f"{authors.partition(' ')[0].lower()}{found['year']}"
        arxiv = f"  eprint = {{{found['arxiv']}}}, archivePrefix = {{arXiv}},\n" if found["arxiv"] else ""
        yield (
            f"@misc{{{name},\n  author = {{{authors}}},\n  title = {{{{{found['title']}}}}},\n"
            f"  howpublished = {{{found['venue']}}},\n{arxiv}  year = {{{found['year']}}}\n}}"
        )
    key = told.keys[0]
    yield f"@misc{{ddbench-{key[:8]},\n  title = {{{{{title}}}}},\n  note = {{made by ddbench, key {key}}}\n}}"
