"""The forms in which a secret may stand in a text: as it is, or as something quoted or encoded it.

A log line is JSON, a URL quotes `+`, `/` and `=`, an HTTP header carries base64, a traceback shows a repr;
and a key of several lines (PEM) is found line by line.
"""

import base64
import json
from typing import Final
from urllib.parse import quote, quote_plus

# Shorter lines of a key are no secret by themselves, and would be found everywhere.
LINE_CHARACTERS: Final = 16


def forms(secret: str) -> tuple[str, ...]:
    """Every form of a secret, the longest first, so that none is left half hidden.

    Args:
        secret: not empty.
    """
    plain = {secret, secret.strip()}
    lines = [line.strip() for line in secret.splitlines()]
    if len(lines) > 1:
        plain |= {line for line in lines if len(line) >= LINE_CHARACTERS and not line.startswith("-----")}
    found = {form for text in plain if text for form in _encoded(text)}
    return tuple(sorted(found, key=lambda form: (-len(form), form)))


def _encoded(text: str) -> set[str]:
    octets = text.encode()
    # Without the padding: it differs with what stands behind, and "=" is quoted in a URL.
    in_64 = {encode(octets).decode().rstrip("=") for encode in (base64.b64encode, base64.urlsafe_b64encode)}
    as_json = {json.dumps(text, ensure_ascii=ascii_only)[1:-1] for ascii_only in (True, False)}
    in_url = {quote(text), quote(text, safe=""), quote_plus(text)}
    return {text, repr(text)[1:-1], octets.hex()} | as_json | in_url | in_64
