"""The settings file's reference, made from the models that check it, so that it cannot be out of date."""

import json
import types
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import PurePath
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

HEADER = """\
# Settings

Made by `trader config-docs` from the code that reads the file: change the code, not this page. One YAML file;
an unknown key is a mistake, and every mistake is told by its key (`trader validate-config FILE`).
"""
_NAMES = {
    "str": "text",
    "int": "whole number",
    "float": "number",
    "bool": "true or false",
    "Decimal": "amount",
}
_BOUNDS = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below", "min_length": "length at least"}


@dataclass(frozen=True, slots=True)
class Key:
    """One key: `journal.path`; `[]` in it stands for each entry of a list.

    Args:
        default: as it is written in YAML; None = the key is required.
        description: "" = nobody has described it.
    """

    name: str
    type: str
    default: str | None
    description: str


@dataclass(frozen=True, slots=True)
class Section:
    """The keys of one model, under its own text."""

    name: str
    text: str
    keys: tuple[Key, ...]


def markdown(model: type[BaseModel]) -> str:
    """The whole page."""
    parts = [HEADER]
    for section in sections(model):
        parts.append(f"## {section.name}\n" if section.name else "## The file\n")
        if section.text:
            parts.append(f"{section.text}\n")
        lines = ["| Key | Type | Default | Meaning |", "|---|---|---|---|"]
        for key in section.keys:
            default = "required" if key.default is None else f"`{key.default}`"
            cells = (f"`{key.name}`", key.type, default, key.description)
            lines.append(f"| {' | '.join(_cell(cell) for cell in cells)} |")
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def sections(model: type[BaseModel], prefix: str = "") -> Iterator[Section]:
    """A model and those in it, outermost first."""
    keys, inner = [], []
    for name, field in model.model_fields.items():
        path = f"{prefix}{field.alias or name}"
        nested = _models(field.annotation)
        keys.append(Key(path, _type(field), _default(field), _description(field, nested)))
        is_list = get_origin(field.annotation) in (list, tuple)
        inner += [(child, f"{path}[]." if is_list else f"{path}.") for child in nested]
    yield Section(prefix.removesuffix("."), _text(model), tuple(keys))
    for child, below in inner:
        yield from sections(child, below)


def _models(annotation: Any) -> list[type[BaseModel]]:
    """Models in a type, also within lists and unions."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models(part)]


def _description(field: FieldInfo, nested: list[type[BaseModel]]) -> str:
    """The field's own words; a section speaks for itself."""
    return _flat(field.description or " ".join(_text(model) for model in nested))


def _text(model: type[BaseModel]) -> str:
    # A model without words of its own would have BaseModel's.
    return _flat(model.__doc__ or "") if "__doc__" in vars(model) else ""


def _type(field: FieldInfo) -> str:
    bounds = [
        f"{words} {getattr(limit, name)}"
        for limit in field.metadata
        for name, words in _BOUNDS.items()
        if getattr(limit, name, None) is not None
    ]
    return ", ".join([_words(field.annotation), *bounds])


def _words(annotation: Any) -> str:
    """A type in a person's words."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _words(parts[0])
    if origin is Literal:
        return " or ".join(f"`{part}`" for part in parts)
    if origin in (Union, types.UnionType):
        return " or ".join(_words(part) for part in parts if part is not type(None))
    if origin in (list, tuple, set, frozenset):
        return f"list of {_words(parts[0])}"
    if origin is dict:
        return "keys and values"
    if not isinstance(annotation, type):
        return "any"
    if issubclass(annotation, BaseModel):
        return "section"
    if issubclass(annotation, Enum):
        return " or ".join(f"`{member.value}`" for member in annotation)
    return (
        "path" if issubclass(annotation, PurePath) else _NAMES.get(annotation.__name__, annotation.__name__)
    )


def _default(field: FieldInfo) -> str | None:
    if field.is_required():
        return None
    value = field.get_default(call_default_factory=True)
    if value is PydanticUndefined:
        return None
    if isinstance(value, BaseModel):
        return "see below"
    if value is None:
        return "absent"
    return json.dumps(value, default=lambda other: getattr(other, "value", None) or str(other)).strip('"')


def _flat(text: str) -> str:
    return " ".join(text.split())


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
