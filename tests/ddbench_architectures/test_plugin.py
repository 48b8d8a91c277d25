from __future__ import annotations

import importlib
import subprocess
import sys

import ddbench_architectures


def test_every_name_leads_to_a_class_with_a_version() -> None:
    for target in ddbench_architectures.ddbench_architectures().values():
        module, _, name = str(target).partition(":")
        assert getattr(importlib.import_module(module), name).version == 1


def test_the_plugin_and_its_modules_import_no_torchvision_and_no_timm() -> None:
    modules = {str(target).partition(":")[0] for target in ddbench_architectures.ddbench_architectures().values()}
    program = f"""
import sys, importlib
importlib.import_module("ddbench_architectures")
assert "torch" not in sys.modules
for module in {sorted(modules)}:
    importlib.import_module(module)
assert not {{"torchvision", "timm"}} & sys.modules.keys()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
