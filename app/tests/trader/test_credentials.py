import json
from pathlib import Path

import pytest

from trader.service.credentials import load_credentials
from trader.service.settings import SettingsError

SECRET = "do-not-show-me"


def folder(path: Path, content: str | None) -> dict[str, str]:
    if content is not None:
        (path / "venue").write_text(content)
    return {"CREDENTIALS_DIRECTORY": str(path)}


def test_they_are_read_and_never_shown(tmp_path: Path) -> None:
    credentials = load_credentials(folder(tmp_path, json.dumps({"api_key": "key", "api_secret": SECRET})))
    assert (credentials.api_key, credentials.api_secret) == ("key", SECRET)
    assert SECRET not in repr(credentials)


@pytest.mark.parametrize(
    "content",
    [
        None,
        f"{SECRET} is no JSON",
        json.dumps([SECRET]),
        json.dumps({"api_key": SECRET}),
        json.dumps({"api_key": SECRET, "api_secret": ""}),
        json.dumps({"api_key": 5, "api_secret": SECRET}),
    ],
)
def test_what_is_wrong_is_said_without_quoting(tmp_path: Path, content: str | None) -> None:
    with pytest.raises(SettingsError) as caught:
        load_credentials(folder(tmp_path, content))
    text = str(caught.value)
    assert text.startswith(str(tmp_path / "venue"))
    assert "\n" not in text
    assert SECRET not in text
    assert caught.value.__cause__ is None or SECRET not in str(caught.value.__cause__)


def test_without_systemd_it_says_how() -> None:
    with pytest.raises(SettingsError, match=r"\$CREDENTIALS_DIRECTORY is not set"):
        load_credentials({})
