"""What these tests need."""

from pathlib import Path

import pytest

from ops import paths


@pytest.fixture(autouse=True)
def evidence_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of its own: no test may write into the evidence of this machine's fleets."""
    folder = tmp_path / "evidence"
    monkeypatch.setattr(paths, "EVIDENCE", folder)
    return folder
