"""The classes of ImageNette, ImageWoof and ImageIDC.

Their order, which is that of the labels, and their names are those of Minimax diffusion (Gu et al., CVPR 2024, its
code); ImageIDC is the first ten of the hundred classes of Kim et al. (IDC, ICML 2022). A class's number in ImageNet-1K
is the place of its WNID among all thousand, sorted: what a model of ImageNet-1K knows it by.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Archive:
    """What fastai publishes of a subset: its name, and how many images it has in each split."""

    name: str
    train: int
    val: int


@dataclass(frozen=True, slots=True)
class Subset:
    """Some classes of ImageNet-1K: WNID, number in ImageNet-1K and name of each, in the order of the labels."""

    name: str
    classes: tuple[tuple[str, int, str], ...]
    archive: Archive | None = None

    @property
    def wnids(self) -> tuple[str, ...]:
        """The WNIDs, in the order of the labels."""
        return tuple(wnid for wnid, _, _ in self.classes)


IMAGENETTE = Subset(
    "imagenette",
    (
        ("n01440764", 0, "tench"),
        ("n02102040", 217, "English springer"),
        ("n02979186", 482, "cassette player"),
        ("n03000684", 491, "chain saw"),
        ("n03028079", 497, "church"),
        ("n03394916", 566, "French horn"),
        ("n03417042", 569, "garbage truck"),
        ("n03425413", 571, "gas pump"),
        ("n03445777", 574, "golf ball"),
        ("n03888257", 701, "parachute"),
    ),
    Archive("imagenette2", train=9469, val=3925),
)

IMAGEWOOF = Subset(
    "imagewoof",
    (
        ("n02096294", 193, "Australian terrier"),
        ("n02093754", 182, "Border terrier"),
        ("n02111889", 258, "Samoyed"),
        ("n02088364", 162, "beagle"),
        ("n02086240", 155, "Shih-Tzu"),
        ("n02089973", 167, "English foxhound"),
        ("n02087394", 159, "Rhodesian ridgeback"),
        ("n02115641", 273, "dingo"),
        ("n02099601", 207, "golden retriever"),
        ("n02105641", 229, "Old English sheepdog"),
    ),
    Archive("imagewoof2", train=9025, val=3929),
)

IMAGEIDC = Subset(
    "imageidc",
    (
        ("n02869837", 452, "bonnet"),
        ("n01749939", 64, "green mamba"),
        ("n02488291", 374, "langur"),
        ("n02107142", 236, "Doberman"),
        ("n13037406", 993, "gyromitra"),
        ("n02091831", 176, "Saluki"),
        ("n04517823", 882, "vacuum"),
        ("n04589890", 904, "window screen"),
        ("n03062245", 503, "cocktail shaker"),
        ("n01773797", 74, "garden spider"),
    ),
)
