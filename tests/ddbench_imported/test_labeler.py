"""``own``: the soft labels that came with the images, in their order, at the temperature asked."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from ddbench.errors import UserError
from ddbench.testing.conformance import check_labeler
from ddbench_imported.labeler import Own

if TYPE_CHECKING:
    from pathlib import Path

    from ddbench.types import Labels

World = Any


@pytest.fixture
def rows() -> Tensor:
    return torch.softmax(torch.arange(18.0).view(6, 3).sin() * 3, 1)


def told(world: World, own: Own) -> tuple[Tensor, Labels]:
    """Plan, store and hand out labels; returns the table that students see, and the labels."""
    own.check(world.bench.check_task(2))
    stored = dict(own.relabel(world.bench.relabel_task(world.made)))
    labels = own.labels(world.bench.labels_task(world.made, stored))
    return torch.cat([labels.targets(batch) for batch in whole(world)]), labels


def whole(world: World) -> list[Any]:
    from ddbench.plain import PlainViews

    return [PlainViews(world.made, world.bench.compute(0), torch.arange(6))]


def beside(folder: Path, rows: Tensor, name: str = "soft_labels", **metadata: str) -> str:
    save_file({name: rows}, folder / "labels.safetensors", metadata)
    return f'images[path="{folder}"]'


def test_own_keeps_the_promises_of_a_labeler(world: World, folder: Path, rows: Tensor) -> None:
    check_labeler(Own(beside(folder, rows)), world.bench)


def test_probabilities_are_told_as_they_are_unless_another_temperature_is_asked(
    world: World, folder: Path, rows: Tensor
) -> None:
    text = beside(folder, rows, temperature="4.0")
    table, labels = told(world, Own(text))
    assert torch.equal(table, rows)
    assert labels.temperature == 4.0
    table, labels = told(world, Own(text, temperature=2.0))
    assert labels.temperature == 2.0
    squared = rows.double() ** 2  # softmax(4 log p / 2) is p squared, made to sum to 1
    torch.testing.assert_close(table.double(), squared / squared.sum(1, keepdim=True), rtol=1e-5, atol=1e-7)


def test_logits_are_divided_by_the_temperature(world: World, folder: Path) -> None:
    logits = torch.arange(18.0).view(6, 3)
    table, labels = told(world, Own(beside(folder, logits, "logits"), temperature=2.0))
    torch.testing.assert_close(table, torch.softmax(logits / 2, 1))
    assert labels.temperature == 2.0


def test_columns_follow_the_classes_that_the_file_names(world: World, folder: Path, rows: Tensor) -> None:
    names = json.dumps(["stripes 2", "stripes 0", "stripes 1"])
    table, _ = told(world, Own(beside(folder, rows, classes=names)))
    assert torch.equal(table, rows[:, [1, 2, 0]])


def test_columns_of_tensors_follow_the_map_of_their_numbers(world: World, rows: Tensor, tmp_path: Path) -> None:
    order = torch.tensor([2, 0, 1])  # the set's number of each class
    torch.save(
        {"images": world.made.images, "labels": order[world.made.labels], "soft_labels": rows}, tmp_path / "s.pt"
    )
    (tmp_path / "map.toml").write_text("2 = 0\n0 = 1\n1 = 2\n")
    text = f'images[classes="{tmp_path}/map.toml",path="{tmp_path}/s.pt"]'
    table, _ = told(world, Own(text))
    assert torch.equal(table, rows[:, order])


def test_a_column_of_parquet_is_read_row_by_row(world: World, rows: Tensor, tmp_path: Path) -> None:
    import io

    images = []
    for place in range(6):
        file = io.BytesIO()
        world.picture(place).save(file, format="PNG")
        images.append(file.getvalue())
    table = pa.table({"image": images, "label": world.made.labels.tolist(), "soft_label": rows.tolist()})
    pq.write_table(table, tmp_path / "set.parquet")
    found, _ = told(world, Own(f'images[path="{tmp_path}/set.parquet"]'))
    assert torch.equal(found, rows)


def test_half_precision_is_made_to_sum_to_one(world: World, folder: Path, rows: Tensor) -> None:
    table, _ = told(world, Own(beside(folder, rows.half())))
    torch.testing.assert_close(table.sum(1), torch.ones(6), rtol=0, atol=1e-6)
    torch.testing.assert_close(table, rows, rtol=0, atol=1e-3)


def test_what_is_no_label_is_refused(world: World, folder: Path, rows: Tensor) -> None:
    for tensor, values, said in (
        (rows[:5], "auto", "of shape (5, 3) for 6 images of 3 classes"),
        (rows[:, :2].contiguous(), "auto", "of shape (6, 2) for 6 images of 3 classes"),
        (rows * 2, "probabilities", "rows that do not sum to 1"),
        (rows - 0.5, "probabilities", "rows that do not sum to 1"),
        (rows * float("nan"), "auto", "not finite"),
    ):
        own = Own(beside(folder, tensor), values=values)  # type: ignore[arg-type]  # of the list above
        with pytest.raises(UserError) as refused:
            own.check(world.bench.check_task(2))
        assert said in str(refused.value)


@pytest.mark.parametrize("temperature", ["0", "-2", "nan", "inf", "warm"])
def test_a_temperature_that_is_none_is_refused(world: World, folder: Path, rows: Tensor, temperature: str) -> None:
    with pytest.raises(UserError, match=r"the metadata of .*labels\.safetensors cannot be read"):
        Own(beside(folder, rows, temperature=temperature)).check(world.bench.check_task(2))


def test_a_set_without_soft_labels_and_one_that_names_another_are_refused(world: World, folder: Path) -> None:
    for text, said in (
        (f'images[path="{folder}"]', "brought no soft labels"),
        ("", "of which set? 'ddbench eval' knows"),
        ("random", "come with images[path=...], not with 'random'"),
        ("images[rows=1]", "cannot read 'images[rows=1]': path"),
    ):
        with pytest.raises(UserError) as refused:
            Own(text).check(world.bench.check_task(2))
        assert said in str(refused.value)
    (folder / "labels.safetensors").write_bytes(b"nothing")
    with pytest.raises(UserError, match="cannot be read as safetensors"):
        Own(f'images[path="{folder}"]').check(world.bench.check_task(2))


def test_labels_of_other_images_are_refused(world: World, folder: Path, rows: Tensor) -> None:
    own = Own(beside(folder, rows))
    world.made.images[3] = 0
    with pytest.raises(UserError, match="are not those of these images"):
        own.relabel(world.bench.relabel_task(world.made))


def test_hard_labels_of_the_file_must_be_those_of_the_images(world: World, folder: Path, rows: Tensor) -> None:
    labels = world.made.labels.flip(0).contiguous()
    save_file({"soft_labels": rows, "labels": labels}, folder / "labels.safetensors")
    with pytest.raises(UserError, match="says that image 0 is of class 2, where it lies in class 0"):
        Own(f'images[path="{folder}"]').check(world.bench.check_task(2))


def test_the_path_is_not_in_the_key_and_the_content_is(folder: Path, rows: Tensor, tmp_path: Path) -> None:
    first = Own(beside(folder, rows)).identity()
    moved = folder.rename(tmp_path / "moved")
    assert Own(f'images[path="{moved}"]').identity() == first
    assert str(tmp_path) not in repr(first)
    beside(moved, rows.flip(0).contiguous())
    assert Own(f'images[path="{moved}"]').identity() != first
