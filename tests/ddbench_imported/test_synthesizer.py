"""``images``: a set of others keeps the promises of a synthesizer, unless the teacher sees other classes in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ddbench.errors import UserError
from ddbench.registry import registry
from ddbench.spec import Spec
from ddbench.testing.conformance import check_plugin, check_synthesizer
from ddbench.types import EffortTask
from ddbench_imported.synthesizer import Images

World = Any


def test_the_plugin_is_sound() -> None:
    check_plugin("ddbench_imported")


def test_a_set_keeps_the_promises_of_a_synthesizer(folder: Path) -> None:
    check_synthesizer(Images(str(folder)))


def swapped(world: World, root: Path) -> Path:
    names = (1, 0, 2)
    return Path(world.write(root, lambda label, index: f"stripes {names[label]}/{index}.png"))


def test_swapped_classes_fail_in_one_line_that_names_them(many: World, tmp_path: Path) -> None:
    with pytest.raises(UserError) as refused:
        many.read(Images(str(swapped(many, tmp_path / "set"))))
    said = str(refused.value)
    assert "images of 'stripes 0' look like 'stripes 1' to the teacher (12 of 12), of " in said
    assert "of 'stripes 1' like 'stripes 0' (12 of 12): are its classes in another order?" in said
    assert "stripes 2" not in said
    assert "\n" not in said


def test_swapped_classes_are_taken_where_that_is_asked_or_a_map_says_so(many: World, tmp_path: Path) -> None:
    root = swapped(many, tmp_path / "set")
    assert many.read(Images(str(root), verify=False)).images.shape[0] == 36
    (tmp_path / "map.toml").write_text('"stripes 0" = 1\n"stripes 1" = 0\n"stripes 2" = 2\n')
    assert many.reads(root, classes=str(tmp_path / "map.toml"))
    many.read(Images(str(root), classes=str(tmp_path / "map.toml")))


def test_the_teacher_is_not_asked_where_nothing_is_checked(world: World, folder: Path) -> None:
    world.read(Images(str(folder), verify=False))
    assert world.bench.teachers == 0
    task = EffortTask("synthesize", world.data, 6)
    assert Images(str(folder), verify=False).effort(task).passes == ()
    assert [each.images for each in Images(str(folder)).effort(task).passes] == [6]


def test_classes_are_read_in_the_order_of_labels_whatever_they_are_called(world: World, tmp_path: Path) -> None:
    root = world.write(tmp_path / "set", lambda label, index: f"{'cab'[label]}/{index}.png")
    (tmp_path / "map.json").write_text('{"c": 0, "a": 1, "b": 2}')
    assert world.reads(root, classes=str(tmp_path / "map.json"))


def test_agreement_is_told_as_it_is_seen(world: World, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[dict[str, float]] = []
    monkeypatch.setattr(world.bench, "_hear", lambda done, total, **numbers: told.append(numbers))
    world.read(Images(str(folder)))
    assert told[-1] == {"agreement": 100.0}


def test_tables_show_a_name_in_place_of_paths(folder: Path, tmp_path: Path) -> None:
    spec = Spec.of("images", {"path": str(folder), "classes": str(tmp_path / "map.toml"), "resize": True})
    shown = registry().resolve("synthesizer", spec).shown
    assert str(shown) == 'images[classes=map.toml,name="mein Satz ü 集",resize=true]'
    assert str(registry().resolve("synthesizer", spec.with_params(name="DC")).shown) == (
        "images[classes=map.toml,name=DC,resize=true]"
    )


@pytest.mark.parametrize(
    "params", [{"mean": [0.5]}, {"name": " "}, {"name": "a\nb"}, {"experiment": -1}, {"layout": "zip"}]
)
def test_parameters_that_cannot_be_are_refused(params: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="synthesizer 'images"):
        registry().resolve("synthesizer", Spec.of("images", {"path": "x", **params}))
