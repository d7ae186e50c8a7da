"""One record of evidence: completed from the catalogue, and refused unless it bears its own verdict out.

Pure, but for the sha256 of attachments. The form is evidence.schema.json; what a schema cannot say is here.
"""

import hashlib
import json
import os
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeGuard

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from ops.bounds import bound_text, holds, value_text
from ops.errors import OperatorError
from ops.evidence.catalogue import Entry, catalogue
from ops.evidence.explain import explain
from ops.times import parse_time

SCHEMA = Path(__file__).with_name("evidence.schema.json")
GENESIS = "0" * 64
# A host's clock may be a little ahead of ours, but evidence from the future would never grow old.
_FUTURE_SECONDS = 60.0
_LARGEST = 1e15  # as in the schema
_CHAIN_KEYS = ("prev", "sha256")
_TEXTS = ("id", "kind", "name", "started_at", "ended_at", "by", "inventory", "verdict", *_CHAIN_KEYS)


def canonical(record: Mapping[str, Any]) -> bytes:
    """The bytes that are written and hashed: sorted keys, no spaces, ASCII only."""
    return json.dumps(record, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def seal(record: Mapping[str, Any], prev: str) -> dict[str, Any]:
    """The record as a link of the chain."""
    linked = {key: value for key, value in record.items() if key not in _CHAIN_KEYS} | {"prev": prev}
    return linked | {"sha256": hashlib.sha256(canonical(linked)).hexdigest()}


def parse(text: str | bytes) -> dict[str, Any]:
    """Read what somebody wants to add.

    Raises:
        OperatorError: it is not one JSON object.
    """
    try:
        data = json.loads(text, parse_constant=_refuse_constant)
        # Found out here: what json takes and cannot give back (1e999), and half a surrogate pair.
        json.dumps(data, allow_nan=False, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise OperatorError(f"the evidence is not JSON: {error}") from None
    if not isinstance(data, dict):
        raise OperatorError("the evidence must be one JSON object")
    return data


def complete(draft: Mapping[str, Any], folder: Path, by: str) -> dict[str, Any]:
    """Fill in what need not be said.

    Args:
        draft: a record without `prev` and `sha256`. `id`, `by`, and what the catalogue knows (kind, controls,
            red_twin, unit and bound of its figures) may be missing, `held` and the sha256 of attachments too.
        folder: where the evidence file is; paths of attachments are relative to it.
        by: who adds it.
    Raises:
        OperatorError: the name is unknown, or something given contradicts the catalogue or an attachment.
    """
    for key in _CHAIN_KEYS:
        if key in draft:
            raise OperatorError(f"{key}: it is made when the record is added; leave it out")
    entry = catalogue().entry(draft.get("name"))
    known = {"kind": entry.kind, "controls": list(entry.controls), "red_twin": entry.red_twin}
    for key, value in known.items():
        if draft.get(key, value) != value:
            raise OperatorError(f"{key}: {entry.name} has {json.dumps(value)} in the catalogue")
    record = {"by": by, "reasons": [], "attachments": [], **draft, **known}
    if isinstance(draft.get("values"), list):
        record["values"] = [_value(one, entry, index) for index, one in enumerate(draft["values"])]
    if isinstance(record["attachments"], list):
        record["attachments"] = [
            _attachment(one, folder, index) for index, one in enumerate(record["attachments"])
        ]
    if "id" not in record:
        digest = hashlib.sha256(canonical(record)).hexdigest()
        begun = re.sub(r"[-:]|\.\d+", "", str(record.get("started_at", "")))
        record["id"] = f"{begun}-{entry.name}-{digest[:8]}"
    return record


def check(record: Mapping[str, Any], now_seconds: float) -> None:
    """Refuse a record that is malformed or claims more than it shows.

    Args:
        record: completed and sealed.
        now_seconds: unix seconds.
    Raises:
        OperatorError: one line that names the key.
    """
    problem = malformed(record)
    if problem is not None:
        raise OperatorError(problem)
    _check_times(record, now_seconds)
    names = [one["name"] for one in record["values"]]
    for index, one in enumerate(record["values"]):
        if one["name"] in names[:index]:
            raise OperatorError(f"values[{index}].name: {one['name']!r} is there twice")
    if record["verdict"] == "pass":
        missing = [name for name in catalogue().entry(record["name"]).figures if name not in names]
        if missing:
            raise OperatorError(
                f"values: {missing[0]} is missing; {record['name']} cannot pass without it "
                "(verdict inconclusive can be recorded)"
            )


def malformed(record: object) -> str | None:
    """What the schema has against a record, in one line that names the key; None when it is well formed."""
    error = best_match(_validator().iter_errors(record))
    return None if error is None else explain(error)


def unreadable(record: object) -> str | None:
    """What keeps a record from being listed and counted; much less than the schema asks, and much quicker."""
    if not isinstance(record, dict):
        return "it is no object"
    keys = _schema()["required"]
    missing = [key for key in keys if key not in record]
    if missing:
        return f"{missing[0]}: missing"
    wrong = [key for key in _TEXTS if not isinstance(record[key], str)]
    if wrong:
        return f"{wrong[0]}: must be text"
    if parse_time(record["ended_at"]) is None:
        return "ended_at: must be a time"
    hosts = record["hosts"]
    named = isinstance(hosts, list) and hosts and all(isinstance(host, str) for host in hosts)
    return None if named else "hosts: must be names"


@cache
def _schema() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(SCHEMA.read_text())
    return loaded


@cache
def _validator() -> Draft202012Validator:
    return Draft202012Validator(_schema())


def _refuse_constant(word: str) -> None:
    raise ValueError(f"{word} is not a number that JSON knows")


def _value(given: Any, entry: Entry, index: int) -> Any:
    """One measured value with its unit, bound and `held`; left as it is where the schema must complain."""
    if not isinstance(given, dict):
        return given
    name, value = given.get("name"), given.get("value")
    figure = entry.figures.get(name) if isinstance(name, str) else None
    if figure is not None:
        defaults = figure.measured(None)
        for key in ("unit", "comparison", "bound"):
            if given.get(key, defaults[key]) != defaults[key]:
                raise OperatorError(
                    f"values[{index}].{key}: {name} has {json.dumps(defaults[key])} in the catalogue"
                )
    else:
        defaults = {"unit": "", "bound": None, "comparison": None}
    full = defaults | given
    comparison, bound = full["comparison"], full["bound"]
    if (comparison is None) != (bound is None):
        raise OperatorError(f"values[{index}]: bound and comparison must be given together")
    held = None
    if _number(value) and _number(bound) and comparison in ("max", "below", "min"):
        held = holds(value, comparison, bound)
    if given.get("held", held) != held:
        raise OperatorError(f"values[{index}].held: {given['held']} is not what {name} and its bound say")
    return full | {"held": held}


def _number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= _LARGEST


def _attachment(given: Any, folder: Path, index: int) -> Any:
    if not isinstance(given, dict) or not isinstance(given.get("path"), str):
        return given
    # Relative, so that what is moved together stays linked, and no machine's folders are told.
    path = os.path.relpath(os.path.normpath(folder / given["path"]), folder)
    try:
        digest = _digest(folder, path)
    except OSError as error:
        raise OperatorError(f"attachments[{index}].path: {path}: {error.strerror}") from None
    if given.get("sha256", digest) != digest:
        raise OperatorError(f"attachments[{index}].sha256: {path} has another content")
    return {"path": path, "sha256": digest} | {k: v for k, v in given.items() if k not in ("path", "sha256")}


def _check_times(record: Mapping[str, Any], now_seconds: float) -> None:
    spans = [("", record), *((f"steps[{index}].", step) for index, step in enumerate(record["steps"]))]
    for key, span in spans:
        moments = []
        for name in ("started_at", "ended_at"):
            seconds = parse_time(span[name])
            if seconds is None:
                raise OperatorError(f"{key}{name}: {span[name]} is no moment of the calendar")
            if seconds > now_seconds + _FUTURE_SECONDS:
                raise OperatorError(f"{key}{name}: {span[name]} is in the future; compare the clocks")
            moments.append(seconds)
        if moments[1] < moments[0]:
            raise OperatorError(f"{key}ended_at: {span['ended_at']} is before {key}started_at")


def figure_text(one: Mapping[str, Any]) -> tuple[str, str]:
    """A measured value and its bound as a person reads them; no bound: an empty text."""
    value, unit = one["value"], one["unit"]
    if unit == "flag":
        shown = {None: "no data", 0: "no", 1: "yes"}.get(value, f"{value:g}" if value is not None else "")
        return shown, "" if one["bound"] is None else "yes" if one["comparison"] == "min" else "no"
    limit = "" if one["bound"] is None else bound_text(one["comparison"], one["bound"], unit)
    return value_text(value, unit), limit


def attachment_fault(record: Mapping[str, Any], folder: Path) -> str:
    """The first attachment that is not what was attached; empty when all are.

    Args:
        record: as written.
        folder: of the evidence file.
    """
    for one in record["attachments"]:
        try:
            digest = _digest(folder, one["path"])
        except OSError as error:
            return f"attachment {one['path']}: {error.strerror}"
        if digest != one["sha256"]:
            return f"attachment {one['path']} was changed"
    return ""


def _digest(folder: Path, path: str) -> str:
    # Not by the system: `..` of a folder that is not there yet leads nowhere.
    return hashlib.sha256(Path(os.path.normpath(folder / path)).read_bytes()).hexdigest()
