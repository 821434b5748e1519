"""A writer killed with -9 in the middle leaves the old or the new, never half, whatever it writes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.attack import killing


@pytest.mark.skipif(not hasattr(os, "fork"), reason="writers are forked")
@pytest.mark.parametrize("name", killing.WRITES)
def test_a_write_killed_in_the_middle_leaves_the_old_or_the_new(tmp_path: Path, demo_dir: Path, name: str) -> None:
    killing.prepare(tmp_path, demo_dir)
    whole_s = killing.usual_s(name, tmp_path)
    assert killing.WRITES[name].faults(tmp_path) == ""
    for share in (0.4, 0.8):
        killing.killed(name, tmp_path, share, whole_s)
        assert killing.WRITES[name].faults(tmp_path) == ""
    killing.WRITES[name].act(tmp_path)  # and the next writer is not hindered
    assert killing.WRITES[name].faults(tmp_path) == ""
