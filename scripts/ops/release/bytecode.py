"""Compile a tree to bytecode that depends on nothing but its sources.

Run as a program by the interpreter that the hosts have, never imported by the builder: `python3 -S
bytecode.py TREE`. Three things make compiled files differ between two runs, and each is fixed here or by
the caller (`layer.compile_tree`): the path inside the code objects (relative to the tree; the import
system puts the real one back when it loads them), the source's time in the header (PEP 552 unchecked hash
instead; no stat on the host, so start is fast as well), and the order of sets and reference counts at the
time of marshalling (one process, sorted order, PYTHONHASHSEED=0, empty environment).
"""

import importlib.util
import marshal
import sys
from pathlib import Path

_UNCHECKED_HASH = 0b01  # PEP 552: hash-based, not compared with the source at import


def compile_file(source: Path, shown_as: str) -> None:
    """Write `__pycache__/<name>.pyc` beside a source file.

    Raises:
        SyntaxError: the source is not Python.
        ValueError: the source holds a null byte.
    """
    data = source.read_bytes()
    code = compile(data, shown_as, "exec", dont_inherit=True, optimize=0)
    header = importlib.util.MAGIC_NUMBER + _UNCHECKED_HASH.to_bytes(4, "little")
    target = Path(importlib.util.cache_from_source(str(source), optimization=""))
    target.parent.mkdir(exist_ok=True)
    target.write_bytes(header + importlib.util.source_hash(data) + marshal.dumps(code))


def main(tree: Path) -> int:
    """Compile every .py file of a tree; 1 and one line on stderr at the first that is not Python."""
    for source in sorted(tree.rglob("*.py")):
        shown_as = source.relative_to(tree).as_posix()
        try:
            compile_file(source, shown_as)
        except (SyntaxError, ValueError) as error:
            line = getattr(error, "lineno", None) or 1
            print(f"{shown_as}:{line}: {getattr(error, 'msg', None) or error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
