"""A phase's verdict once more, from what the rollout kept: no Prometheus, no host, the same on any day."""

from typing import Any

from ops.canary import contrast
from ops.canary.judge import CriterionResult, Verdict, judge, overall
from ops.canary.layout import Phase
from ops.canary.plan import Criterion
from ops.canary.prometheus import Answer, Sample
from ops.canary.record import Record
from ops.errors import OperatorError
from ops.files import read_json


def again(record: Record, phase: Phase) -> tuple[str, str]:
    """Judge a phase again.

    Returns:
        The verdict that was written, and the one that the kept numbers give.
    Raises:
        OperatorError: the phase was not judged, or its numbers are gone.
    """
    folder = record.phase_folder(phase.number)
    written = read_json(folder / "verdict.json")
    if written is None:
        raise OperatorError(f"phase {phase.number} of {record.rollout} was not judged")
    verdicts: list[Verdict] = [_criterion(one).verdict for one in written["criteria"]]
    if written["contrasts"]:
        kept = read_json(folder / "contrasts.json")
        if kept is None:
            raise OperatorError(
                f"{folder / 'contrasts.json'} is missing; the contrasts cannot be judged again"
            )
        verdicts += [one["verdict"] for one in contrast.judge_kept(record.plan, phase, kept)]
    if written["watch"]["failures"]:
        verdicts.append("fail")
    if written["watch"]["doubts"]:
        verdicts.append("inconclusive")
    return written["verdict"], overall(verdicts)


def _criterion(data: dict[str, Any]) -> CriterionResult:
    ((kind, bound),) = data["bound"].items()
    asked = data["asked"]
    criterion = Criterion(
        name=data["name"],
        description=data["description"],
        unit=data["unit"],
        kind=kind,
        bound=float(bound),
        query="",
        minimum_samples_query=None,
        minimum_samples=data["minimum_samples"],
    )
    hosts = [host["host"] for host in data["hosts"]]
    samples = None if asked["samples"] is None else _answer(asked["samples"])
    return judge(criterion, hosts, _answer(asked["answer"]), samples, data["breach"])


def _answer(data: dict[str, Any]) -> Answer | str:
    if "error" in data:
        return str(data["error"])
    samples = tuple(Sample(dict(one["labels"]), str(one["value"])) for one in data["samples"])
    return Answer(data["query"], float(data["at_seconds"]), samples)
