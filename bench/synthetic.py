"""A book of any number of chapters, for measuring how builds grow.

Its chapters are nonsense of the shape of the real ones: a script in sections, which is recorded,
facts and claims, formulas, a table, a figure, citations, exercises with solutions. The
recorder and the press are the book's own, copied.
"""

import random
import shutil
from datetime import date
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
COPIED = (*("recorder", "press", "book/conf.py", "requirements.lock", "CITATION.cff", "LICENSE"),)
TIERS = ("01-foundations", "02-alignment", "03-systems", "04-agents")
NONSENSE = """a number that nobody asked for stands beside each token until the loss has seen it
once more and the row of weights which held it moves a little while all others wait their turn"""
WORDS = NONSENSE.split()
DAY = date(2026, 11, 22)  # on which all of it was written
SECTIONS = 12  # of a script; a chapter has as many paragraphs of 120 words, and formulas
PICTURE = "01-foundations/microtokenizer-cuts"  # lent by the real book to every chapter


def write(folder: Path, chapters: int) -> list[str]:
    """Make the book's sources in an empty folder, but for its runs; the tier/name of each."""
    for name in COPIED:
        source, target = ROOT / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, target)
    names = [f"{TIERS[place * len(TIERS) // chapters]}/nano{place:03}" for place in range(chapters)]
    for place, name in enumerate(names):
        _chapter(folder, name, names[place - 1].split("/")[1] if place else "")
    _frame(folder, names)
    return names


def _put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _chapter(folder: Path, name: str, before: str) -> None:
    """One chapter in all its rooms."""
    stem, draw = name.split("/")[1], random.Random(name)
    _put(folder / "scripts" / f"{name}.py", _script(stem))
    _put(folder / "book" / f"{name}.md", _text(stem, before, draw))
    solution = f":::{{solution}} ex-{stem}-one\n{_prose(draw, 60)}\n:::\n"
    _put(folder / "book" / "back" / "solutions" / f"{stem}.md", f"## {stem}\n\n{solution}")
    for ending in (".svg", "-dark.svg", ".pdf"):
        target = folder / "build" / "figures" / f"{name}-cuts{ending}"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / "build" / "figures" / f"{PICTURE}{ending}", target)


def _script(stem: str) -> str:
    parts = [f'"""{stem}."""\n']
    for part in range(SECTIONS):
        body = "".join(f"    total += {line} * number  # row {line}\n" for line in range(14))
        head = f"# === Step {part} of {stem} ===\ndef step_{part}(number):\n    total = 0\n"
        parts.append(f"{head}{body}    return total\n\n")
    show = (
        f'for step in range(30):\n    print(f"step {{step:2}} | {stem} {{step_{part}(step):6}}")\n'
    )
    return "\n".join([*parts, f"# === Show {stem} ===\n{show}"])


def _text(stem: str, before: str, draw: random.Random) -> str:
    head = {
        "teaches": f"how {stem} works",
        "added": DAY,
        "paper": _works(stem)[0],
        "builds_on": [before] if before else [],
        "facts": {"first": r"step  1 \| \w+ +(\d+)", "last": r"step 29 \| \w+ +(\d+)"},
    }
    lines = [
        f"---\n{yaml.safe_dump(head)}---\n# About {stem}\n",
        f"{_prose(draw, 120)} {{cite:p}}`{','.join(_works(stem))}`\n",
        "```{drawn} cuts\n:alt: Boxes.\nWhat others have drawn.\n```\n",
        "| symbol | name | shape |\n|---|---|---|\n| $x$ | `number` | 1 |\n\n## The walk\n",
        f"{_prose(draw, 60)}\n\n```{{listing}} Docstring\n```\n",
    ]
    for part in range(SECTIONS):
        formula = f"$$\ny_{{{part}}} = \\sum_{{i=0}}^{{13}} i \\, x_{{{part}}}\n$$\n"
        listing = f"```{{listing}} Step {part} of {stem}\n```\n"
        lines += [f"{_prose(draw, 120)} Here $x_{{{part}}} > 0$.\n\n{formula}", listing]
    return "\n".join(
        [
            *lines,
            f"{_prose(draw, 60)}\n\n```{{listing}} Show {stem}\n```\n",
            "## The run\n\nFrom {fact}`first` to {fact}`last`. {claim}`last > first`\n",
            "```{transcript}\n```\n",
            f"## Exercises\n\n:::{{exercise}} One\n:label: ex-{stem}-one\n\nWhy?\n:::\n",
        ]
    )


def _works(stem: str) -> list[str]:
    """The keys of the works that a chapter cites."""
    return [f"{stem}{letter}" for letter in "abcdefghijklmno"]


def _reference(key: str) -> str:
    return (
        f"@article{{{key},\n  author = {{{key.capitalize()}, Jane}},\n"
        f"  title = {{On {key}}},\n  journal = {{Annals}},\n  year = {{2020}}\n}}\n"
    )


def _prose(draw: random.Random, words: int) -> str:
    """Words in sentences of twelve."""
    sentences = [" ".join(draw.choices(WORDS, k=12)).capitalize() + "." for _ in range(words // 12)]
    return "\n".join(sentences)


def _frame(folder: Path, names: list[str]) -> None:
    """What stands around the chapters."""
    stems = [name.split("/")[1] for name in names]
    _put(folder / "book" / "path.txt", "\n".join(stems) + "\n")
    _put(folder / "scripts" / "data" / "SHA256SUMS", "")
    works = "\n".join(_reference(key) for stem in stems for key in _works(stem))
    _put(folder / "references.bib", works)
    tiers = sorted({name.split("/")[0] for name in names})
    for tier in tiers:
        inside = "\n".join(name.split("/")[1] for name in names if name.startswith(tier))
        opener = f"---\nplanned: [more]\n---\n# Part {tier[3:]}\n\n```{{toctree}}\n{inside}\n```\n"
        _put(folder / "book" / tier / "index.md", opener)
    includes = "\n".join(f"```{{include}} solutions/{stem}.md\n```\n" for stem in stems)
    _put(folder / "book" / "back" / "solutions.md", f"# Solutions\n\n{includes}")
    _put(folder / "book" / "back" / "bibliography.md", "# Works\n\n```{bibliography}\n```\n")
    _put(folder / "book" / "front" / "preface.md", "# Preface\n\n```{path}\n```\n")
    inside = "\n".join(f"{tier}/index" for tier in tiers)
    _put(
        folder / "book" / "index.md",
        "# A large book\n\n```{toctree}\nfront/preface\n```\n\n"
        f"```{{toctree}}\n:numbered:\n\n{inside}\n```\n\n"
        "```{toctree}\nback/solutions\nback/bibliography\n```\n",
    )
