"""Sentences on the runs of a study: what is done, what failed, waits or is missing, and what cannot be compared."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection

from imil_sim.errors import several
from imil_sim.report.analysis import MAIN, Analysis, SetAnalysis, Status
from imil_sim.report.document import Statement
from imil_sim.report.phrases import first_of, images_of, in_primary_metric, primary_metric
from imil_sim.report.tables.text import METRIC_NAMES, ranges
from imil_sim.stats.contrast import flat_runs, no_spread

MOST_CHARACTERS = 160
"""Of the reason why a run failed."""

_QUOTED_PATH = re.compile(r"""(['"])(?:file://|~|[A-Za-z]:|\\\\)?[/\\][^'"]*?([^'"/\\]+)[/\\]?\1""")
_PATH = re.compile(
    r"""(?<![\w.~/\\-])(?:file://|~|[A-Za-z]:|\\)?[/\\](?:[^\s'"/\\,;()]+[/\\])*([^\s'"/\\,;()]+)[/\\]?"""
)
"""An absolute path, quoted or not, with its last part: the rest is the machine's."""

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z])")


def progress(analysis: Analysis) -> list[Statement]:
    """That the report is partial, where it is."""
    counts = Counter(run.status for run in analysis.runs.values())
    total = len(analysis.runs)
    if counts["done"] == total:
        return []
    words: dict[Status, str] = {"failed": "failed", "waiting": "waiting for answers", "missing": "missing"}
    told = ", ".join(f"{counts[status]} {word}" for status, word in words.items() if counts[status])
    if not counts["done"]:
        text = f"No run of this study is done, so there is nothing to compare. Of {several(total, 'run')}: {told}."
        return [Statement(text, "caution")]
    are = "is" if counts["done"] == 1 else "are"
    text = f"This report is partial: {counts['done']} of {total} runs {are} done ({told}); all below rests on "
    text += "that one." if counts["done"] == 1 else "those done."
    if counts["waiting"] or counts["missing"]:
        # Looking after every seed from 5 to 30 gives 23% false positives at nominal 5.
        text += " Whoever looks before the others are there and stops where it suits finds differences too easily."
    return [Statement(text, "caution")]


def whole(analysis: Analysis, of: SetAnalysis) -> list[Statement]:
    """That all runs are done, where they are."""
    if any(run.status != "done" for run in analysis.runs.values()):
        return []
    arms, seeds = len(analysis.arms), len(analysis.seeds)
    what = f"{several(arms, 'arm')}, {several(seeds, 'seed')}, {images_of(of)}"
    done = f"All {arms * seeds} runs are done" if arms * seeds > 1 else "The one run is done"
    return [Statement(f"{done}: {what}.")]


def fates(analysis: Analysis) -> list[Statement]:
    """Which runs failed, wait or are missing, and why."""
    words = {"failed": "Failed", "waiting": "Waiting for answers", "missing": "Missing"}
    told = []
    for status, word in words.items():
        runs = [run for run in analysis.runs.values() if run.status == status]
        if not runs:
            continue
        arms = dict.fromkeys(run.arm for run in runs)
        places = [f"{arm} ({_seeds([run.seed for run in runs if run.arm == arm])})" for arm in arms]
        reasons = dict.fromkeys(_short(run.record.reason) for run in runs if run.record and run.record.reason)
        why = f" Reasons: {first_of(list(reasons), 2, 'other', '; ')}." if reasons else ""
        told.append(Statement(f"{word}: {several(len(runs), 'run')}, of {first_of(places)}.{why}", "caution"))
    return told


def unusable(analysis: Analysis) -> list[Statement]:
    """That runs are done and yet nothing can be made of them, where it is so."""
    done = sum(run.status == "done" for run in analysis.runs.values())
    text = f"{several(done, 'run')} done, and no predictions that are numbers: training went wrong without an error."
    return [Statement(text, "bad")] if done else []


def left_out(analysis: Analysis, named: Collection[str] = ()) -> list[Statement]:
    """Which arms are done and yet not compared, but for those ``named`` already on the study's own test set."""
    told = []
    for name, of in analysis.sets.items():
        arms = [f"{arm}: {why}" for arm, why in of.incomparable.items() if name != MAIN or arm not in named]
        if arms:
            where = "" if name == MAIN else f" on the test set {name}"
            told.append(Statement(f"Not compared{where}: {first_of(arms, separator='; ')}.", "caution"))
    return told


def warned(analysis: Analysis, of: SetAnalysis) -> list[Statement]:
    """What a reader must know before believing the intervals: once for all planned comparisons, the arms named."""
    compared = in_primary_metric(of.planned)
    places = sorted({place for one in compared if one.primary.warnings for place in (one.arm, one.reference)})
    metric = primary_metric(of)
    flat, known = flat_runs(of.components[metric], places)
    if not flat.any():
        return []
    text = no_spread(int(flat.sum()), int(known.sum()), METRIC_NAMES[metric])
    arms = [analysis.arms[place] for place, row in zip(places, flat, strict=True) if row.any()]
    return [Statement(f"Read with care: {text} ({first_of(arms)}).", "caution")]


def environments(analysis: Analysis) -> list[Statement]:
    """In what the runs differ besides their specs."""
    if not analysis.environments:
        return []
    text = f"The runs were made in different environments, which can move numbers too: {analysis.environments}."
    return [Statement(text, "caution")]


def _seeds(seeds: list[int]) -> str:
    return f"seed{'' if len(seeds) == 1 else 's'} {ranges(seeds)}"


def _short(reason: str) -> str:
    """The first sentence of a reason on one line, without places of the machine, cut between words where it is long."""
    line = " ".join(reason.split())
    line = _PATH.sub(r"\1", _QUOTED_PATH.sub(r"\1\2\1", line))
    line = _SENTENCE_END.split(line)[0].rstrip(".")
    if len(line) <= MOST_CHARACTERS:
        return line
    words = line[: MOST_CHARACTERS + 1].rsplit(" ", 1)[0]
    return f"{words[:MOST_CHARACTERS]} ..."
