"""What the schema of evidence has against a record, in one line for a person."""

import json
from typing import Any

from jsonschema import ValidationError


def explain(error: ValidationError) -> str:
    """The key, what is wrong with it, and what would be right."""
    key = ""
    for part in error.absolute_path:
        key += f"[{part}]" if isinstance(part, int) else f".{part}" if key else str(part)
    found: Any = error.instance
    limit: Any = error.validator_value
    if "then" in error.absolute_schema_path:
        return f"{key}: the verdict cannot be pass: {_no_pass(key, found)}"
    below = f"{key}." if key else ""
    match error.validator:
        case "required":
            return f"{below}{next(name for name in limit if name not in found)}: missing"
        case "additionalProperties":
            known = error.schema["properties"] if isinstance(error.schema, dict) else {}
            return f"{below}{min(set(found) - set(known))}: unknown; known are {', '.join(known)}"
        case "minItems" if key == "reasons":
            return "reasons: a verdict that is not pass needs at least one"
        case "minItems":
            return f"{key}: at least one is needed"
    value = json.dumps(found, default=str)
    shown = value if len(value) <= 60 else value[:57] + "..."
    match error.validator:
        case "enum":
            return f"{key}: {shown} must be one of {', '.join(json.dumps(one) for one in limit)}"
        case "type":
            return f"{key}: {shown} must be {limit if isinstance(limit, str) else ' or '.join(limit)}"
        case "pattern" if "T[0-2]" in limit:
            return f"{key}: {shown} must be a UTC time such as 2026-01-31T23:59:59Z"
        case "pattern":
            return f"{key}: {shown} must match {limit}"
    return f"{key}: {error.message:.200}"


def _no_pass(key: str, found: Any) -> str:
    """Why a verdict of pass is refused."""
    if key.endswith(".held"):
        return "this figure missed its bound"
    if key.endswith(".value"):
        return "this figure has no value"
    if key.endswith(".result"):
        return f"this step is {json.dumps(found)}"
    return "reasons against it are given" if key == "reasons" else "nothing was measured"
