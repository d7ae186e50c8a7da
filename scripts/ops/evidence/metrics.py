"""The evidence as metrics for node_exporter's textfile folder: how long ago did what last succeed?

A name of the catalogue that never ran, or never succeeded, is there with 0: its age alone is an alert.
"""

from collections.abc import Iterable, Sequence

from ops.evidence.latest import Latest, ended_seconds

_SUCCESS = "breakwater_drill_last_success_timestamp_seconds"
_RESULT = "breakwater_drill_last_result"
_CHAIN = "breakwater_evidence_chain_ok"
_RECORDS = "breakwater_evidence_records"


def exposition(inventory: str, found: Sequence[Latest], records: int, chain_ok: bool) -> str:
    """The text of the .prom file.

    Args:
        inventory: name of the fleet.
        found: what stands for each name, from sound records only.
        records: number of sound records; it never falls.
        chain_ok: whether the whole file is as it was written.
    """
    successes = [(one, ended_seconds(one.success) if one.success else 0.0) for one in found]
    results = [(one, float(one.last is not None and one.last["verdict"] == "pass")) for one in found]
    fleet = f'fleet="{inventory}"'
    lines = [
        *_gauge(_SUCCESS, "End of the last run that passed; 0: never."),
        *_each(_SUCCESS, fleet, successes),
        *_gauge(_RESULT, "Verdict of the last run: 1 pass; 0 anything else, or never run."),
        *_each(_RESULT, fleet, results),
        *_gauge(_CHAIN, "1: every record is as it was written and none is missing."),
        f"{_CHAIN}{{{fleet}}} {int(chain_ok)}",
        *_gauge(_RECORDS, "Sound records in the file; it never falls."),
        f"{_RECORDS}{{{fleet}}} {records}",
    ]
    return "\n".join(lines) + "\n"


def _gauge(name: str, text: str) -> list[str]:
    return [f"# HELP {name} {text}", f"# TYPE {name} gauge"]


def _each(name: str, fleet: str, values: Iterable[tuple[Latest, float]]) -> list[str]:
    return [
        f'{name}{{{fleet},kind="{one.entry.kind}",drill="{one.entry.name}"}} {value!r}'
        for one, value in values
    ]
