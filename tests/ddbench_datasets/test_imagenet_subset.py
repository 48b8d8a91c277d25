from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from pydantic import TypeAdapter
from timm.data import ImageNetInfo

from ddbench.errors import UserError
from ddbench.testing.bench import Bench
from ddbench.testing.conformance import check_dataset
from ddbench_datasets import examples, subset_classes, subset_copy, synsets, workers
from ddbench_datasets.decoding import Frame, load
from ddbench_datasets.imagenet_subset import ImageIDC, Imagenette, Imagewoof
from ddbench_datasets.published import Expected
from ddbench_datasets.subset_classes import Archive, Subset

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ddbench.types import DatasetSpec, Place

# Labels 0 to 9 of the papers, each by its number in ImageNet-1K: what the released code conditions DiT on.
NUMBERS = {
    "imagenette": (0, 217, 482, 491, 497, 566, 569, 571, 574, 701),
    "imagewoof": (193, 182, 258, 162, 155, 167, 159, 273, 207, 229),
    "imageidc": (452, 64, 374, 236, 993, 176, 882, 904, 503, 74),
}
SUBSETS = {subset.name: subset for subset in vars(subset_classes).values() if isinstance(subset, Subset)}

WOOF = SUBSETS["imagewoof"]
TRAIN = (3, 4, 5, 3, 4, 5, 3, 4, 5, 3)  # images of each class in the small ImageNet-1K
VAL = 2
ARCHIVE = Archive("imagewoof2", train=sum(TRAIN) - 10, val=(VAL + 1) * 10)
SMALL = Imagewoof(image_size=32)


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Expect 2 test images a class in ImageNet-1K and 3 in fastai's archive, and few to train on."""
    monkeypatch.setattr(subset_copy, "EXPECTED", Expected(10, (3, 5), (VAL, VAL)))
    monkeypatch.setattr(subset_classes, "IMAGEWOOF", replace(WOOF, archive=ARCHIVE))


@pytest.fixture
def lay(place: Place, write: Callable[..., None]) -> Callable[..., Path]:
    """Lay out images of ten classes, and of one more, in ``train/<WNID>/`` and ``val/<WNID>/``."""

    def make(folder: str, moved: int = 0, side: int = 330) -> Path:
        for label, (wnid, count) in enumerate(zip((*WOOF.wnids, "n01440764"), (*TRAIN, 1), strict=True)):
            for number in range(count + VAL):
                split = "train" if number < count - moved else "val"
                seed = 10 * label + number
                write(place.root / folder / split / wnid / f"{number}.JPEG", seed, (side, side + seed))
        return place.root / folder

    return make


@pytest.fixture
def imagenet(lay: Callable[..., Path]) -> Path:
    return lay("imagenet1k", side=40)


@pytest.fixture
def streaming(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(examples, "KEPT_BYTES", 0)
    yield
    workers.close()


# --------------------------------------------------------------------------------------------- classes


@pytest.mark.parametrize("name", NUMBERS)
def test_classes_are_the_papers_in_their_order(name: str) -> None:
    known = ImageNetInfo()
    wnids, numbers, names = zip(*SUBSETS[name].classes, strict=True)
    assert numbers == NUMBERS[name]
    assert wnids == tuple(known.index_to_label_name(number) for number in numbers)
    for number, called in zip(numbers, names, strict=True):
        assert called in known.index_to_description(number).split(", ")


def test_archives_hold_what_fastai_publishes() -> None:
    assert {name: subset.archive for name, subset in SUBSETS.items()} == {
        "imagenette": Archive("imagenette2", train=9469, val=3925),
        "imagewoof": Archive("imagewoof2", train=9025, val=3929),
        "imageidc": None,
    }


# Training and test images of fastai's imagenette2, class by class; train and val of ImageNet-1K have as many together.
NETTE = {
    "n01440764": (963, 387),
    "n02102040": (955, 395),
    "n02979186": (993, 357),
    "n03000684": (858, 386),
    "n03028079": (941, 409),
    "n03394916": (956, 394),
    "n03417042": (961, 389),
    "n03425413": (931, 419),
    "n03445777": (951, 399),
    "n03888257": (960, 390),
}
PAPERS = {wnid: (train + val - 50, 50) for wnid, (train, val) in NETTE.items()}


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch, place: Place) -> Callable[..., DatasetSpec]:
    """Describe an ImageNette of these many training and test images a class, held against the published numbers."""
    monkeypatch.undo()
    monkeypatch.setattr(subset_copy, "locate", lambda *_: Path("here"))
    monkeypatch.setattr(subset_copy.Copy, "_scale", lambda _: "")

    def describe(counts: dict[str, tuple[int, int]]) -> DatasetSpec:
        splits = {
            split: {wnid: (pair[at], "") for wnid, pair in counts.items()} for at, split in enumerate(("train", "test"))
        }
        monkeypatch.setattr(synsets, "count", lambda *_: splits)
        return Imagenette(path="here").spec(place)

    return describe


def test_the_published_numbers_are_complete(counted: Callable[..., DatasetSpec]) -> None:
    papers, fastais = counted(PAPERS), counted(NETTE)
    assert (papers.name, papers.sizes) == ("imagenette", {"train": 12_894, "test": 500})
    assert (fastais.name, fastais.sizes) == ("imagenette2", {"train": 9469, "test": 3925})


ARCHIVE_LESS = r"^imagenette2 in here .*: train has 9468 of 9469 images \(963 in n01440764, .*, 959 in n03888257\): unp"
PAPERS_LESS = (
    r"^imagenette in here .*: train has 12893 of 12894 images \(1300 in n01440764, .*, 1299 in n03888257\): copy"
)
OUTSIDE = r"^imagenette in here .*: train has 1301 of 732 to 1300 images in n03888257; val has 49 of 50 images in n014"
LESS = [
    (NETTE | {"n03888257": (959, 390)}, ARCHIVE_LESS),
    (PAPERS | {"n03888257": (1299, 50)}, PAPERS_LESS),
    (PAPERS | {"n01440764": (1300, 49), "n03888257": (1301, 50)}, OUTSIDE),
]


@pytest.mark.parametrize(("counts", "said"), LESS, ids=["fastai", "train", "limits"])
def test_a_single_image_more_or_less_is_told(
    counts: dict[str, tuple[int, int]], said: str, counted: Callable[..., DatasetSpec]
) -> None:
    with pytest.raises(UserError, match=said):
        counted(counts)


# ------------------------------------------------------------------------------------ ImageNet-1K's split


@pytest.mark.usefixtures("imagenet")
def test_ten_classes_of_imagenet_are_described_in_the_papers_order(place: Place) -> None:
    spec = Imagewoof().spec(place)
    assert (spec.name, spec.recipe) == ("imagewoof", "imagenet10")
    assert (spec.num_classes, spec.image_size, spec.channels) == (10, 256, 3)
    assert (spec.mean, spec.std) == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    assert (spec.sizes, spec.class_counts) == ({"train": sum(TRAIN), "test": 10 * VAL}, TRAIN)
    assert spec.imagenet_classes == NUMBERS["imagewoof"]
    assert spec.class_names[:3] == ("Australian terrier", "Border terrier", "Samoyed")


def test_each_label_has_the_images_of_its_class(imagenet: Path, place: Place) -> None:
    train, test = SMALL.open("train", place), SMALL.open("test", place)
    assert train.labels.bincount().tolist() == list(TRAIN)
    assert test.labels.tolist() == [label for label in range(10) for _ in range(VAL)]
    dingo = load(str(imagenet / "train" / "n02115641" / "0.JPEG"), Frame(32, 3, convert=True, like=None, fit="adm"))
    found = train.images((train.labels == 7).nonzero()[:1, 0])
    assert np.array_equal(found[0], dingo)


@pytest.mark.usefixtures("imagenet", "streaming")
def test_it_streams_from_worker_processes_what_is_kept_in_memory(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    streamed = SMALL.open("train", place)
    assert isinstance(streamed, examples.StreamingExamples)
    monkeypatch.setattr(examples, "KEPT_BYTES", 2**30)
    whole = SMALL.open("train", place).images(slice(None))
    order = torch.tensor([30, 0, 7, 7])
    assert torch.equal(streamed.images(order), whole[order])


@pytest.mark.usefixtures("imagenet")
def test_a_small_copy_keeps_the_promises_of_a_dataset(place: Place) -> None:
    check_dataset(SMALL, Bench(place=place))


@pytest.mark.usefixtures("imagenet")
def test_the_fingerprint_is_of_classes_in_order_and_of_the_size(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    first = SMALL.spec(place).fingerprint
    larger = replace(SMALL, image_size=48).spec(place).fingerprint
    swapped = replace(WOOF, classes=(WOOF.classes[1], WOOF.classes[0], *WOOF.classes[2:]), archive=ARCHIVE)
    monkeypatch.setattr(subset_classes, "IMAGEWOOF", swapped)
    assert len({first, larger, SMALL.spec(place).fingerprint}) == 3


def test_the_place_and_other_classes_are_not_in_the_fingerprint(imagenet: Path, place: Place) -> None:
    first = SMALL.spec(place)
    shutil.rmtree(imagenet / "train" / "n01440764")
    imagenet.rename(place.root / "ilsvrc")
    assert replace(SMALL, path="ilsvrc").spec(place) == first


def test_imageidc_is_read_likewise(place: Place, write: Callable[..., None]) -> None:
    for label, (wnid, _, _) in enumerate(SUBSETS["imageidc"].classes):
        for number in range(3 + VAL):
            folder = "train" if number < 3 else "val"
            write(place.root / "imagenet1k" / folder / wnid / f"{number}.JPEG", 10 * label + number, (20, 30))
    spec = ImageIDC(image_size=16).spec(place)
    assert (spec.name, spec.class_names[0], spec.imagenet_classes) == ("imageidc", "bonnet", NUMBERS["imageidc"])
    check_dataset(ImageIDC(image_size=16), Bench(place=place))


# ------------------------------------------------------------------------------------------ fastai's split


@pytest.mark.parametrize(("side", "name"), [(330, "imagewoof2"), (320, "imagewoof2-320"), (160, "imagewoof2-160")])
def test_fastais_split_is_found_by_its_test_images_and_bears_the_archives_name(
    side: int, name: str, lay: Callable[..., Path], place: Place
) -> None:
    lay("mine", moved=1, side=side)
    spec = replace(SMALL, path="mine").spec(place)
    assert (spec.name, spec.recipe) == (name, "imagenet10")
    assert spec.sizes == {"train": ARCHIVE.train, "test": ARCHIVE.val}
    assert spec.imagenet_classes == NUMBERS["imagewoof"]
    assert len(replace(SMALL, path="mine").open("test", place).labels) == ARCHIVE.val


@pytest.mark.parametrize("folder", ["imagewoof2", "imagewoof2-320", "imagewoof2-160"])
def test_archives_are_found_where_they_are_unpacked(folder: str, lay: Callable[..., Path], place: Place) -> None:
    lay(folder, moved=1)
    assert SMALL.spec(place).name == "imagewoof2"


def test_of_both_splits_the_papers_is_read_unless_the_other_is_asked_for(
    lay: Callable[..., Path], imagenet: Path, place: Place
) -> None:
    lay("imagewoof2", moved=1)
    papers, fastais = SMALL.spec(place), replace(SMALL, layout="fastai").spec(place)
    assert (papers.name, fastais.name) == ("imagewoof", "imagewoof2")
    assert papers.fingerprint != fastais.fingerprint
    assert replace(SMALL, layout="imagenet1k").spec(place) == papers


# ------------------------------------------------------------------------------------------- bad input


def without(*patterns: str) -> Callable[[Path], None]:
    def spoil(root: Path) -> None:
        for path in (path for pattern in patterns for path in list(root.glob(pattern))):
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    return spoil


def flat(root: Path) -> None:
    for path in (root / "val").glob("*/*"):
        path.rename(root / "val" / f"{path.parent.name}_{path.name}")
    without("val/n*[0-9]")(root)


MISSING = (
    r"^imagewoof is missing: no folder imagenet1k or imagewoof2 or imagewoof2-320 or imagewoof2-160 in .*data; put "
    r"train/<WNID>/ and val/<WNID>/ with the images of ILSVRC 2012 \(https://www\.image-net\.org; its ten classes are "
    r"enough\) into imagenet1k, or unpack imagewoof2\.tgz \(https://\S+/imagewoof2\.tgz\) there, or name another with "
    r"imagewoof\[path=\.\.\.\]$"
)
BAD: dict[str, tuple[Callable[[Path], Any], str]] = {
    "nothing": (shutil.rmtree, MISSING),
    "unknown layout": (
        without("train"),
        r"imagewoof in .* has no folder train: expected train/<WNID>/ and val/<WNID>/",
    ),
    "flat val": (flat, r"imagewoof in .* has no class folders in val: sort its images into val/<WNID>/"),
    "nine classes": (
        without("*/n02115641"),
        r"imagewoof in .* is not complete: train has no class folder n02115641; val has no class folder n02115641: ",
    ),
    "other classes": (
        without("train/n02*"),
        r"not complete: train has no class folder n02096294, n02093754, n02111889 and 7 more: copy what is wrong again",
    ),
    "an empty class": (without("train/n02115641/*"), r"not complete: train has 0 of 3 to 5 images in n02115641: copy"),
    "a test image": (without("val/n02096294/4.JPEG"), r"not complete: val has 1 of 2 images in n02096294: copy"),
    "an image within limits": (
        without("train/n02093754/0.JPEG"),
        r"not complete: train has 38 of 39 images \(3 in n02096294, 3 in n02093754, 5 in n02111889, .*\): copy",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_missing_is_told_in_one_line(name: str, imagenet: Path, place: Place) -> None:
    spoil, message = BAD[name]
    spoil(imagenet)
    for ask in (lambda: SMALL.spec(place), lambda: SMALL.open("test", place)):
        with pytest.raises(UserError, match=message) as caught:
            ask()
        assert "\n" not in str(caught.value)


BAD_ARCHIVES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "a class": (
        without("val/n02115641"),
        r"^imagewoof2 in .* is not complete: val has no class folder n02115641: unpack imagewoof2\.tgz again; Ima",
    ),
    "a test image": (
        without("val/n02096294/4.JPEG"),
        r"^imagewoof2 in .* not complete: val has 29 of 30 images \(2 in n02096294, 3 in n02093754, .*\): unpack",
    ),
    "damaged": (
        lambda root: (root / "val" / "n02096294" / "2.JPEG").write_bytes(b"no image"),
        r"n02096294/2\.JPEG does not decode as an image \(unknown format\): replace or remove it$",
    ),
}


@pytest.mark.parametrize("name", BAD_ARCHIVES)
def test_what_is_missing_of_an_archive_is_told_in_one_line(name: str, lay: Callable[..., Path], place: Place) -> None:
    spoil, message = BAD_ARCHIVES[name]
    spoil(lay("imagewoof2", moved=1))
    with pytest.raises(UserError, match=message) as caught:
        SMALL.spec(place)
    assert "\n" not in str(caught.value)


def test_a_split_that_was_asked_for_is_held_against_its_own_numbers(
    lay: Callable[..., Path], imagenet: Path, place: Place
) -> None:
    with pytest.raises(UserError, match=r"^imagewoof2 in .*imagenet1k is not complete: train has 39 of 29 images"):
        replace(SMALL, path=str(imagenet), layout="fastai").spec(place)
    archive = lay("imagewoof2", moved=1)
    with pytest.raises(UserError, match=r"^imagewoof in .*: train has 2 of 3 to 5 .*; val has 3 of 2 images in n0208"):
        replace(SMALL, path=str(archive), layout="imagenet1k").spec(place)


@pytest.mark.parametrize("layout", ["imagenet1k", "fastai"])
def test_what_is_missing_depends_on_the_split_asked_for(layout: Any, place: Place) -> None:
    with pytest.raises(UserError) as caught:
        Imagenette(layout=layout).spec(place)
    asked, other = ("imagenet1k", "imagenette2.tgz")[:: 1 if layout == "imagenet1k" else -1]
    assert asked in str(caught.value)
    assert other not in str(caught.value)


def test_imageidc_knows_no_archive(place: Place) -> None:
    with pytest.raises(
        UserError, match=r"^imageidc is missing: no folder imagenet1k in .*; put train/.* into imagenet1k"
    ):
        ImageIDC().spec(place)


@pytest.mark.parametrize("options", [{"image_size": 4}, {"layout": "torchvision"}, {"image_size": 32.5}])
def test_fields_that_make_no_sense_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        TypeAdapter(Imagewoof).validate_json(json.dumps(options), strict=True)
