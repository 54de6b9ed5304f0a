"""ResNet with frozen batch normalisation, as detectron2 builds it.

The stride of a stage lies in the 3x3 convolution of its first block.
"""
from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .config import Config


class FrozenNorm(nn.Module):
    """Batch normalisation by stored statistics that training does not change.

    Four buffers, no counter."""

    def __init__(self, channels: int):
        super().__init__()
        for name, value in (("weight", 1.0), ("bias", 0.0), ("running_mean", 0.0),
                            ("running_var", 1.0)):
            self.register_buffer(name, torch.full((channels,), value))

    def forward(self, x: Tensor) -> Tensor:
        return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias,
                            training=False, eps=1e-5)


class FrozenConv(nn.Conv2d):
    """Convolution without bias, then frozen normalisation (as submodule `norm`)."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1):
        super().__init__(inputs, outputs, kernel, stride, kernel // 2, bias=False)
        self.norm = FrozenNorm(outputs)
        nn.init.kaiming_normal_(self.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(super().forward(x))


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolution with a shortcut; the middle is a quarter as wide."""

    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.conv1 = FrozenConv(inputs, outputs // 4, 1)
        self.conv2 = FrozenConv(outputs // 4, outputs // 4, 3, stride)
        self.conv3 = FrozenConv(outputs // 4, outputs, 1)
        self.shortcut = FrozenConv(inputs, outputs, 1, stride) if inputs != outputs else None

    def forward(self, x: Tensor) -> Tensor:
        short = x if self.shortcut is None else self.shortcut(x)
        return F.relu(short + self.conv3(F.relu(self.conv2(F.relu(self.conv1(x))))))


class ResNet(nn.Module):
    """Backbone with outputs at strides 4, 8, 16 and 32."""

    STEM = 64  # channels

    def __init__(self, config: Config):
        super().__init__()
        self.stem = nn.ModuleDict({"conv1": FrozenConv(3, self.STEM, 7, 2)})
        inputs = self.STEM
        for level, (width,
                    blocks) in enumerate(zip(config.backbone_widths, config.backbone_blocks), 2):
            stage = [Bottleneck(inputs if index == 0 else width, width,
                                2 if index == 0 and level > 2 else 1) for index in range(blocks)]
            setattr(self, f"res{level}", nn.Sequential(*stage))
            inputs = width

    def forward(self, image: Tensor) -> list[Tensor]:
        x = F.max_pool2d(F.relu(self.stem["conv1"](image)), 3, 2, 1)
        maps = []
        for stage in (self.res2, self.res3, self.res4, self.res5):
            x = stage(x)
            maps.append(x)
        return maps
