from __future__ import annotations

from imil_sim.report.tables import Replayed, replayed_table
from imil_sim.sessions.divergence import Divergence


def test_coverage_and_divergence_of_every_replayed_run() -> None:
    near = Replayed("resident", 0, "ann", Divergence(20, 20, 15, 0.5))
    far = Replayed("resident", 1, "ann", Divergence(20, 20, 2, None, "only 2 images are shared, fewer than 3"))
    table = replayed_table([near, far])
    assert table is not None
    assert table.rows == (
        ("resident, seed 0", "ann", 20, 20, 15, 0.75, 15 / 25, 0.5),
        ("resident, seed 1", "ann", 20, 20, 2, 0.1, 2 / 38, None),
    )
    assert "resident, seed 1 (ann)" in table.notes[1]
    assert "only 2 images are shared" in table.notes[1]


def test_several_sessions_of_one_run_say_what_their_coverage_is_of() -> None:
    one = Replayed("panel", 0, "ann", Divergence(20, 20, 10, 0.5))
    alone = replayed_table([one, Replayed("panel", 1, "ann", Divergence(20, 20, 10, 0.5))])
    several = replayed_table([one, Replayed("panel", 0, "bob", Divergence(20, 20, 10, 0.5))])
    told = [any("only another reader" in note for note in table.notes) for table in (alone, several) if table]
    assert told == [False, True]


def test_of_an_imported_session_nobody_says_that_a_model_asked() -> None:
    why = "no model asked in the session, so its order is none of asking"
    imported = Replayed("replay", 0, "ann", Divergence(20, 5, 5, None, why, by_model=False))
    recorded = Replayed("resident", 0, "bob", Divergence(20, 20, 15, 0.5))
    one, both = replayed_table([imported]), replayed_table([imported, recorded])
    assert one is not None
    assert both is not None
    assert one.rows == (("replay, seed 0", "ann", 20, 5, 5, 0.25, 0.25, None),)
    assert not any("the recorded model" in note for note in one.notes)
    assert "No model asked in what is replayed of ann, as where a session was imported" in one.notes[0]
    assert both.notes[0] == one.notes[0]
    assert both.notes[1].startswith("Any other replayed reader answers what the recorded model asked about")


def test_without_a_replayed_run_there_is_no_table() -> None:
    assert replayed_table([]) is None
