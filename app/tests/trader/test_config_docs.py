"""The settings' reference is complete, and is what the code says."""

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, Field

from tests.trader.test_cli import trader
from trader.preflight import PreflightSettings
from trader.service.config_docs import markdown, sections
from trader.service.control import ControlSettings
from trader.service.settings import Settings


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Leaf(BaseModel):
    """One leaf."""

    size_ms: int = Field(default=5, ge=1, le=9, description="Size | in ms.")


class Root(BaseModel):
    """The whole tree."""

    leaf: Leaf
    more: list[Leaf] = Field(default_factory=list, description="Further ones.")
    path: Path | None = Field(default=None, description="Where.")
    mode: Literal["a", "b"] = Field(default="a", description="How.")
    colour: Colour = Field(default=Colour.RED, description="Which.")
    names: list[Annotated[str, Field(pattern="x")]] = Field(min_length=1, description="Who.")
    flag: bool = Field(default=False, description="Whether.")


def test_every_key_is_there_with_type_default_and_meaning() -> None:
    lines = markdown(Root).splitlines()
    for line in (
        "The whole tree.",
        "| `leaf` | section | required | One leaf. |",
        "| `leaf.size_ms` | whole number, at least 1, at most 9 | `5` | Size \\| in ms. |",
        "| `more` | list of section | `[]` | Further ones. |",
        "| `more[].size_ms` | whole number, at least 1, at most 9 | `5` | Size \\| in ms. |",
        "| `path` | path | `absent` | Where. |",
        "| `mode` | `a` or `b` | `a` | How. |",
        "| `colour` | `red` or `blue` | `red` | Which. |",
        "| `names` | list of text, length at least 1 | required | Who. |",
        "| `flag` | true or false | `false` | Whether. |",
        "## more[]",
    ):
        assert line in lines, line


@pytest.mark.parametrize(
    "model", [Settings, ControlSettings, PreflightSettings], ids=lambda model: model.__name__
)
def test_every_key_is_described(model: type[BaseModel]) -> None:
    silent = [key.name for section in sections(model) for key in section.keys if not key.description]
    assert not silent


def test_a_silent_key_is_found() -> None:
    class Silent(BaseModel):
        key: int = 1

    [section] = sections(Silent)
    assert [key.description for key in section.keys] == [""]


def test_the_command_prints_them() -> None:
    done = trader("config-docs")
    assert (done.returncode, done.stderr, done.stdout) == (0, "", markdown(Settings))
    schema = json.loads(trader("config-docs", "--json").stdout)
    assert set(schema["properties"]) == set(Settings.model_fields)


def test_the_page_in_the_docs_is_what_the_code_says() -> None:
    page = Path(__file__).resolve().parents[3] / "docs" / "configuration.md"
    assert page.read_text() == markdown(Settings), "run: trader config-docs > docs/configuration.md"
