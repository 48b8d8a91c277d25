"""Networks: the field's short names, fitted to small images, and every name that torchvision and timm know."""

from __future__ import annotations

from ddbench import hookimpl


@hookimpl
def ddbench_architectures() -> dict[str, str | type]:
    """Return the short names and the two families."""
    return {
        "resnet18": "ddbench_architectures.resnet:ResNet18",
        "resnet34": "ddbench_architectures.resnet:ResNet34",
        "resnet50": "ddbench_architectures.resnet:ResNet50",
        "resnet101": "ddbench_architectures.resnet:ResNet101",
        "mobilenetv2": "ddbench_architectures.mobilenetv2:MobileNetV2",
        "efficientnet": "ddbench_architectures.efficientnet:EfficientNet",
        "shufflenet": "ddbench_architectures.shufflenet:ShuffleNet",
        "vgg16": "ddbench_architectures.vgg:VGG16",
        "convnet": "ddbench_architectures.convnet:ConvNet",
        "convnet6": "ddbench_architectures.convnet6:ConvNet6",
        "resnet-ap10": "ddbench_architectures.instance_resnet:ResNetAP10",
        "resnet18-in": "ddbench_architectures.instance_resnet:ResNet18IN",
        "deit-tiny": "ddbench_architectures.deit:DeiTTiny",
        "deit-tiny-bn": "ddbench_architectures.deit:DeiTTinyBN",
        "torchvision/*": "ddbench_architectures.from_torchvision:Torchvision",
        "timm/*": "ddbench_architectures.from_timm:Timm",
        "vit-bn/*": "ddbench_architectures.vit_bn:ViTBN",
    }
