"""Rules are read strictly, and verdicts follow from difference, interval and margin alone."""

from __future__ import annotations

import pytest

from ddbench.errors import UserError
from ddbench.regression.intervals import Interval
from ddbench.regression.verdicts import Rule, judge, parse

COLUMNS = ("top1", "loss", "evaluate_seconds", "image_bytes")


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("top1:-1.0", Rule("top1", 1.0, percent=False, rises=False)),
        (" top1 : -.5 ", Rule("top1", 0.5, percent=False, rises=False)),
        ("top1:-2%", Rule("top1", 2.0, percent=True, rises=False)),
        ("train_seconds:+20%", Rule("evaluate_seconds", 20.0, percent=True, rises=True)),
        ("loss:+0.1", Rule("loss", 0.1, percent=False, rises=True)),
    ],
)
def test_a_rule_is_a_column_a_sign_and_an_amount(text: str, rule: Rule) -> None:
    assert parse([text], COLUMNS) == ((rule,), ())


def test_rules_and_verdicts_may_be_given_together() -> None:
    rules, words = parse(["top1:-1,underpowered", "train_seconds:+20%", "new"], COLUMNS)

    assert [str(rule) for rule in rules] == ["top1:-1", "evaluate_seconds:+20%"]
    assert words == ("underpowered", "new")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("top1:1.0", "less is worse of top1; write 'top1:-1.0'"),
        ("top1:+1.0", "less is worse of top1; write 'top1:-1.0'"),
        ("train_seconds:-20%", "more is worse of train_seconds; write 'train_seconds:+20%'"),
        ("tpo1:-1.0", "'tpo1' is no column of numbers; did you mean 'top1'?"),
        ("same", "cannot be read"),
        ("worse", "cannot be read"),
        ("top1", "cannot be read"),
        ("top1:-x", "cannot be read"),
        ("top1:--1", "cannot be read"),
        ("top1:-1,top1:-2", "two rules on 'top1'"),
        ("train_seconds:+1,evaluate_seconds:+2", "two rules on 'evaluate_seconds'"),
    ],
)
def test_what_cannot_be_meant_is_refused(text: str, words: str) -> None:
    with pytest.raises(UserError) as error:
        parse([text], COLUMNS)

    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_a_margin_in_percent_is_of_the_baseline() -> None:
    rule = Rule("evaluate_seconds", 20, percent=True, rises=True)

    assert (rule.margin(50), rule.margin(-50), rule.margin(0)) == (10, 10, 0)
    assert Rule("top1", 1.5, percent=False, rises=False).margin(50) == 1.5


@pytest.mark.parametrize(
    ("difference", "reach", "margin", "verdict"),
    [
        (-2.0, 0.5, 1, "WORSE"),
        (-2.0, 1.9, 1, "WORSE"),
        (-2.0, 2.0, 1, "underpowered"),  # the interval reaches 0
        (-1.0, 0.0, 1, "WORSE"),  # a fall of just the margin, and no doubt of it
        (-1.0 + 1e-12, 0.0, 1, "WORSE"),  # rounding is no way out
        (-0.9, 0.2, 1, "underpowered"),  # surely a fall, maybe of the margin
        (-0.5, 0.2, 1, "same"),  # surely a fall, and surely a smaller one
        (0.0, 0.0, 1, "same"),
        (0.0, 0.9, 1, "same"),
        (0.0, 1.0, 1, "underpowered"),
        (2.0, 3.5, 1, "underpowered"),
        (2.0, 1.0, 1, "better"),
        (-0.1, 0.05, 0, "WORSE"),
        (-0.1, 0.1, 0, "same"),
        (0.0, 0.0, 0, "same"),
        (-1e-13, 0.0, 0, "same"),  # of seven equal numbers the mean may be another one in the last bit
        (1e-13, 0.0, 0, "same"),
        (0.1, 5.0, 0, "same"),
        (0.1, 0.05, 0, "better"),
    ],
)
def test_the_verdict_is_a_matter_of_interval_and_margin(
    difference: float, reach: float, margin: float, verdict: str
) -> None:
    interval = Interval(difference, difference - reach, difference + reach)
    mirrored = Interval(-difference, -difference - reach, -difference + reach)

    assert judge(interval, margin, rises=False) == verdict
    assert judge(mirrored, margin, rises=True) == verdict
