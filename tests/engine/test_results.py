"""Records: one that this version cannot read is never guessed at."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from imil_sim.engine.results import recorded
from imil_sim.engine.store import RECORD, Store


def test_a_record_of_another_version_is_set_aside_and_told_anew(warm: Any) -> None:
    store = Store(warm.lab.store)
    result = warm.results["baseline", 0]
    key, text = result.record.run_key, (result.folder / RECORD).read_text()
    files = {path.name: path.read_bytes() for path in result.folder.glob("*.npz")}
    store.discard("runs", key)

    def write(place: Path) -> None:
        (place / RECORD).write_text(text.replace('"version": 1', '"version": 2'))
        for name, content in files.items():
            (place / name).write_bytes(content)

    store.put("runs", key, write)
    lab = warm.again()
    again = lab.carry_out(warm.study)["baseline", 0]
    assert lab.damaged == [f"runs/{key}"]
    assert lab.epochs == 0
    assert again.record.version == 1
    assert {path.name: path.read_bytes() for path in again.folder.glob("*.npz")} == files
    assert recorded(store, key) is not None
