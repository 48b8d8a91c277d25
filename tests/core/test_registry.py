from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

from ddbench.errors import UserError
from ddbench.registry import registry, settled
from ddbench.spec import Spec
from ddbench.testing.toys import ToyNet, ToyTeacher

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Install = Callable[..., Path]

pytestmark = pytest.mark.usefixtures("toys")

KITCHEN = """
from __future__ import annotations
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal
from annotated_types import Ge, Gt, Le
from ddbench import hookimpl

@hookimpl
def ddbench_synthesizers():
    return {
        "cook": Cook, "lazy": "ddbench_core_kitchen.pantry:Lazy", "lost": "ddbench_core_kitchen.pantry:Nobody",
        "gone": "ddbench_core_kitchen.nowhere:Gone", "vague": "ddbench_core_kitchen",
        "plain": Plain, "unversioned": Unversioned,
    }

@hookimpl
def ddbench_architectures():
    return {"brand/*": Brand, "brand/special": Special}

@dataclass(frozen=True)
class Cook:
    version: ClassVar[int] = 3
    isolated: ClassVar[bool] = True
    uses_teacher: ClassVar[bool] = False
    rho: Annotated[float, Gt(0), Le(1)] = 0.5
    steps: Annotated[int, Ge(1)] = 10
    mode: Literal["eval", "train"] = "eval"
    sizes: tuple[int, ...] = (8, 16)
    floor: float | None = None
    nesterov: bool = False
    title: str = ""

    def __post_init__(self):
        if self.mode == "train" and self.steps < 2:
            raise ValueError("mode 'train' wants 2 steps or more")

@dataclass(frozen=True)
class Brand:
    version: ClassVar[int] = 1
    name: str = ""
    depth: int = 2

@dataclass(frozen=True)
class Special:
    version: ClassVar[int] = 1

class Plain:
    version = 1

@dataclass(frozen=True)
class Unversioned:
    rho: float = 1.0
"""
PANTRY = """
from dataclasses import dataclass
from typing import ClassVar

@dataclass(frozen=True)
class Lazy:
    version: ClassVar[int] = 1
    isolated: ClassVar[bool] = True
    uses_teacher: ClassVar[bool] = False
"""
RECIPE = """
[cook]
rho = 0.25
sizes = [1, 2]
"""


@pytest.fixture(autouse=True)
def kitchen(install: Install) -> None:
    """Install a package of components, with a recipe for the toy data."""
    package = install("kitchen", "ddbench_core_kitchen") / "ddbench_core_kitchen"
    (package / "recipes").mkdir(parents=True)
    (package / "__init__.py").write_text(KITCHEN)
    (package / "pantry.py").write_text(PANTRY)
    (package / "recipes" / "toy.toml").write_text(RECIPE)
    (package / "recipes" / "notes.txt").write_text("not a recipe")


def cook(parameters: str = "", recipe: str = "") -> Any:
    return registry().resolve("synthesizer", Spec.parse(f"cook[{parameters}]"), recipe).component


def refused(kind: Any, text: str) -> str:
    with pytest.raises(UserError) as caught:
        registry().resolve(kind, Spec.parse(text))
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_an_unknown_name_is_refused_with_the_nearest_one() -> None:
    assert refused("synthesizer", "toy-synht") == "unknown synthesizer 'toy-synht'; did you mean 'toy-synth'?"


def test_an_unknown_name_that_resembles_none_is_refused_with_all_there_are() -> None:
    message = refused("evaluator", "qqqqqq")
    assert message.startswith("unknown evaluator 'qqqqqq'; known: ")
    assert "toy-exam" in message


def test_a_name_of_another_kind_is_unknown() -> None:
    assert refused("labeler", "toy-synth").startswith("unknown labeler 'toy-synth'")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("cook[roh=0.1]", ("unknown parameter 'roh'; did you mean 'rho'?",)),
        ("cook[version=2]", ("unknown parameter 'version'",)),
        ("cook[rho=0]", ("rho: ", "greater than 0", "got 0")),
        ("cook[rho=1.5]", ("rho: ", "less than or equal to 1", "got 1.5")),
        ("cook[rho=big]", ("rho: ", "valid number", "got 'big'")),
        ('cook[rho="0.1"]', ("rho: ", "got '0.1'")),
        ("cook[rho=true]", ("rho: ", "got True")),
        ("cook[rho=none]", ("rho: ", "got None")),
        ("cook[steps=1.5]", ("steps: ", "got 1.5")),
        ("cook[steps=0]", ("steps: ", "greater than or equal to 1")),
        ("cook[steps=true]", ("steps: ", "valid integer")),
        ("cook[mode=tarin]", ("mode: ", "'eval' or 'train'", "got 'tarin'")),
        ("cook[sizes=8]", ("sizes: ",)),
        ("cook[sizes=(8,x)]", ("sizes.1: ", "got 'x'")),
        ("cook[nesterov=1]", ("nesterov: ",)),
        ("cook[title=3]", ("title: ", "valid string")),
        ("cook[mode=train,steps=1]", ("mode 'train' wants 2 steps or more",)),
    ],
)
def test_a_wrong_parameter_is_one_line_with_its_name_its_value_and_where_to_read_on(
    text: str, parts: tuple[str, ...]
) -> None:
    message = refused("synthesizer", text)
    assert message.startswith(f"synthesizer '{Spec.parse(text)}': ")
    for part in parts:
        assert part in message
    assert "unknown parameter" in message or message.endswith("see 'ddbench info cook'")


@pytest.mark.parametrize("text", ["floor=inf", "floor=-inf", "floor=nan"])
def test_numbers_that_are_not_finite_are_refused(text: str) -> None:
    assert refused("synthesizer", f"cook[{text}]") == f"synthesizer 'cook[{text}]': its numbers must be finite"


def test_values_of_the_right_type_arrive_as_they_were_written() -> None:
    made = cook("rho=1,steps=3,mode=train,sizes=(4,),floor=-2.5,nesterov=true,title='x'")
    assert (made.rho, made.steps, made.mode, made.sizes) == (1.0, 3, "train", (4,))
    assert (made.floor, made.nesterov, made.title) == (-2.5, True, "'x'")
    assert isinstance(made.rho, float)


def test_a_recipe_lies_over_the_defaults_and_under_what_the_user_writes() -> None:
    assert (cook().rho, cook().sizes) == (0.5, (8, 16))
    assert (cook(recipe="toy").rho, cook(recipe="toy").sizes, cook(recipe="toy").steps) == (0.25, (1, 2), 10)
    assert (cook("rho=0.75", "toy").rho, cook("rho=0.75", "toy").sizes) == (0.75, (1, 2))


def test_a_data_set_without_a_recipe_takes_the_defaults() -> None:
    assert cook(recipe="elsewhere") == cook()
    assert cook(recipe="notes") == cook()


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("cook", "cook"),
        ("cook[rho=0.25,sizes=(1,2)]", "cook"),
        ("cook[steps=10]", "cook"),
        ("cook[rho=0.5]", "cook[rho=0.5]"),
        ("cook[steps=11,floor=1]", "cook[floor=1.0,steps=11]"),
    ],
)
def test_the_short_spec_leaves_out_what_repeats_recipe_or_default(text: str, short: str) -> None:
    assert str(registry().resolve("synthesizer", Spec.parse(text), "toy").short) == short


def test_the_full_spec_makes_the_same_component_again_without_a_recipe() -> None:
    resolved = registry().resolve("synthesizer", Spec.parse("cook[title=x]"), "toy")
    assert registry().create("synthesizer", Spec.parse(str(resolved.full))) == resolved.component
    assert resolved.full.mapping().keys() == {"rho", "steps", "mode", "sizes", "floor", "nesterov", "title"}


def test_the_identity_is_name_version_and_every_field() -> None:
    resolved = registry().resolve("synthesizer", Spec("cook"), "toy")
    assert resolved.identity == {"name": "cook", "version": 3, **resolved.full.mapping()}


BURNT = """
from dataclasses import dataclass
from typing import ClassVar
from ddbench import hookimpl

@hookimpl
def ddbench_labelers():
    return {"burnt": Burnt}

@dataclass(frozen=True)
class Burnt:
    version: ClassVar[int] = 1
    uses_teacher: ClassVar[bool] = False
    rho: float = 0.5
"""


@pytest.mark.parametrize(
    ("name", "content", "part"),
    [
        ("key", "[burnt]\nroh = 0.1\n", "unknown parameter 'roh'"),
        ("value", "[burnt]\nrho = 'big'\n", "rho: "),
        ("syntax", "[burnt\n", "at line 1"),
        ("bytes", b"# \xff", "utf-8"),
    ],
)
def test_a_recipe_that_is_wrong_is_one_line(install: Install, name: str, content: str | bytes, part: str) -> None:
    package = install("burnt", f"ddbench_core_burnt_{name}") / f"ddbench_core_burnt_{name}"
    (package / "recipes").mkdir(parents=True)
    (package / "__init__.py").write_text(BURNT)
    (package / "recipes" / "toy.toml").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UserError) as caught:
        registry().resolve("labeler", Spec("burnt"), "toy")
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_family_hands_the_rest_of_the_name_to_its_class() -> None:
    resolved = registry().resolve("architecture", Spec.parse("brand/vit/tiny.v2[depth=3]"))
    assert (resolved.component.name, resolved.component.depth) == ("vit/tiny.v2", 3)
    assert str(resolved.short) == "brand/vit/tiny.v2[depth=3]"
    assert str(resolved.full) == "brand/vit/tiny.v2[depth=3]"
    assert registry().create("architecture", resolved.full) == resolved.component
    assert resolved.identity == {"name": "brand/vit/tiny.v2", "version": 1, "depth": 3}


def test_a_name_of_its_own_goes_before_its_family() -> None:
    assert type(registry().resolve("architecture", Spec("brand/special")).component).__name__ == "Special"
    assert registry().has("architecture", "brand/anything")
    assert not registry().has("architecture", "brandy/anything")


def test_a_bare_architecture_is_a_teacher_to_train() -> None:
    resolved = registry().resolve("teacher", Spec.parse("toy-net"))
    assert (resolved.entry.name, resolved.component.architecture) == ("train", "toy-net")
    member = registry().resolve("teacher", Spec.parse("brand/vit")).component
    assert member.architecture == "brand/vit"


def test_a_bare_architecture_keeps_the_parameters_that_only_it_has() -> None:
    teacher = registry().resolve("teacher", Spec.parse("toy-net[width=4,epochs=3]")).component
    assert (teacher.architecture, teacher.epochs) == ("toy-net[width=4]", 3)


def test_a_teacher_that_has_the_name_goes_before_an_architecture() -> None:
    assert isinstance(registry().resolve("teacher", Spec("toy-teacher")).component, ToyTeacher)


def test_a_name_that_is_neither_teacher_nor_architecture_is_an_unknown_teacher() -> None:
    assert refused("teacher", "toy-techer") == "unknown teacher 'toy-techer'; did you mean 'toy-teacher'?"


@pytest.mark.parametrize("name", ["plain", "unversioned"])
def test_a_class_that_is_no_dataclass_with_a_version_is_refused_naming_its_plugin(name: str) -> None:
    assert refused("synthesizer", name) == f"synthesizer '{name}' of plugin 'kitchen' is not a dataclass with a version"


@pytest.mark.parametrize("name", ["lost", "gone", "vague"])
def test_a_class_that_cannot_be_imported_is_refused_naming_its_plugin(name: str) -> None:
    message = refused("synthesizer", name)
    assert message.startswith(f"synthesizer '{name}' of plugin 'kitchen' cannot be imported from ddbench_core_kitchen")


def test_a_class_is_imported_when_it_is_first_used() -> None:
    sys.modules.pop("ddbench_core_kitchen.pantry", None)
    entry = registry().entry("synthesizer", "lazy")
    assert entry.module == "ddbench_core_kitchen.pantry"
    assert "ddbench_core_kitchen.pantry" not in sys.modules
    assert entry.load().__name__ == "Lazy"
    assert "ddbench_core_kitchen.pantry" in sys.modules


def test_entries_come_sorted_in_the_order_of_a_run_and_by_name() -> None:
    entries = registry().entries()
    kinds = [entry.kind for entry in entries]
    assert list(dict.fromkeys(kinds)) == [
        "dataset", "architecture", "teacher", "generator", "synthesizer", "labeler", "evaluator", "metric",
        "executor", "reporter", "diagnostic",
    ]  # fmt: skip
    names = [entry.name for entry in registry().entries("architecture")]
    assert names == sorted(names)
    assert "toy-net" in names


def test_a_class_may_stand_in_place_of_its_name() -> None:
    resolved = registry().resolve("architecture", Spec.parse("toy-net[width=4]"))
    assert resolved.component == ToyNet(4)
    assert (resolved.entry.target, resolved.entry.module) == (ToyNet, "ddbench.testing.toys")


def test_a_recipe_s_values_may_depend_on_ipc_and_then_on_the_student() -> None:
    table = {
        "rate": 1,
        "batch": 1,
        "ipc": {"10": {"batch": 10, "rate": 10}},
        "student": {"net": {"rate": 100}},
        "labels": {"rate": 7},
    }
    assert settled(table, {}) == {"rate": 1, "batch": 1}
    assert settled(table, {"ipc": "10"}) == {"rate": 10, "batch": 10}
    assert settled(table, {"ipc": "1", "student": "net"}) == {"rate": 100, "batch": 1}
    assert settled(table, {"ipc": "10", "student": "net"}) == {"rate": 100, "batch": 10}


def test_a_recipe_s_values_may_hold_for_a_range_of_ipc() -> None:
    table = {"rate": 1, "ipc": {"2-10": {"rate": 2}, "5": {"rate": 5}, "51-": {"rate": 51}}}
    rates = {ipc: settled(table, {"ipc": str(ipc)})["rate"] for ipc in (1, 2, 5, 10, 11, 50, 51, 5000)}
    assert rates == {1: 1, 2: 2, 5: 5, 10: 2, 11: 1, 50: 1, 51: 51, 5000: 51}


def test_a_teacher_s_recipe_may_depend_on_its_architecture() -> None:
    def epochs(spec: str) -> int:
        return int(registry().resolve("teacher", Spec.parse(spec), "digits").component.epochs)

    assert epochs("deit-tiny-bn") > epochs("resnet18")
    assert epochs("deit-tiny-bn") == epochs("train[architecture=deit-tiny-bn]")
    assert epochs("deit-tiny-bn[epochs=1]") == 1
