from __future__ import annotations

import itertools
import math
import random
from typing import Any

import pytest

from ddbench.errors import UserError
from ddbench.spec import Spec

VALUES: list[Any] = [
    *(None, True, False, 0, 7, -3, 10**30, 0.1, -2.5, 1e-3, 1e-05, 1e22, 5e-324, -0.0, math.inf),
    *("", " ", "dwa", "a b", " edge ", "a,b", "a=b", "[", "]", "[]", ")(", "(a)", "(a", "a[b", "a]b", "#", ";"),
    *('"', '""', 'say "hi"', '","', "\\", '\\"', 'a\\",b', "'", "ünï", "数据", "\N{SNOWMAN}", "line\nbreak", "\ttab"),
    *("1", "-1.5", "1e3", "1_000", "+1", "true", "True", "NONE", "nan", "inf", "Infinity", "-", ".", "~/x/y.pt"),
    *("resnet18[width=4]", 'a[b="c,d"]', "a[b=(1,2),c=d[e=f]]", "a[b=1", "a[ b=1]", "a[]", "timm/vit:b+c@d%e*f"),
    *((), (1,), ("",), (1, 2.5, "x"), (("a,b",), (), (None, True)), ("a[b=1,c=2]", "(", '"'), ((((),),),)),
]
MALFORMED = [
    *("", " ", "[", "]", "[x=1]", "a b", "a,b", "a=1", "ä", "-a", "a]", "a[", "a[x=1", "a[x=1]]", "a[x=1][y=2]"),
    *("a[x=1]b", "a[x]", "a[=1]", "a[x=]", "a[x=1,]", "a[,x=1]", "a[,]", "a[1x=2]", "a[x-y=1]", "a[x y=1]"),
    *("a[x=(1]", "a[x=1)]", "a[x=[1]", 'a[x="1]', 'a[x="1"2]', 'a[x="\\z"]', "a[x=1,x=2]"),
]


def same(one: Spec, other: Spec) -> bool:
    """Compare types too: 1, 1.0 and True are equal to Python."""
    return one == other and hash(one) == hash(other) and repr(one) == repr(other)


def any_value(numbers: random.Random, depth: int = 0) -> Any:
    kind = numbers.randrange(5 if depth < 3 else 4)
    if kind == 0:
        return "".join(numbers.choices('ab1.,=[]()" \\ü数-\n', k=numbers.randrange(8)))
    if kind == 1:
        return numbers.choice(VALUES)
    if kind == 2:
        return numbers.uniform(-1, 1) * 10 ** numbers.randrange(-12, 12)
    if kind == 3:
        return str(Spec.of("name", {"inner": any_value(numbers, depth + 1)}))
    return tuple(any_value(numbers, depth + 1) for _ in range(numbers.randrange(4)))


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_every_value_is_read_back_as_it_was_written(value: Any) -> None:
    spec = Spec.of("dwa", {"rho": value})
    assert same(Spec.parse(str(spec)), spec)


def test_any_mix_of_parameters_is_read_back_as_it_was_written() -> None:
    numbers = random.Random(0)  # noqa: S311 - not a secret
    for _ in range(1000):
        spec = Spec.of("dwa", {f"p{index}": any_value(numbers) for index in range(numbers.randrange(5))})
        assert same(Spec.parse(str(spec)), spec), str(spec)


def test_a_list_of_specs_is_read_back_as_it_was_written() -> None:
    numbers = random.Random(1)  # noqa: S311 - not a secret
    for _ in range(200):
        specs = tuple(Spec.of("dwa", {"x": any_value(numbers)}) for _ in range(1 + numbers.randrange(4)))
        read = Spec.parse_list(",".join(map(str, specs)))
        assert len(read) == len(specs)
        assert all(itertools.starmap(same, zip(read, specs, strict=True)))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3), ("-0.5", -0.5), ("1e-3", 0.001), ("true", True), ("False", False), ("none", None), ("sgd", "sgd"),
        ('"3"', "3"), ('"a,b"', "a,b"), ("(1, 2)", (1, 2)), ("(1,)", (1,)), ("()", ()), (" 3 ", 3),
        ("~/w.pt", "~/w.pt"), ("vit[depth=2,heads=4]", "vit[depth=2,heads=4]"), ('"\\u00e9"', "é"),
    ],
)  # fmt: skip
def test_the_command_line_syntax_means_what_its_looks_say(text: str, value: Any) -> None:
    assert same(Spec.parse(f"dwa[x={text}]"), Spec("dwa", (("x", value),)))


def test_the_order_in_which_parameters_are_written_does_not_matter() -> None:
    one, other = Spec.parse("dwa[rho=0.02,steps=3]"), Spec.parse(" dwa[ steps = 3 , rho = 0.02 ] ")
    assert same(one, other)
    assert str(other) == "dwa[rho=0.02,steps=3]"


def test_other_names_and_other_parameters_are_other_specs() -> None:
    specs = [Spec.parse(text) for text in ("dwa", "sre2l", "dwa[rho=1]", "dwa[rho=2]", "dwa[tau=1]", "dwa[rho=one]")]
    assert len(set(specs)) == len(specs)


def test_lists_become_tuples_so_that_every_spec_can_be_hashed() -> None:
    assert same(Spec.of("a", {"x": [1, [2, []]]}), Spec("a", (("x", (1, (2, ()))),)))


def test_a_parameter_can_be_set_or_replaced() -> None:
    assert Spec.parse("a[x=1]").with_params(y=2, x=3) == Spec.parse("a[x=3,y=2]")


def test_empty_brackets_are_no_parameters() -> None:
    assert same(Spec.parse("a[]"), Spec("a"))


@pytest.mark.parametrize("text", MALFORMED)
def test_malformed_text_is_one_line_for_the_user(text: str) -> None:
    with pytest.raises(UserError) as caught:
        Spec.parse(text)
    assert "\n" not in str(caught.value)
    assert text.strip() in str(caught.value)


@pytest.mark.parametrize("text", ["a,", ",a", "a,,b", "a[x=1,b", "a],b"])
def test_a_malformed_list_is_refused(text: str) -> None:
    with pytest.raises(UserError):
        Spec.parse_list(text)


def test_random_text_is_read_or_refused_but_never_breaks_the_reader() -> None:
    numbers = random.Random(2)  # noqa: S311 - not a secret
    refused = 0
    for _ in range(3000):
        text = "a[" + "".join(numbers.choices('ab=,[]()" \\1.-', k=numbers.randrange(12)))
        try:
            spec = Spec.parse(text)
        except UserError:
            refused += 1
        else:
            assert same(Spec.parse(str(spec)), spec), text
    assert 0 < refused < 3000
