"""``ddbench check-plugin``: which promise is broken, in plain words, and the exit code."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

Call = Callable[..., Any]

SOUND = """
from ddbench import hookimpl


@hookimpl
def ddbench_synthesizers():
    return {"planted": "ddbench.testing.toys:ToySynth"}
"""


@pytest.fixture(autouse=True)
def settings_back() -> Iterator[None]:
    yield
    torch.set_grad_enabled(True)


@pytest.fixture
def planted(install: Call) -> Any:
    """Install the plugin whose components break one promise each; returns its module."""
    site = install("planted", "planted_plugin", Path(__file__).with_name("planted_plugin.py").read_text())
    assert str(site) in sys.path
    return importlib.import_module("planted_plugin")


def broken(document: dict[str, Any]) -> dict[str, list[str]]:
    """Return the broken promises by component."""
    return {
        held["name"].partition("[")[0]: [each["promise"] for each in held["promises"] if not each["kept"]]
        for held in document["held"]
    }


def test_each_component_breaks_the_promise_that_it_was_made_to_break_and_no_other(planted: Any, command: Call) -> None:
    ended = command("check-plugin", "planted", "--json")

    assert ended.code == 3
    assert len(planted.BROKEN) > 20
    found = broken(ended.document)
    del found["planted"]  # whether a drifting identity is another one there is chance
    assert found == {"sound": [], **{name: [promise] for name, promise in planted.BROKEN.items()}}


def test_what_a_component_raises_is_one_line_and_the_others_go_on(planted: Any, command: Call) -> None:
    ended = command("check-plugin", "planted", "--kind", "synthesizer", "--json")

    raising = next(held for held in ended.document["held"] if held["name"] == "raising")
    assert raising["promises"][-1]["trouble"] == "it raised RuntimeError: out of ideas"
    assert broken(ended.document)["sound"] == []
    assert "moody" not in broken(ended.document)


def test_a_sound_plugin_gets_a_tick_for_each_promise(install: Call, command: Call) -> None:
    install("planted", "sound_plugin", SOUND)

    ended = command("check-plugin", "planted")

    assert ended.code == 0
    assert "✗" not in ended.out
    assert "synthesizer planted" in ended.out
    assert "  ✓ makes an image alike, whatever else is asked\n" in ended.out
    assert " promises kept, 0 broken, in " in ended.out.splitlines()[-1]


@pytest.mark.parametrize(
    ("module", "source", "promise", "trouble"),
    [
        (
            "weighty_plugin",
            f"import pandas\n{SOUND}",
            "is quick to import, and imports nothing heavy",
            "imports pandas",
        ),
        (
            "slow_plugin",
            f"import time\nend = time.process_time() + 0.6\nwhile time.process_time() < end: pass\n{SOUND}",
            "is quick to import, and imports nothing heavy",
            "s to import: import inside functions what takes long",
        ),
        (
            "misspelt_plugin",
            SOUND.replace("synthesizers", "synths"),
            "can be loaded",
            "implements unknown hooks: ddbench_synths",
        ),
        (
            "raising_plugin",
            SOUND.replace("    return", "    raise KeyError('no')\n    return"),
            "has hooks that ddbench knows, and nothing in them fails",
            "raising_plugin cannot be used: KeyError: 'no'",
        ),
        ("absent_plugin", SOUND.replace("ToySynth", "ToySnyth"), "can be loaded", "has no attribute 'ToySnyth'"),
    ],
)
def test_a_promise_of_the_plugin_as_a_whole_is_named(
    install: Call, command: Call, module: str, source: str, promise: str, trouble: str
) -> None:
    install("planted", module, source)

    ended = command("check-plugin", "planted", "--json")

    assert ended.code == 3
    wrong = [each for held in ended.document["held"] for each in held["promises"] if not each["kept"]]
    assert [each["promise"] for each in wrong] == [promise]
    assert trouble in wrong[0]["trouble"]


KEYED = """
from dataclasses import dataclass

from ddbench import hookimpl
from ddbench.testing.toys import ToySynth


@hookimpl
def ddbench_synthesizers():
    return {"planted": Hashed}


class Hashed(ToySynth):
    def identity(self):
        return {"noise": hash(str(self.noise))}


Hashed.__doc__ = ToySynth.__doc__
"""


def test_a_key_that_another_process_does_not_share_is_told(install: Call, command: Call) -> None:
    install("planted", "keyed_plugin", KEYED)

    ended = command("check-plugin", "planted", "--json")

    assert ended.code == 3
    wrong = [each for held in ended.document["held"] for each in held["promises"] if not each["kept"]]
    assert [each["trouble"] for each in wrong] == ["synthesizer 'planted' has another key there: see its identity()"]


def test_recipes_that_fit_nothing_are_told(install: Call, command: Call) -> None:
    site = install("planted", "cooked_plugin")
    package = site / "cooked_plugin"
    (package / "recipes").mkdir(parents=True)
    (package / "__init__.py").write_text(SOUND.replace("ddbench.testing.toys", "cooked_plugin.method"))
    (package / "method.py").write_text("from ddbench.testing.toys import ToySynth\n")
    (package / "recipes" / "digits.toml").write_text("[planted]\nnoisse = 1.0\n\n[plantd]\nnoise = 1.0\n")

    ended = command("check-plugin", "planted", "--json")

    assert ended.code == 3
    told = [each["trouble"] for held in ended.document["held"] for each in held["promises"] if not each["kept"]]
    assert told == [
        "cooked_plugin has a table [plantd] in recipes/digits.toml, and no such component",
        "synthesizer 'planted': unknown parameter 'noisse'; did you mean 'noise'?",
    ]


NEEDY = """
from dataclasses import dataclass

from ddbench import UserError, hookimpl
from ddbench.testing.toys import ToyDataset


@hookimpl
def ddbench_datasets():
    return {"needy": Needy}


@dataclass(frozen=True)
class Needy(ToyDataset):
    '''Stripes at a path (made up here).

    Attributes:
        classes: as in the toy.
        size: as in the toy.
        channels: as in the toy.
        path: where they lie.
    '''

    path: str = dataclass_field

    def spec(self, place):
        if self.path == "nowhere":
            raise UserError("there is nothing in nowhere; put something there")
        return super().spec(place)
""".replace("import dataclass\n", "import dataclass, field\n").replace("dataclass_field", "field(kw_only=True)")


@pytest.mark.parametrize(
    ("name", "code", "untried"),
    [
        ("planted", 4, """it needs 'path': give it, as in "ddbench check-plugin 'needy[path=...]'\""""),
        ("needy[path=nowhere]", 4, "there is nothing in nowhere; put something there"),
        ("needy[path=here]", 0, ""),
    ],
)
def test_what_cannot_be_tried_is_no_promise_broken_and_none_kept(
    install: Call, command: Call, name: str, code: int, untried: str
) -> None:
    install("planted", "needy_plugin", NEEDY)

    ended = command("check-plugin", name, "--json")

    assert ended.code == code
    assert ended.document["held"][-1]["untried"] == untried
    assert not any(broken(ended.document).values())


def test_an_unknown_name_is_refused_with_the_nearest(install: Call, command: Call) -> None:
    install("planted", "sound_plugin", SOUND)

    ended = command("check-plugin", "plantd")

    assert (ended.code, ended.out) == (2, "")
    assert ended.err == "Error: no plugin and no component is called 'plantd'; did you mean 'planted'?\n"


def test_a_plugin_goes_by_the_name_of_its_distribution_too(install: Call, command: Call) -> None:
    install("planted", "sound_plugin", SOUND, distribution="some-planted")

    assert command("check-plugin", "some-planted").code == 0


LISTENER = """
from ddbench import hookimpl


@hookimpl
def ddbench_event(event):
    {}
"""


@pytest.mark.parametrize(
    ("module", "body", "promise"),
    [
        ("quiet_listener", "pass", None),
        ("loud_listener", "print(event.name)", "prints nothing on stdout, where 'run --json' prints its document"),
        ("vain_listener", "event.payload['mine'] = 1", "leaves what it hears as it was"),
        ("lucky_listener", "import torch; torch.rand(1)", "draws none of the random numbers that a method would draw"),
        ("deaf_listener", "event.stage.label", "hears every kind of event without an error"),
    ],
)
def test_a_listener_is_held_to_its_promises(
    install: Call, command: Call, module: str, body: str, promise: str | None
) -> None:
    install("ear", module, LISTENER.format(body))

    ended = command("check-plugin", "ear", "--json")

    assert ended.code == (0 if promise is None else 3)
    assert [each["kind"] for each in ended.document["held"]] == ["plugin", "listener"]
    assert broken({"held": ended.document["held"][1:]}) == {"ear": [promise] if promise else []}
