"""The page, read as a browser would read it but without one."""

from __future__ import annotations

import base64
import hashlib
import io
import re
from collections import Counter
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from ddbench.errors import UserError
from ddbench.types import RenderTask
from ddbench_reporters.html import Html

pytest.importorskip("matplotlib")

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    Frame = Callable[..., pd.DataFrame]


class Page(HTMLParser):
    """Elements with their attributes, and the text that is shown."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.words: list[str] = []
        self._inside: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        self._inside.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self._inside and self._inside.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if not {"script", "style"} & set(self._inside):
            self.words.append(data)

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def text(self) -> str:
        return " ".join("".join(self.words).split())


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


def dialogs(html: str) -> dict[str, Page]:
    """Return what stands behind numbers, by the address that links to it."""
    parts = re.split(r'(?=<div class="behind" id=")', html)[1:]
    return {f"#{part.split(chr(34))[3]}": Page(part.partition("</details>")[0]) for part in parts}


def test_the_head_says_what_this_is(page: Page) -> None:
    assert "Distilled data sets of digits 24 trials 1 failed 1 flagged" in page.text
    for words in ("benchmark sweep", "images per class 1, 10", "evaluation architecture resnet18, vgg16"):
        assert words in page.text
    assert "computed 2026-01-02, on cpu by ddbench 0.0.1" in page.text


def test_a_cell_is_mean_deviation_and_n_and_failures_and_flags_are_marked(page: Page) -> None:
    for words in ("82.2 ± 0.1 (2)", "60.2 ± 0.1 (2), 1 flagged", "61.0 (1), 1 failed"):
        assert words in page.text
    assert len([cell for cell in page.all("td") if "flagged" in cell.get("class", "")]) == 1


def test_nothing_that_results_hold_is_taken_for_markup(html: str, page: Page) -> None:
    assert len(page.all("script")) == 1
    assert "onerror" not in {name for _, attributes in page.elements for name in attributes}
    assert not [tag for tag, _ in page.elements if tag == "b" and "$x$" in html.partition("<b>$x$")[1]]
    assert "</script><script>document.title = 'taken'" in page.text
    assert 'odd[path="<b>$x$"]' in page.text


def test_one_script_may_run_and_nothing_may_be_fetched(html: str, page: Page) -> None:
    policy = next(each["content"] for each in page.all("meta") if each.get("http-equiv") == "Content-Security-Policy")
    script = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()

    assert policy == f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    addresses = [each.get(name, "") for _, each in page.elements for name in ("src", "href", "xlink:href", "srcset")]
    assert [address for address in addresses if address and not address.startswith(("#", "data:"))] == []
    assert "url(" not in re.sub(r"url\(#", "", html)
    assert "@import" not in html


def test_every_name_in_the_page_is_there_once_and_every_link_leads_somewhere(page: Page) -> None:
    names = Counter(each["id"] for _, each in page.elements if "id" in each)
    addresses = {each.get(name, "") for _, each in page.elements for name in ("href", "xlink:href")}

    assert [name for name, count in names.items() if count > 1] == []
    assert {address[1:] for address in addresses if address.startswith("#")} <= set(names)


def test_a_number_leads_to_its_trials_settings_keys_and_machine(html: str, page: Page) -> None:
    cell = next(each for address, each in dialogs(html).items() if "random, ipc 10, online, resnet18" in each.text)

    for words in ("0/0", "0/1", "63.0", "63.2", "2026-01-02 03:04", "rho 0.02", "cpu a processor", "torch 9.9.9"):
        assert words in cell.text, words
    key = hashlib.sha256(repr(("random", 10, "resnet18", 0)).encode()).hexdigest()
    assert key in cell.text
    assert hashlib.sha256(b"random 10").hexdigest() in cell.text
    assert "ddbench run --synth dwa" in cell.text
    assert "0123456789abcdef" in cell.text
    assert len([each for each in page.all("a") if each.get("href", "").startswith("#cell-")]) > 24


def test_points_of_charts_lead_to_the_same_and_say_what_they_are(html: str) -> None:
    links = dict(re.findall(r'<a xlink:href="(#cell-\d+)"><title>(.*?)</title>', html))

    assert {title for title in links.values() if title.startswith("random, ipc 10")} == {
        "random, ipc 10, online, resnet18: 63.1 ± 0.1 (2)",
        "random, ipc 10, online, vgg16: 61.0 (1), 1 failed",
    }
    assert len(links) == 12


def test_charts_take_the_colours_of_the_page(html: str) -> None:
    charts = "".join(re.findall(r"<figure.*?</figure>", html, re.DOTALL))

    assert charts.count("<svg") == 2 + 2 + 4 + 8  # heat maps, accuracy over ipc, cost, curves
    assert "currentColor" in charts
    assert "var(--series-0)" in charts
    assert "var(--font)" in charts
    assert not re.findall(r"#1b1f24|#0072b2|DejaVu|<metadata|_blank", charts)


def test_images_stand_class_by_class_as_they_are_stored(page: Page) -> None:
    shown = [each for each in page.all("img") if each["alt"] == "random, class 2"]
    picture = Image.open(io.BytesIO(base64.b64decode(shown[0]["src"].partition(",")[2])))

    assert picture.size == (8 + 1 + 8, 8)
    assert [picture.getpixel((x, 4)) for x in (0, 8, 16)] == [(80, 80, 80, 255), (0, 0, 0, 0), (200, 200, 200, 255)]
    assert len(page.all("img")) == 5 * 3  # sets by classes
    assert "Not in this machine's store: the images of random." in page.text


def test_large_images_are_few_and_reduced_and_a_page_stays_small(frame: Frame) -> None:
    torch = pytest.importorskip("torch")
    from ddbench.types import Batch

    generator = torch.Generator().manual_seed(0)
    noise = torch.randint(256, (300, 3, 224, 224), dtype=torch.uint8, generator=generator)
    batch = Batch(noise, torch.arange(100).repeat(3))
    rows = [{"synthesizer": f"m{number}", "top1": 50.0, "key": str(number)} for number in range(6)]
    documents = tuple(_plain(row["key"]) for row in rows)

    text = Html().render(RenderTask(frame(*rows), documents=documents, images=lambda _: batch))

    assert len(text) < 6_000_000
    widths = [int(each["width"]) for each in Page(text).all("img")]
    assert set(widths) == {3 * 64 + 2 * 4}
    assert "of 10 classes" in Page(text).text


def _plain(key: Any) -> dict[str, Any]:
    shards = {"synthesize": {"keys": [key]}}
    return {"key": key, "benchmark": "", "measures": None, "costs": {}, "stages": shards, "environment": None}


def test_what_failed_is_told_with_its_error_and_what_is_flagged_with_the_reason(page: Page) -> None:
    failed, flagged = "failed random, ipc 10, online, vgg16", "flagged random, ipc 1, online, vgg16"

    assert f"{failed}, digits, standard, seeds 0/1 </script>" in page.text
    assert f"{flagged}, digits, standard, seeds 0/0 edited" in page.text


def test_rows_of_an_export_have_their_settings_and_no_stages(sweep: RenderTask) -> None:
    text = Html().render(RenderTask(sweep.frame.head(4)))

    cell = next(iter(dialogs(text).values()))
    assert "rho 0.02" in cell.text
    assert "From an export" in cell.text
    assert "No result file here names its images." in Page(text).text


def test_settings_that_are_no_json_are_shown_as_they_are(frame: Frame) -> None:
    page = Page(Html().render(RenderTask(frame({"top1": 50.0, "settings": "{<b>half", "sources": "7"}))))

    assert "as written {<b>half" in page.text


def test_a_page_of_published_numbers_alone_is_a_page(frame: Frame) -> None:
    page = Page(Html().render(RenderTask(frame({"status": "reported", "reported": 65.7}))))

    assert "Distilled data sets 0 trials" in page.text
    assert "65.7" in page.text


def test_the_same_results_give_the_same_page(html: str, sweep: RenderTask) -> None:
    assert Html().render(sweep) == html


def test_published_numbers_stand_beside_with_the_difference(frame: Frame) -> None:
    trial = {"top1": 50.0, "reported": 52.5, "reported_metric": "top1", "reported_source": "a paper", "key": "0"}

    page = Page(Html().render(RenderTask(frame(trial))))

    assert "50.0 (1) 52.5 \u22122.5" in page.text
    assert "Paper: a paper." in page.text


def test_without_matplotlib_one_line_names_what_to_install(sweep: RenderTask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ddbench_reporters.figure.find_spec", lambda _: None)

    with pytest.raises(UserError, match=r"^figures need matplotlib: pip install 'ddbench\[figures\]'$"):
        Html().render(sweep)
