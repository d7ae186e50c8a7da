#!/usr/bin/python3
"""Ansible module: a second copy of a rollout's plan and journal, which only grows.

A journal that does not begin with what is kept here was changed on the control node, or here: nothing is
written, and the result says `altered`.
"""

from __future__ import annotations

import os
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: rollout_copy
short_description: Keep a copy of a rollout's journal that only grows
options:
  folder: {type: path, required: true, description: "Of the rollout, on this host."}
  plan: {type: str, required: true, description: "Text of plan.json; never changes."}
  journal: {type: str, required: true, description: "Text of events.jsonl."}
"""


def keep(path: Path, text: str, grows: bool) -> bool:
    """Write a file whole; true when that changed it.

    :param grows: whether it may be longer than before.
    :raises ValueError: what is kept is not where the text begins.
    """
    kept = path.read_text() if path.exists() else None
    if kept == text:
        return False
    if kept is not None and not (grows and text.startswith(kept)):
        raise ValueError(f"{path.name} is not what was kept in {path}; compare the two")
    draft = path.with_name(f".{path.name}.draft")
    with draft.open("w") as handle:
        handle.write(text)
        handle.flush()
        os.fsync(handle.fileno())
    draft.chmod(0o640)
    draft.rename(path)
    return True


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "folder": {"type": "path", "required": True},
            "plan": {"type": "str", "required": True},
            "journal": {"type": "str", "required": True},
        },
        supports_check_mode=True,
    )
    if module.check_mode:
        module.exit_json(changed=False)
    folder = Path(module.params["folder"])
    # Lines that a crash cut off have not happened.
    journal = module.params["journal"].rpartition("\n")[0] + "\n"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o750)
        changed = keep(folder / "plan.json", module.params["plan"], grows=False)
        changed = keep(folder / "events.jsonl", journal, grows=True) or changed
    except ValueError as error:
        module.fail_json(msg=str(error), altered=True)
    except OSError as error:
        module.fail_json(msg=f"{folder}: {error.strerror or error}")
    module.exit_json(changed=changed)


if __name__ == "__main__":
    main()
