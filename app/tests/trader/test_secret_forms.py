"""A secret is hidden in whatever form it stands in a text."""

from __future__ import annotations

import base64
import io
import json
from urllib.parse import quote, quote_plus, urlencode

import pytest

from trader.telemetry.events import Events
from trader.telemetry.secret_forms import forms

ODD = 'aB+/9="\\q u\u00e9x' * 3
KEY = """-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIPq/5Zf+9aAbCd0Ef1Gh2Ij3Kl4
Mn5Op6Qr7St8Uv9Wx0Yz==
-----END PRIVATE KEY-----
"""


@pytest.mark.parametrize(
    "shown",
    [
        str, repr, json.dumps, quote, quote_plus,
        lambda secret: json.dumps(secret, ensure_ascii=False),
        lambda secret: quote(secret, safe=""),
        lambda secret: urlencode({"x": secret}),
        lambda secret: base64.b64encode(secret.encode()).decode(),
        lambda secret: base64.urlsafe_b64encode(secret.encode()).decode(),
        lambda secret: secret.encode().hex(),
    ],
)  # fmt: skip
@pytest.mark.parametrize("secret", [ODD, KEY, "plain0123456789plain"])
def test_it_is_hidden_as_it_stands(shown, secret: str) -> None:  # type: ignore[no-untyped-def]
    events = Events(io.StringIO())
    events.hide(secret)
    text = events.scrub(f"before {shown(secret)} behind")
    assert text.startswith("before ")
    assert text.endswith(" behind")
    assert all(form not in text for form in forms(secret))
    assert len(text) < len(f"before {shown(secret)} behind")


def test_one_line_of_a_key_is_hidden_by_itself() -> None:
    events = Events(io.StringIO())
    events.hide(KEY)
    line = KEY.splitlines()[1]
    assert line not in events.scrub(f"x {line} y")
    assert "BEGIN PRIVATE KEY" in events.scrub("-----BEGIN PRIVATE KEY----- alone is no secret")


def test_a_line_of_the_log_hides_a_secret_with_a_line_break() -> None:
    """The line is JSON, in which a line break is two characters."""
    written = io.StringIO()
    events = Events(written)
    events.hide(KEY)
    events.emit("strange", text=f"key {KEY}", nested={"list": [KEY]})
    assert json.loads(written.getvalue())["text"].startswith("key ")
    assert KEY.splitlines()[1] not in written.getvalue()
    assert KEY.splitlines()[2] not in written.getvalue()


def test_the_longest_form_goes_first() -> None:
    lengths = [len(form) for form in forms(KEY)]
    assert lengths == sorted(lengths, reverse=True)
