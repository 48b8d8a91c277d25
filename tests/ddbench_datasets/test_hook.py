from __future__ import annotations

import importlib
from typing import Any

import pytest

from ddbench_datasets import ddbench_datasets


@pytest.mark.parametrize("target", ddbench_datasets().values())
def test_every_name_leads_to_a_frozen_component_with_a_version(target: Any) -> None:
    module, _, name = target.partition(":")
    component: Any = getattr(importlib.import_module(module), name)
    assert component.__dataclass_params__.frozen
    assert component.version == 1
