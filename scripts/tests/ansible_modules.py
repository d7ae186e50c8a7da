"""Loads Ansible modules and plugins of playbooks/ as Python modules; Ansible itself is in the environment."""

import importlib.util
from types import ModuleType

from ops import paths


def load(name: str, folder: str = "library") -> ModuleType:
    """The module as Ansible would run it."""
    spec = importlib.util.spec_from_file_location(name, paths.ROOT / f"playbooks/{folder}/{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
