"""What the stage tree saves: the ten-arm study with and without sharing, on two workers and on one.

    python -m benchmarks.sharing [--smoke]

Ten feedback arms and a baseline of 100 epochs, a consultation after 70, two seeds (`benchmarks.ten_arms`), run by the
real command in processes of their own, each on an empty store: shared by two workers, unshared by two workers, shared
by one. Then further arms are added to the full store of the last one, in one process. Seconds are those of the clock
on the wall, so the machine should have nothing else to do.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from statistics import median

from benchmarks.ten_arms import EQUALS, FEEDBACK_ARMS, FULL, ITS_EQUALS, ONE_MORE, SMOKE, Size, write_study
from benchmarks.verdict import SMOKE_WARNING, heading, line, machine
from benchmarks.watched import Spent, run_watched

SAVING_TARGET = 0.95
"""Of the bound."""
WORKERS_TARGET = 1.8
"""Times faster than one worker."""
EQUAL_TARGET = 0.5
"""Epochs that one more arm with equal answers may cost; training it would cost 30."""
WORKERS = 2


def told(what: str, spent: Spent) -> str:
    """What one run of the command took."""
    epoch = f"{1000 * spent.epoch:.1f}" if spent.epochs else "-"
    return f"{what:34}{spent.epochs:8}{spent.work:10.1f}{spent.whole:10.1f}{epoch:>12}"


def saving(size: Size, straight: Spent, shared: Spent) -> list[str]:
    """The lines about what sharing saves, beside its bound."""
    formula = f"bound: KT / (e + K(T - e)), K = {FEEDBACK_ARMS + 1}, T = {size.epochs}, e = {size.imil_epoch}"
    epochs = straight.epochs / shared.epochs
    work, whole = straight.work / shared.work, straight.whole / shared.whole
    return [
        line(formula, size.bound),
        line("saving in epochs", epochs),
        line("saving in epochs / bound", epochs / size.bound, 1.0, digits=3),
        line("saving in time, without start-up", work),
        line("saving in time, without start-up / bound", work / size.bound, SAVING_TARGET, digits=3),
        line("saving in time, whole process", whole),
        line("saving in time, whole process / bound", whole / size.bound, SAVING_TARGET, digits=3),
    ]


def workers(one: Spent, two: Spent) -> list[str]:
    """The lines about two workers beside one; an epoch is slower where two are trained at once, which is the machine's.

    Twice the ratio of the epochs' own times is what two workers would gain if nothing were ever waited for.
    """
    return [
        line("two workers beside one, without start-up", one.work / two.work, WORKERS_TARGET),
        line("two workers beside one, whole process", one.whole / two.whole, WORKERS_TARGET),
        line("two workers beside one, were none ever to wait", WORKERS * one.epoch / two.epoch),
    ]


def costs(size: Size, first: Spent, again: Spent, equal: Spent, more: Spent) -> list[str]:
    """The lines about what further arms and consultations cost, in epochs; an arm's figure is the mean over the seeds.

    Args:
        size: of the study.
        first: the study on an empty store, by one worker: every state's first consultation predicts and explains.
        again: everything was in the store.
        equal: only the arms with equal answers were not.
        more: only the arm with answers of its own was not.
    """
    asked = sorted(first.steps["consult"], reverse=True)
    fresh, known = asked[: size.seeds], asked[size.seeds :]
    branch = size.epochs - size.imil_epoch
    return [
        line(f"one more feedback arm ({branch} epochs)", (more.work - again.work) / more.epoch / size.seeds),
        line("one more feedback arm, epochs trained", more.epochs / size.seeds, branch, at_most=True),
        line(
            "one more arm with equal answers",
            (equal.work - again.work) / more.epoch / size.seeds / EQUALS,
            EQUAL_TARGET,
            at_most=True,
        ),
        line("one more arm with equal answers, epochs trained", equal.epochs / size.seeds / EQUALS, 0, at_most=True),
        line("consultation, the first at a state (predict, explain, ask)", median(fresh) / first.epoch),
        line("consultation, a later one (what is known is not computed)", median(known) / first.epoch),
    ]


def main(asked: list[str]) -> int:
    """Print the tables; 2 for a wrong call."""
    if asked not in ([], ["--smoke"]):
        print("usage: python -m benchmarks.sharing [--smoke]", file=sys.stderr)
        return 2
    size = SMOKE if asked else FULL
    if asked:
        print(SMOKE_WARNING)
    print(machine())
    print(f"{'':34}{'epochs':>8}{'work, s':>10}{'whole, s':>10}{'epoch, ms':>12}")
    with tempfile.TemporaryDirectory() as place:
        study = write_study(Path(place), size)
        equals_study = write_study(Path(place), size, further=ITS_EQUALS, name="equals")
        more_study = write_study(Path(place), size, further=ONE_MORE, name="one-more")

        def take(what: str, study: Path, store: str, count: int, *options: str) -> Spent:
            spent = run_watched(study, Path(place) / store, "--workers", str(count), *options)
            print(told(what, spent), flush=True)
            return spent

        shared = take(f"shared, {WORKERS} workers", study, "two", WORKERS)
        straight = take(f"not shared, {WORKERS} workers", study, "straight", WORKERS, "--no-sharing")
        alone = take("shared, 1 worker", study, "one", 1)
        again = min((take("again, from the store", study, "one", 0) for _ in range(3)), key=lambda spent: spent.work)
        equal = take(f"and {EQUALS} more arms, equal answers", equals_study, "one", 0)
        more = take("and one more feedback arm", more_study, "one", 0)
    if shared.epochs != size.epochs_shared:
        print(f"{size.epochs_shared} epochs were expected: branches met, because arms answered alike")
    print(heading("what sharing saves"))
    for row in [*saving(size, straight, shared), *workers(alone, shared)]:
        print(row)
    print(heading("costs in epochs"))
    for row in costs(size, alone, again, equal, more):
        print(row)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
