"""Mutation run: break every rule in many ways and expect its tests to see it."""

import random
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path
from queue import Queue

import yaml

from ops import paths
from ops.errors import OperatorError
from ops.slo import mutants
from ops.slo.model import Model
from ops.slo.mutants import Mutant
from ops.slo.replay import Replay

SURVIVORS = paths.ROOT / "monitoring" / "mutation_survivors.yml"
GOAL = 0.95
WORKERS = 2
PROGRESS = 100  # mutants between two lines that say how far it is


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run found: the mutants, and those that no test saw."""

    mutants: int
    survivors: tuple[Mutant, ...]

    @property
    def score(self) -> float:
        return 1 - len(self.survivors) / self.mutants if self.mutants else 0.0


def run(
    model: Model,
    promtool: Path,
    folder: Path,
    sample: int,
    seed: int,
    names: Sequence[str],
    tell: Callable[[str], None],
) -> Outcome:
    """Replay the tests of what each mutant breaks; two at a time.

    Args:
        sample: so many, drawn by `seed`; 0 = all.
        names: only these alerts and records; empty = all.
        tell: gets a line for each survivor and now and then the progress.

    Raises:
        OperatorError: the tests of a rule fail without any mutant; then every mutant of it would be seen.
    """
    everything = [one for one in mutants.every(model) if not names or one.subject in names]
    if sample and sample < len(everything):
        everything = random.Random(seed).sample(everything, sample)  # noqa: S311 - no secret
    replays: Queue[Replay] = Queue()
    for worker in range(WORKERS):
        own = folder / str(worker)
        own.mkdir()
        replays.put(Replay(promtool, own, model))
    survivors = []
    with ThreadPoolExecutor(WORKERS) as pool:
        try:
            _refuse_red(pool, replays, everything)
            running = {pool.submit(_seen, replays, mutant): mutant for mutant in everything}
            for done, future in enumerate(as_completed(running), start=1):
                mutant = running[future]
                if not future.result():
                    survivors.append(mutant)
                    tell(f"survived: {mutant.name}")
                if done % PROGRESS == 0:
                    tell(f"{done} of {len(everything)} mutants, {len(survivors)} survived")
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    order = {mutant.name: place for place, mutant in enumerate(everything)}
    survivors.sort(key=lambda one: order[one.name])
    return Outcome(len(everything), tuple(survivors))


def _refuse_red(pool: ThreadPoolExecutor, replays: "Queue[Replay]", everything: Sequence[Mutant]) -> None:
    """One look at each rule as it should be."""
    whole = {one.subject: replace(one, rule=one.original) for one in everything}
    running = {pool.submit(_seen, replays, one): subject for subject, one in whole.items()}
    for future in as_completed(running):
        if future.result():
            raise OperatorError(
                f"{running[future]}: its tests fail on the rule as it is; see ./scripts/test --only rules"
            )


def _seen(replays: "Queue[Replay]", mutant: Mutant) -> bool:
    replay = replays.get()
    try:
        if mutant.alert is None:
            return bool(replay.run_record(mutant.original, mutant.rule))
        return bool(replay.run(mutant.alert, mutant.rule))
    finally:
        replays.put(replay)


def reasons() -> dict[str, str]:
    """The survivors that are known, each with its reason.

    Raises:
        OperatorError: one has no reason.
    """
    if not SURVIVORS.exists():
        return {}
    found = yaml.safe_load(SURVIVORS.read_text()) or {}
    for name, reason in found.items():
        if not isinstance(reason, str) or len(reason) < 10:
            raise OperatorError(
                f"monitoring/{SURVIVORS.name}: {name} needs a reason; say why no test sees it"
            )
    return dict(found)
