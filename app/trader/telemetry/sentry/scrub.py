"""Takes secrets out of an event: every string at every depth, keys included.

ccxt puts the whole URL into its error texts, and with it the signature of the request; what a library keeps
in an exception nobody knows. So nothing is left alone because of where it stands.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

HIDDEN: Final = "[hidden]"
DEEPEST: Final = 20
_NAMES: Final = (
    r"(?:api|access|secret|private|auth|client|listen|signing)[-_ ]?key|secret|signature|token"
    r"|passw(?:or)?d|passphrase|authorization|credentials?|cookie|session[-_ ]?id"
)
# Quoted text, or everything up to what ends a value in a URL, JSON or a repr.
_VALUE: Final = r"""(?:b?"[^"]*"|b?'[^']*'|[^\s&"',;)}\]]+)"""
_SENSITIVE: Final = re.compile(_NAMES, re.IGNORECASE)
_PATTERNS: Final = (
    # Authorization: Bearer x; bearer x
    (re.compile(r"\b(bearer|basic|token)\s+[A-Za-z0-9+/=._~-]{8,}", re.IGNORECASE), rf"\1 {HIDDEN}"),
    # signature=x, "apiKey": "x", secret: x; the name may stand in quotes
    (re.compile(rf"""((?:{_NAMES})["']?\s*[=:]\s*){_VALUE}""", re.IGNORECASE), rf"\1{HIDDEN}"),
    # https://user:password@host
    (re.compile(r"(\w+://)[^/\s:@]*:[^/\s@]+@"), rf"\1{HIDDEN}@"),
    # What is so long, without a break and has a digit is a key, whatever its name; our own ids are shorter.
    (re.compile(r"(?<![A-Za-z0-9_-])(?=[A-Za-z_-]*[0-9])[A-Za-z0-9_-]{40,}(?![A-Za-z0-9_-])"), HIDDEN),
)  # fmt: skip
# Marks of the SDK and of ours, which are long and no secrets.
_OWN: Final = frozenset({"event_id", "trace_id", "span_id", "parent_span_id", "release"})


def text(value: str, known: Callable[[str], str]) -> str:
    """A string without secrets.

    Args:
        known: takes out the secrets that the service itself holds.
    """
    value = known(value)
    for pattern, shown in _PATTERNS:
        value = pattern.sub(shown, value)
    return value


def scrub(value: Any, known: Callable[[str], str], depth: int = 0) -> Any:
    """The same value without secrets; what is neither a plain value nor a collection becomes text.

    Args:
        known: see `text`.
        depth: of the call; what is deeper than DEEPEST is left out.
    """
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, str):
        return text(value, known)
    if depth >= DEEPEST:
        return HIDDEN
    if isinstance(value, Mapping):
        return {
            text(str(key), known): _entry(str(key), entry, known, depth + 1) for key, entry in value.items()
        }
    if isinstance(value, (list, tuple, set, frozenset)):
        return [scrub(entry, known, depth + 1) for entry in value]
    return text(value.decode(errors="replace") if isinstance(value, bytes) else repr(value), known)


def _entry(key: str, value: Any, known: Callable[[str], str], depth: int) -> Any:
    if key in _OWN and isinstance(value, str):
        return known(value)
    if _SENSITIVE.search(key) and value is not None and not isinstance(value, bool):
        return HIDDEN
    return scrub(value, known, depth)
