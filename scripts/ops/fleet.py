"""A lab of this machine and the acts on it, as a person would type them."""

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from ops import paths
from ops.errors import OperatorError
from ops.run import Done, run

RELEASE_PATCHES = paths.ROOT / "app" / "tests" / "releases"
NEXT_RELEASE_PATCH = RELEASE_PATCHES / "next_version.patch"
SLOW_RELEASE_PATCH = RELEASE_PATCHES / "slow_orders.patch"


def build(*, app: str = "trader", patch: Path | None = None) -> str:
    """Build a release from the tree as it stands, with a patch on top when one is given; its id."""
    words = ["scripts/release", "build", f"--app={app}", "--json"]
    done = run(words + ([f"--patch={patch}"] if patch else []))
    manifest: dict[str, Any] = json.loads(done.lines[-1])
    return str(manifest["id"])


def worth_reading(line: str) -> bool:
    """Leave out of a playbook's output what only says that a host is as it should be."""
    return bool(line.strip()) and not line.strip().startswith(("ok: ", "skipping: ", "included: "))


@dataclass(frozen=True)
class Rollout:
    """What one rollout left in its folder under var/rollouts."""

    folder: Path
    done: Done

    @property
    def plan(self) -> dict[str, Any]:
        return self._json("plan.json")

    @property
    def result(self) -> dict[str, Any]:
        return self._json("result.json")

    @property
    def report(self) -> Path:
        return self.folder / "report.html"

    @property
    def touched(self) -> list[str]:
        """Names of the hosts on which a change was begun."""
        return sorted(path.stem for path in self.folder.glob("phases/*/hosts/*.begun"))

    @property
    def proofs(self) -> list[dict[str, Any]]:
        return [json.loads(path.read_text()) for path in sorted(self.folder.glob("phases/*/hosts/*.json"))]

    @property
    def update_seconds(self) -> list[float]:
        """From the first change on a host to its proof, one figure a host."""
        return [
            path.stat().st_mtime - path.with_suffix(".begun").stat().st_mtime
            for path in sorted(self.folder.glob("phases/*/hosts/*.json"))
        ]

    def _json(self, name: str) -> dict[str, Any]:
        loaded: dict[str, Any] = json.loads((self.folder / name).read_text())
        return loaded


class Fleet:
    """One lab by name.

    Args:
        name: lab name, at most 8 characters a-z 0-9.
        logs: folder that keeps the whole output of each act.
        say: receives a line when an act begins and when it ends.
        show: print the acts' own output while it comes.
    """

    def __init__(
        self, name: str, logs: Path, say: Callable[[str], None] = lambda line: None, show: bool = False
    ) -> None:
        self.name = name
        self.logs = logs
        self.say = say
        self.show = show

    def playbook(
        self,
        what: str,
        *words: str,
        environment: Mapping[str, str] | None = None,
        expect: Sequence[int] | None = (0,),
    ) -> Done:
        """Run ansible-playbook on this lab."""
        chosen = {"BREAKWATER_LAB": self.name, "ANSIBLE_FORCE_COLOR": "0"}
        self.say(f"{what} ...")
        done = run(
            ["ansible-playbook", *words],
            environment=chosen | dict(environment or {}),
            log=self.logs / f"{re.sub(r'[^a-z0-9]+', '_', what.lower())}.log",
            show=worth_reading if self.show else None,
            expect=expect,
        )
        self.say(f"{what}: {done.seconds:.1f} s")
        return done

    def lab(self, state: str, trading_hosts: int = 10) -> Done:
        """Boot the lab (present) or leave nothing of it (absent)."""
        words = [f"-e lab_state={state}", f"-e lab_trader_count={trading_hosts}"]
        return self.playbook(f"lab {'up' if state == 'present' else 'down'}", "playbooks/lab.yml", *words)

    def releases(self) -> Counter[str]:
        """How many trading hosts have which release active."""
        words = ["ansible", "trader", "--module-name=command", "--args=readlink /opt/trader/current"]
        done = run(words, environment={"BREAKWATER_LAB": self.name})
        return Counter(Path(line).name for line in done.lines if line.startswith("releases/"))

    def canary(self, what: str, release: str, expect: Sequence[int] | None = (0,)) -> Rollout:
        """Roll a release out and read what the rollout left.

        Raises:
            OperatorError: another exit status than expected, or no rollout was started at all.
        """
        before = datetime.now().timestamp()  # noqa: DTZ005 - compared with file times only
        done = self.playbook(what, "playbooks/canary.yml", f"-e release={release}", expect=expect)
        folders = [
            path.parent
            for path in (paths.ROLLOUTS / f"lab-{self.name}").glob("*/plan.json")
            if path.stat().st_mtime >= before - 1
        ]
        if len(folders) != 1:
            raise OperatorError(f"{what}: no rollout was started: {done.last_words}; see {self.logs}")
        return Rollout(folders[0], done)
