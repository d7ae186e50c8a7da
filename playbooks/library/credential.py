#!/usr/bin/python3
"""Ansible module: one secret on a host, encrypted with the host's own key for LoadCredentialEncrypted=.

Encryption gives other bytes each time, so the plain texts are compared. One that this host cannot decrypt,
since its disk came from another host, is written anew. The secret goes through pipes only: never a command
line or a file.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: credential
short_description: Keep a secret encrypted for systemd
options:
  name: {type: str, required: true, description: "Its name in $CREDENTIALS_DIRECTORY."}
  file: {type: path, required: true, description: "Where the encrypted secret lies; its folder is made."}
  content: {type: str, required: true, description: "The secret."}
"""


def systemd_creds(*words: str, secret: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["systemd-creds", *words], input=secret, capture_output=True, check=False)


def present(name: str, file: Path) -> bytes | None:
    """The secret as it is on the host; None when there is none that this host can read."""
    if not file.exists():
        return None
    done = systemd_creds("decrypt", f"--name={name}", str(file), "-")
    return done.stdout if done.returncode == 0 else None


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "file": {"type": "path", "required": True},
            "content": {"type": "str", "required": True, "no_log": True},
        },
        supports_check_mode=True,
    )
    name, file, secret = module.params["name"], Path(module.params["file"]), module.params["content"].encode()
    changed = present(name, file) != secret
    if changed and not module.check_mode:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = file.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        done = systemd_creds("encrypt", f"--name={name}", "--with-key=host", "-", str(fresh), secret=secret)
        if done.returncode != 0:
            module.fail_json(msg=f"systemd-creds cannot encrypt {name}: {done.stderr.decode().strip()}")
        fresh.chmod(0o600)
        fresh.rename(file)
    module.exit_json(changed=changed)


if __name__ == "__main__":
    main()
