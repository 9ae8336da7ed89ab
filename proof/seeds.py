"""Every claim for four seeds, and how far the headline numbers spread.

A claim that holds for one lucky seed is no claim. The book's own runs have SEED = 1; an experiment
that sets SEED itself, or has seeds, keeps its own, and the long ones are as they were recorded.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from pathlib import Path

from proof.claims import Facts
from proof.table import Row, columns
from proof.trial import Trial, recorded, sealed
from recorder.errors import BookError
from recorder.layout import ROOT
from recorder.plan import Run

BOOK, OTHERS = 1, (0, 2, 3)


def prove(root: Path = ROOT) -> Iterator[Row]:
    """The rows of each seed; prints the table of spreads."""
    book, beside = recorded(root), sealed(root)
    facts = {BOOK: Facts(root, book)}
    for seed in OTHERS:
        trial = Trial(root, "seeds", f"SEED = {seed}", f"seed-{seed}", beside=beside)
        runs = [_seeded(run, seed) for run in book]
        yield from trial.rows(runs)
        facts[seed] = Facts(trial.root, trial.moved(runs))
    _print_spreads(dict(sorted(facts.items())))


def _seeded(run: Run, seed: int) -> Run:
    return replace(run, set={"SEED": seed, **run.set})


def _print_spreads(facts: dict[int, Facts]) -> None:
    """A line for each headline fact: its value for each seed, the least and the greatest."""
    lines = [("chapter", "headline", *(f"seed {seed}" for seed in facts), "least .. greatest")]
    for chapter, declared in facts[BOOK].headers.items():
        for fact in declared.headline:
            values = [_value(of, chapter, fact) for of in facts.values()]
            lines.append((chapter.split("/")[1], fact, *values, _spread(values)))
    print(columns(lines, right=range(2, len(facts) + 2)))


def _value(facts: Facts, chapter: str, fact: str) -> str:
    """A fact as printed, a dash where its run failed or does not print it."""
    try:
        return str(facts.printed(fact, chapter))
    except BookError:
        return "-"


def _spread(values: list[str]) -> str:
    """_spread(["1,200", "0.5", "-"]) -> "0.5 .. 1,200"; a word is no number, and has none."""
    with suppress(InvalidOperation):
        known = [value for value in values if value != "-"]
        ordered = sorted(known, key=lambda value: Decimal(value.replace(",", "")))
        return f"{ordered[0]} .. {ordered[-1]}"
    return ""
