from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from ddbench.errors import UserError
from ddbench.plugins import Plugin, discover, one_line
from ddbench.registry import registry

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Install = Callable[..., Path]

SOUND = """
from ddbench import hookimpl
@hookimpl
def ddbench_synthesizers(): return {"sound": "nowhere:Sound"}
"""
BROKEN = {
    "raises-at-import": ("raise RuntimeError('first line\\nsecond line')", "RuntimeError: first line second line"),
    "is-not-there": (None, "ModuleNotFoundError: No module named 'ddbench_core_is_not_there'"),
    "is-not-python": ("def (", "SyntaxError: invalid syntax"),
    "leaves": ("import sys; sys.exit(3)", "SystemExit: 3"),
    "misspells": (
        "from ddbench import hookimpl\n@hookimpl\ndef ddbench_synthesisers(): return {}",
        "implements unknown hooks: ddbench_synthesisers",
    ),
    "asks-too-much": (
        "from ddbench import hookimpl\n@hookimpl\ndef ddbench_synthesizers(task): return {}",
        "PluginValidationError: Plugin 'asks-too-much' for hook 'ddbench_synthesizers'",
    ),
}


def broken(name: str) -> Plugin:
    return next(plugin for plugin in registry().broken if plugin.name == name)


@pytest.mark.parametrize("name", BROKEN)
def test_a_plugin_that_cannot_be_loaded_is_reported_in_one_line_and_the_others_work(
    install: Install, name: str
) -> None:
    source, reason = BROKEN[name]
    install("a-sound", "ddbench_core_a_sound", SOUND)
    install(name, f"ddbench_core_{name.replace('-', '_')}", source, distribution="stranger")
    install("z-sound", "ddbench_core_z_sound", SOUND.replace('"sound"', '"other"'))
    plugin = discover().named(name)
    assert plugin.error.startswith(reason)
    assert "\n" not in plugin.error
    assert (plugin.distribution, plugin.version, plugin.hooks) == ("stranger", "1.0", ())
    assert discover().broken == (plugin,)
    assert registry().has("synthesizer", "sound")
    assert registry().has("synthesizer", "other")


@pytest.mark.parametrize(
    ("name", "answer", "reason"),
    [
        ("raises", "1 / 0", "ZeroDivisionError: division by zero"),
        ("is_empty", "None", "NoneType"),
        ("gives_a_number", "{'half': 3}", "'half': 3"),
        ("names_a_number", "{3: 'nowhere:Half'}", "3: 'nowhere:Half'"),
        ("gives_a_list", "['half']", "list"),
    ],
)
def test_a_hook_that_fails_is_reported_in_one_line_and_the_others_work(
    install: Install, name: str, answer: str, reason: str
) -> None:
    install("sound", f"ddbench_core_sound_beside_{name}", SOUND)
    install(
        "half",
        f"ddbench_core_{name}",
        f"from ddbench import hookimpl\n@hookimpl\ndef ddbench_synthesizers(): return {answer}\n",
    )
    assert reason in broken("half").error
    assert "\n" not in broken("half").error
    assert "half" not in {entry.plugin.name for entry in registry().entries()}
    assert registry().has("synthesizer", "sound")


def test_an_unknown_name_tells_of_the_plugins_that_failed(install: Install) -> None:
    install("late", "ddbench_core_late", "raise RuntimeError('no licence')")
    with pytest.raises(UserError, match="plugin 'late' failed to load: RuntimeError: no licence"):
        registry().entry("synthesizer", "late-synth")


def test_two_distributions_that_claim_one_plugin_name_are_refused_and_both_are_named(install: Install) -> None:
    install("twin", "ddbench_core_twin", SOUND, distribution="castor")
    install("twin", "ddbench_core_twin", distribution="pollux")
    with pytest.raises(UserError, match=r"plugin 'twin'.*castor and pollux.*uninstall one") as caught:
        registry()
    assert "\n" not in str(caught.value)
    assert discover().named("twin").hooks == ()


def test_two_plugins_that_give_one_component_are_refused_and_both_are_named(install: Install) -> None:
    install("one", "ddbench_core_one", SOUND, distribution="castor")
    install("two", "ddbench_core_two", SOUND, distribution="pollux")
    with pytest.raises(UserError, match=r"synthesizer 'sound'.*'one' \(castor\).*'two' \(pollux\).*uninstall one"):
        registry()


def test_one_name_for_two_kinds_is_no_clash(install: Install) -> None:
    install("one", "ddbench_core_kind_one", SOUND)
    install("two", "ddbench_core_kind_two", SOUND.replace("synthesizers", "labelers"))
    assert registry().has("synthesizer", "sound")
    assert registry().has("labeler", "sound")


def test_a_distribution_found_twice_on_the_path_is_no_clash(
    install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = install("sound", "ddbench_core_once", SOUND)
    shutil.copytree(site, tmp_path / "again")
    monkeypatch.syspath_prepend(tmp_path / "again")
    discover.cache_clear()
    assert discover().named("sound").hooks == ("ddbench_synthesizers",)
    assert [plugin.name for plugin in discover().found].count("sound") == 1
    assert registry().has("synthesizer", "sound")


def test_what_works_names_its_distribution_and_its_hooks(install: Install) -> None:
    hooks = "\n".join(
        f"@hookimpl\ndef ddbench_{kind}s(): return {{}}" for kind in ("teacher", "dataset", "architecture")
    )
    install("several", "ddbench_core_several", f"from ddbench import hookimpl\n{hooks}\n", distribution="much-more")
    found = discover().named("several")
    expected = ("ddbench_architectures", "ddbench_datasets", "ddbench_teachers")
    assert found == Plugin("several", "ddbench_core_several", "much-more", "1.0", expected)


def test_plugins_come_sorted_by_name(install: Install) -> None:
    for name in ("zeta", "alpha"):
        install(name, f"ddbench_core_{name}", "")
    names = [plugin.name for plugin in discover().found]
    assert names == sorted(names)
    assert {"alpha", "zeta"} <= set(names)


def test_the_user_s_own_errors_are_shown_without_their_type() -> None:
    assert one_line(UserError("say\n  what")) == "say what"
    assert one_line(ValueError("a\tb")) == "ValueError: a b"
    assert one_line(KeyError()) == "KeyError"
