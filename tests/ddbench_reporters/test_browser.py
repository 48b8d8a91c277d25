"""The page in a real browser: a headless Chromium, spoken to over pipes in its devtools protocol, without a library."""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
PROGRAM = next(filter(None, map(shutil.which, NAMES)), None)
PATIENCE = 60.0  # seconds; a machine may be busy
OPTIONS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"),
    *("--disable-extensions", "--disable-background-networking", "--disable-component-update", "--disable-sync"),
    "--remote-debugging-pipe",
)

HAND_OVER = """
import fcntl, os, sys
pipes = [fcntl.fcntl(int(pipe), fcntl.F_DUPFD, 10) for pipe in sys.argv[1:3]]
for place, pipe in zip((3, 4), pipes):
    os.dup2(pipe, place)
os.execv(sys.argv[3], sys.argv[3:])
"""  # a browser takes orders from file descriptor 3 and answers on 4

pytest.importorskip("matplotlib")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(PROGRAM is None, reason="no Chromium is installed here"),
    pytest.mark.skipif(os.name != "posix", reason="the browser is spoken to over inherited pipes"),
]


@dataclass
class Browser:
    """One page of a browser. ``events`` are what it told by itself, in the order told."""

    to: int
    back: int
    session: str = ""
    events: list[dict[str, Any]] = field(default_factory=list)
    _unread: bytes = b""
    _number: int = 0

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a command of the protocol and wait for its result."""
        self._number += 1
        words = {"id": self._number, "method": method, "params": params}
        os.write(self.to, json.dumps(words | ({"sessionId": self.session} if self.session else {})).encode() + b"\0")
        while (told := self._told()).get("id") != self._number:
            self.events.append(told)
        assert "error" not in told, f"{method}: {told['error']}"
        return dict(told["result"])

    def open(self, page: Path, part: str = "") -> None:
        """Go to a file, from elsewhere, and wait until it is loaded."""
        for address in ("about:blank", page.resolve().as_uri() + part):
            self.events.clear()
            self.ask("Page.navigate", url=address)
            while not self.of("Page.loadEventFired"):
                self.events.append(self._told())

    def run(self, script: str) -> Any:
        """Return the value of an expression of JavaScript in the page."""
        ended = self.ask("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in ended, ended["exceptionDetails"]
        return ended["result"].get("value")

    def of(self, method: str) -> list[dict[str, Any]]:
        """Return what was told under a name."""
        return [event["params"] for event in self.events if event.get("method") == method]

    def _told(self) -> dict[str, Any]:
        end = time.monotonic() + PATIENCE
        while b"\0" not in self._unread:
            ready, _, _ = select.select([self.back], [], [], max(0.0, end - time.monotonic()))
            assert ready, "the browser does not answer"
            read = os.read(self.back, 2**20)
            assert read, "the browser has gone"
            self._unread += read
        text, _, self._unread = self._unread.partition(b"\0")
        return dict(json.loads(text))


@contextlib.contextmanager
def started(profile: Path) -> Iterator[Browser]:
    """Start a browser with an empty profile; yields a page that tells its requests, its log and its errors."""
    theirs, to = os.pipe()
    back, ours = os.pipe()
    browser = [str(PROGRAM), *OPTIONS, f"--user-data-dir={profile}", "about:blank"]
    command = [sys.executable, "-c", HAND_OVER, str(theirs), str(ours), *browser]
    with subprocess.Popen(command, pass_fds=(theirs, ours), stderr=subprocess.DEVNULL) as process:
        os.close(theirs)
        os.close(ours)
        try:
            yield _page(Browser(to, back))
        finally:
            os.close(to)  # at the end of its orders a browser goes
            os.close(back)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(5)
            process.kill()


def _page(browser: Browser) -> Browser:
    targets = browser.ask("Target.getTargets")["targetInfos"]
    target = next(each["targetId"] for each in targets if each["type"] == "page")
    browser.session = browser.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
    for part in ("Page", "Runtime", "Log", "Network"):
        browser.ask(f"{part}.enable")
    return browser


@pytest.fixture(scope="module")
def page(html: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the page under a name with a space and a letter beyond ASCII."""
    file = tmp_path_factory.mktemp("a report") / "Größe 1.html"
    file.write_text(html, encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with started(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture
def shown(chromium: Browser, page: Path) -> Browser:
    """Return a browser that has just opened the page."""
    chromium.open(page)
    return chromium


def rows(browser: Browser, table: str = "table-1") -> list[list[str]]:
    """Return the texts of the rows of a table that are to be seen, cell by cell."""
    script = f"""[...document.querySelectorAll('#{table} tbody tr')].filter((row) => row.offsetParent !== null)
        .map((row) => [...row.cells].map((cell) => cell.innerText.trim()))"""
    return [list(row) for row in browser.run(script)]


def click(browser: Browser, selector: str, number: int = 0) -> None:
    browser.run(f"document.querySelectorAll({json.dumps(selector)})[{number}].click()")


def choose(browser: Browser, name: str, value: str) -> None:
    browser.run(f"""(() => {{ const found = document.querySelector('[data-name="{name}"]');
        found.value = {json.dumps(value)}; found.dispatchEvent(new Event('input', {{bubbles: true}})); }})()""")


def write(browser: Browser, words: str) -> None:
    browser.run(f"""(() => {{ const found = document.getElementById('words');
        found.value = {json.dumps(words)}; found.dispatchEvent(new Event('input', {{bubbles: true}})); }})()""")


def test_it_renders_without_an_error_and_fetches_nothing(shown: Browser, page: Path) -> None:
    addresses = {event["request"]["url"] for event in shown.of("Network.requestWillBeSent")}

    assert {address for address in addresses if not address.startswith("data:")} == {page.resolve().as_uri()}
    assert shown.of("Runtime.exceptionThrown") == []
    assert [event["entry"]["text"] for event in shown.of("Log.entryAdded")] == []
    assert shown.of("Runtime.consoleAPICalled") == []
    assert shown.run("document.compatMode") == "CSS1Compat"
    assert shown.run("[...document.images].every((image) => image.complete && image.naturalWidth > 0)") is True
    assert shown.run("document.querySelectorAll('figure svg').length") == 16


def test_what_results_hold_does_not_run(shown: Browser) -> None:
    assert shown.run("document.title") == "Distilled data sets of digits"
    assert "</script><script>" in shown.run("document.querySelector('#troubles').innerText")


def test_a_head_sorts_by_numbers_and_says_so_and_gaps_stay_last(shown: Browser) -> None:
    column = [row[2] for row in rows(shown)]
    number = len(column) // 2
    head = "#table-1 th:nth-child(3)"

    click(shown, f"{head} button")
    down = [float(row[2].split()[0]) for row in rows(shown)]
    assert shown.run(f"document.querySelector('{head}').getAttribute('aria-sort')") == "descending"
    click(shown, f"{head} button")
    up = [float(row[2].split()[0]) for row in rows(shown)]

    assert number
    assert down == sorted(down, reverse=True)
    assert up == sorted(up)
    click(shown, "#table-1 th:nth-child(5) button")  # the mean, missing where a trial failed
    assert [row[4] for row in rows(shown)][-1] == "\N{EN DASH}"
    assert shown.run(f"document.querySelector('{head}').getAttribute('aria-sort')") == "none"


def test_a_head_can_be_reached_and_pressed_by_keyboard(shown: Browser) -> None:
    shown.run("document.querySelector('#table-1 th button').focus()")
    for kind in ("keyDown", "keyUp"):
        shown.ask("Input.dispatchKeyEvent", type=kind, key="Enter", code="Enter", text="\r", windowsVirtualKeyCode=13)

    names = [row[0] for row in rows(shown)]
    assert names == sorted(names)
    assert shown.run("document.querySelector('#table-1 th').getAttribute('aria-sort')") == "ascending"


def test_tables_charts_and_images_are_narrowed_together_and_back(shown: Browser) -> None:
    every = rows(shown)

    choose(shown, "ipc", "10")

    assert {row[1] for row in rows(shown)} == {row[1] for row in rows(shown, "cost-table")} == {"10"}
    assert shown.run("document.getElementById('count').textContent") == "3 of 6 rows"
    visible = "[...document.querySelectorAll('{}')].filter((each) => each.offsetParent !== null).length"
    assert shown.run(visible.format("#heatmap figure")) == 1
    assert shown.run(visible.format("#cost figure")) == 4  # they show all counts of images
    assert shown.run(visible.format(".gallery")) == 1
    write(shown, "RANDOM")
    assert [row[0] for row in rows(shown)] == ["random"]
    write(shown, "no such thing")
    assert rows(shown) == []
    write(shown, "")
    choose(shown, "ipc", "")
    assert rows(shown) == every


def test_a_click_on_a_number_or_a_point_shows_what_is_behind_it(shown: Browser) -> None:
    dialog = "document.getElementById('dialog')"

    click(shown, "#table-1 tbody td a")
    assert shown.run(f"{dialog}.open") is True
    told = shown.run(f"{dialog}.innerText")
    assert [word for word in ("Trials", "Settings", "rho", "Stages and their keys", "torch") if word not in told] == []
    click(shown, "#dialog button")
    assert shown.run(f"{dialog}.open") is False

    event = "new MouseEvent('click', {bubbles: true, cancelable: true})"
    shown.run(f"document.querySelector('#cost svg a').dispatchEvent({event})")
    assert shown.run(f"{dialog}.open") is True
    assert shown.run("location.hash") == ""


def test_an_address_of_a_cell_opens_it(chromium: Browser, page: Path) -> None:
    chromium.open(page, "#cell-3")

    assert chromium.run("document.getElementById('dialog').open") is True


def test_light_and_dark_follow_the_reader_and_the_button(chromium: Browser, page: Path) -> None:
    paper = "getComputedStyle(document.body).backgroundColor"
    text = "getComputedStyle(document.querySelector('figure svg text')).fill"
    found = {}
    for scheme in ("light", "dark"):
        chromium.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        chromium.open(page)
        found[scheme] = (chromium.run(paper), chromium.run(text))
    click(chromium, "#theme")

    assert (chromium.run(paper), chromium.run(text)) == found["light"]
    assert found["light"] == ("rgb(255, 255, 255)", "rgb(27, 31, 36)")
    assert found["dark"][0] != found["light"][0]
    assert found["dark"][1] != found["light"][1]


def test_a_phone_need_not_be_moved_sideways_and_a_print_is_light(chromium: Browser, page: Path) -> None:
    chromium.ask("Emulation.setDeviceMetricsOverride", width=390, height=844, deviceScaleFactor=2, mobile=True)
    chromium.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark"}])
    chromium.open(page)
    assert chromium.run("document.documentElement.scrollWidth") == 390

    chromium.ask("Emulation.setEmulatedMedia", media="print")
    assert chromium.run("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert chromium.run("getComputedStyle(document.getElementById('filters')).display") == "none"
    chromium.ask("Emulation.setEmulatedMedia", media="", features=[])
    chromium.ask("Emulation.clearDeviceMetricsOverride")


def test_without_scripts_a_link_still_leads_to_what_is_behind_a_number(chromium: Browser, page: Path) -> None:
    chromium.ask("Emulation.setScriptExecutionDisabled", value=True)
    try:
        chromium.open(page, "#cell-3")
        assert chromium.run("document.getElementById('cell-3').closest('details').open") is True
        assert chromium.run("getComputedStyle(document.getElementById('filters')).display") == "none"
    finally:
        chromium.ask("Emulation.setScriptExecutionDisabled", value=False)
