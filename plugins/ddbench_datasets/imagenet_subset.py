"""ImageNette, ImageWoof and ImageIDC: ten classes of ImageNet-1K each, on which generative distillation is measured.

Images are cut and scaled as DiT, whose pretrained weights the papers fine-tune, saw them in its training: the shorter
side halved by averaging for as long as it has twice the pixels wanted, then scaled bicubically, and the centre cut out.
It differs from that in rounding alone, by one level of 255: only what the crop shows is scaled.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from annotated_types import Ge

from ddbench_datasets import subset_classes
from ddbench_datasets.subset_copy import Layout, find

if TYPE_CHECKING:
    from ddbench.types import DatasetSpec, Examples, Place, Split

Pixels = Annotated[int, Ge(8)]


@dataclass(frozen=True)
class Imagenette:
    """ImageNette: ten classes of ImageNet-1K that are easily told apart, streamed from disk.

    Source: Howard, imagenette (fastai, 2019). Classes, their order and names as Gu et al., "Efficient Dataset
    Distillation via Minimax Diffusion" (CVPR 2024), have them. Read from ``train/<WNID>/`` and ``val/<WNID>/`` of
    ImageNet-1K (12,894 + 500 images; other classes are passed over) or of fastai's archive, another split of the same
    images (9,469 + 3,925), which tables call ``imagenette2``, ``imagenette2-320`` or ``imagenette2-160``. Either must
    be complete. Images are cut and scaled as in DiT's training; grey and CMYK images become RGB. Mean and deviation
    are torchvision's. The fingerprint is of the WNIDs in order, and of the files' names and sizes.

    Attributes:
        path: the folder, relative to the root of data sets, else to the working directory; default: the first of
            ``imagenet1k``, ``imagenette2``, ``imagenette2-320`` and ``imagenette2-160`` in the root of data sets.
        layout: whose split it is: ``imagenet1k`` (the papers'), or ``fastai``; default: fastai's, if a class has more
            than 50 test images.
        image_size: height and width in pixels; 256 in the papers.
    """

    version: ClassVar[int] = 1

    path: str | None = None
    layout: Layout | None = None
    image_size: Pixels = 256

    def spec(self, place: Place) -> DatasetSpec:
        """Describe the data; the first time, files are listed with their sizes, but not read.

        Raises:
            UserError: a folder is missing or not complete.
        """
        return find(subset_classes.IMAGENETTE, self.path, self.layout, place).describe(self.image_size)

    def open(self, split: Split, place: Place) -> Examples:
        """Open one split.

        Raises:
            UserError: as in ``spec``.
        """
        return find(subset_classes.IMAGENETTE, self.path, self.layout, place).open(split, self.image_size)


@dataclass(frozen=True)
class Imagewoof:
    """ImageWoof: ten breeds of dogs of ImageNet-1K, streamed from disk.

    Source: Howard, imagenette (fastai, 2019). Classes, their order and names as Gu et al., "Efficient Dataset
    Distillation via Minimax Diffusion" (CVPR 2024), have them. Read from ``train/<WNID>/`` and ``val/<WNID>/`` of
    ImageNet-1K (12,454 + 500 images; other classes are passed over) or of fastai's archive, another split of the same
    images (9,025 + 3,929), which tables call ``imagewoof2``, ``imagewoof2-320`` or ``imagewoof2-160``. Either must be
    complete. Images are cut and scaled as in DiT's training; grey and CMYK images become RGB. Mean and deviation are
    torchvision's. The fingerprint is of the WNIDs in order, and of the files' names and sizes.

    Attributes:
        path: the folder, relative to the root of data sets, else to the working directory; default: the first of
            ``imagenet1k``, ``imagewoof2``, ``imagewoof2-320`` and ``imagewoof2-160`` in the root of data sets.
        layout: whose split it is: ``imagenet1k`` (the papers'), or ``fastai``; default: fastai's, if a class has more
            than 50 test images.
        image_size: height and width in pixels; 256 in the papers.
    """

    version: ClassVar[int] = 1

    path: str | None = None
    layout: Layout | None = None
    image_size: Pixels = 256

    def spec(self, place: Place) -> DatasetSpec:
        """Describe the data; the first time, files are listed with their sizes, but not read.

        Raises:
            UserError: a folder is missing or not complete.
        """
        return find(subset_classes.IMAGEWOOF, self.path, self.layout, place).describe(self.image_size)

    def open(self, split: Split, place: Place) -> Examples:
        """Open one split.

        Raises:
            UserError: as in ``spec``.
        """
        return find(subset_classes.IMAGEWOOF, self.path, self.layout, place).open(split, self.image_size)


@dataclass(frozen=True)
class ImageIDC:
    """ImageIDC: the first ten of IDC's hundred classes of ImageNet-1K, streamed from disk.

    Source: Kim et al., "Dataset Condensation via Efficient Synthetic-Data Parameterization" (ICML 2022). Classes, their
    order and names as Gu et al., "Efficient Dataset Distillation via Minimax Diffusion" (CVPR 2024), have them. Read
    from ``train/<WNID>/`` and ``val/<WNID>/`` of ImageNet-1K; other classes are passed over, and of these each must
    have 732 to 1,300 training images and 50 test images. Images are cut and scaled as in DiT's training; grey and CMYK
    images become RGB. Mean and deviation are torchvision's. The fingerprint is of the WNIDs in order, and of the files'
    names and sizes.

    Attributes:
        path: the folder, relative to the root of data sets, else to the working directory; default: ``imagenet1k`` in
            the root of data sets.
        image_size: height and width in pixels; 256 in the papers.
    """

    version: ClassVar[int] = 1

    path: str | None = None
    image_size: Pixels = 256

    def spec(self, place: Place) -> DatasetSpec:
        """Describe the data; the first time, files are listed with their sizes, but not read.

        Raises:
            UserError: a folder is missing or not complete.
        """
        return find(subset_classes.IMAGEIDC, self.path, None, place).describe(self.image_size)

    def open(self, split: Split, place: Place) -> Examples:
        """Open one split.

        Raises:
            UserError: as in ``spec``.
        """
        return find(subset_classes.IMAGEIDC, self.path, None, place).open(split, self.image_size)
