"""Read the front matter of a chapter: its paper, its place, its facts and its experiments."""

import json
import re
from collections.abc import Hashable
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from recorder.errors import BookError
from recorder.layout import shown
from recorder.patterns import compiled

FRONT_MATTER = re.compile(r"\A---[ \t]*\n(.*?)^---[ \t]*$", re.DOTALL | re.MULTILINE)
FACT_NAME = re.compile(r"[a-z][a-z0-9_]*")
EXPERIMENT_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
CONSTANT_NAME = re.compile(r"[A-Z][A-Z0-9_]*")
CHAPTER_NAME = re.compile(r"[a-z][a-z0-9]*")
KEYS = {"teaches", "added", "paper", "builds_on", "terms", "headline", "facts", "experiments"}
TERM = re.compile(r"\S(.*\S)?")


@dataclass(frozen=True)
class Experiment:
    """New values for constants of the chapter's script, and the facts of that run.

    With `seeds` it is a run for each, and every fact has a value for each. A `long` one is not run
    by builds: `make long` records it, and the record is committed.
    """

    set: dict[str, Any]
    facts: dict[str, str] = field(default_factory=dict)
    seeds: tuple[int, ...] = ()
    long: bool = False


@dataclass(frozen=True)
class Header:
    """What a chapter's front matter declares: facts are name -> pattern.

    `teaches` is a line for lists of chapters; `added` the day on which the chapter joined the
    book; `paper` the key, in references.bib, of the original paper; `builds_on` names the chapters
    that the reader needs first, by script; `terms` are the glossary's terms that the chapter
    introduces; `headline` names the facts whose spread over seeds `make prove` prints.
    """

    facts: dict[str, str] = field(default_factory=dict)
    experiments: dict[str, Experiment] = field(default_factory=dict)
    paper: str | None = None
    teaches: str | None = None
    added: date | None = None
    builds_on: tuple[str, ...] = ()
    terms: tuple[str, ...] = ()
    headline: tuple[str, ...] = ()

    @property
    def all_facts(self) -> dict[str, tuple[str | None, str]]:
        """Name -> (experiment, pattern) of every fact; the main run's experiment is None."""
        found: dict[str, tuple[str | None, str]] = {}
        found |= {name: (None, pattern) for name, pattern in self.facts.items()}
        for experiment, body in self.experiments.items():
            found |= {name: (experiment, pattern) for name, pattern in body.facts.items()}
        return found


def read(path: Path) -> Header:
    """The header of the chapter at `path`. Raises BookError naming the file and the remedy."""
    return parse(path.read_text(encoding="utf-8"), path)


@cache
def parse(text: str, path: Path) -> Header:
    """The header of a chapter's text, empty when it has no front matter; `path` is for messages."""
    found = FRONT_MATTER.match(text)
    if not found:
        if text.startswith("---"):
            raise BookError(f"{shown(path)}: the header is never closed; end it with a line '---'.")
        return Header()
    try:
        data = yaml.load("\n" + found[1], _Loader)  # "\n": line numbers as in the file
        fields = _mapping(data, "the header", KEYS)
        header = Header(
            facts=_facts(fields.get("facts"), "facts"),
            experiments=_experiments(fields.get("experiments")),
            paper=_line(fields.get("paper"), "paper", "one key of references.bib"),
            teaches=_line(fields.get("teaches"), "teaches", "one line in quotes"),
            added=_day(fields.get("added"), "added"),
            builds_on=_list(fields.get("builds_on"), "builds_on", CHAPTER_NAME),
            terms=_list(fields.get("terms"), "terms", TERM),
            headline=_list(fields.get("headline"), "headline", FACT_NAME),
        )
        _refuse_shared_names(header)
        _refuse_unknown_headlines(header)
    except yaml.YAMLError as error:
        raise BookError(f"{shown(path)}: the header is not YAML: {_located(error)}.") from error
    except ValueError as error:
        raise BookError(f"{shown(path)}: {error}.") from error
    return header


class _Loader(yaml.SafeLoader):
    """YAML without its two traps: doubled keys are errors, and 1e-3 is a number."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key, _ in node.value:
            if str(key.value) in seen:
                line = key.start_mark.line + 1
                raise ValueError(f"'{key.value}' stands twice in the header (line {line})")
            seen.add(str(key.value))
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?[0-9][0-9_]*(\.[0-9_]*)?[eE][-+]?[0-9]+$"),
    list("-+0123456789"),
)


def _located(error: yaml.YAMLError) -> str:
    """One line of a YAML error, with its line in the file when it has one."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem and error.problem_mark:
        return f"{error.problem} at line {error.problem_mark.line + 1}"
    return str(error).replace("\n", " ")


def _mapping(data: object, what: str, allowed: set[str] | None = None) -> dict[str, Any]:
    """`data` as a mapping, {} for nothing at all; its keys are strings, all of them `allowed`."""
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise ValueError(f"{what} must be a mapping of names, not {data!r}")
    for key in data:
        if allowed is not None and key not in allowed:
            known = ", ".join(f"'{name}'" for name in sorted(allowed))
            raise ValueError(f"{what} has an unknown key '{key}'; known are {known}")
    return data


def _line(data: object, what: str, shape: str) -> str | None:
    if data is not None and (not isinstance(data, str) or "\n" in data):
        raise ValueError(f"'{what}' must be {shape}, not {data!r}")
    return data


def _day(data: object, what: str) -> date | None:
    if data is not None and type(data) is not date:
        raise ValueError(f"'{what}' must be a day such as 2026-11-22, not {data!r}")
    return data


def _list(data: object, what: str, shape: re.Pattern[str]) -> tuple[str, ...]:
    """`data` as a list of different words of one shape, () for nothing at all."""
    if data is None:
        return ()
    if not isinstance(data, list):
        raise ValueError(f"'{what}' must be a list, [one, another], not {data!r}")
    for place, word in enumerate(data):
        if not isinstance(word, str) or not shape.fullmatch(word):
            raise ValueError(f"{word!r} in '{what}' is no name; one there matches {shape.pattern}")
        if word in data[:place]:
            raise ValueError(f"'{word}' stands twice in '{what}'")
    return tuple(data)


def _named(data: object, what: str, shape: re.Pattern[str]) -> dict[str, Any]:
    """`data` as a mapping whose every key has the shape of a name."""
    mapping = _mapping(data, what)
    for name in mapping:
        if not isinstance(name, str) or not shape.fullmatch(name):
            raise ValueError(f"'{name}' in {what} is no name; a name there matches {shape.pattern}")
    return mapping


def _facts(data: object, what: str) -> dict[str, str]:
    facts = _named(data, what, FACT_NAME)
    for name, pattern in facts.items():
        _check_pattern(name, pattern)
    return facts


def _check_pattern(name: str, pattern: object) -> None:
    if not isinstance(pattern, str):
        raise ValueError(f"the fact '{name}' must be a pattern in quotes, not {pattern!r}")
    try:
        groups = compiled(pattern).groups
    except ValueError as error:
        raise ValueError(f"the fact '{name}' {error}") from error
    if groups != 1:
        raise ValueError(
            f"the pattern of the fact '{name}' has {groups} groups; "
            "put exactly one, (...), around the value and write (?:...) for others"
        )


def _experiments(data: object) -> dict[str, Experiment]:
    experiments = _named(data, "experiments", EXPERIMENT_NAME)
    return {name: _experiment(name, body) for name, body in experiments.items()}


def _experiment(name: str, data: object) -> Experiment:
    what = f"the experiment '{name}'"
    body = _mapping(data, what, {"set", "facts", "seeds", "long"})
    values = _named(body.get("set"), f"'set' of {what}", CONSTANT_NAME)
    seeds = _seeds(body.get("seeds"), what)
    if not values and not seeds:
        raise ValueError(
            f"{what} sets no constant; give it set: {{NAME: value}}, or seeds: [0, 1, 2, 3]"
        )
    if seeds and "SEED" in values:
        raise ValueError(f"{what} sets SEED and has seeds; take SEED out of its 'set'")
    long = body.get("long", bool(seeds))
    if not isinstance(long, bool):
        raise ValueError(f"'long' of {what} must be true or false, not {long!r}")
    for constant, value in values.items():
        if not _is_literal(value):
            raise ValueError(f"{what} sets {constant} to {value!r}, which is no plain literal")
    facts = _facts(body.get("facts"), f"'facts' of {what}")
    return Experiment(set=values, facts=facts, seeds=seeds, long=long)


def _seeds(data: object, what: str) -> tuple[int, ...]:
    """Two whole numbers or more, all different; () for nothing at all."""
    if data is None:
        return ()
    if not isinstance(data, list) or any(type(seed) is not int or seed < 0 for seed in data):
        raise ValueError(f"'seeds' of {what} must be a list of numbers, [0, 1, 2, 3], not {data!r}")
    if len(data) < 2 or len(set(data)) < len(data):
        raise ValueError(f"'seeds' of {what} must be two or more, each once, not {data!r}")
    return tuple(data)


def _is_literal(value: object) -> bool:
    """Whether JSON, and so the record, can say `value`: no date, no infinity, no numbered key."""
    try:
        return bool(json.loads(json.dumps(value, allow_nan=False)) == value)
    except (ValueError, TypeError):
        return False


def _refuse_shared_names(header: Header) -> None:
    """One name, one value: a chapter's prose names a fact without naming its run."""
    owners = dict.fromkeys(header.facts, "the main run")
    for experiment, body in header.experiments.items():
        for name in body.facts:
            if name in owners:
                raise ValueError(
                    f"the fact '{name}' is defined by {owners[name]} and again by "
                    f"the experiment '{experiment}'; rename one"
                )
            owners[name] = f"the experiment '{experiment}'"


def _refuse_unknown_headlines(header: Header) -> None:
    """Every headline is a fact of the main run or of an experiment that other seeds can repeat."""
    for name in header.headline:
        if name not in header.all_facts:
            raise ValueError(f"'headline' names '{name}', which is no fact of this header")
        experiment, _ = header.all_facts[name]
        if experiment and (
            header.experiments[experiment].seeds or header.experiments[experiment].long
        ):
            raise ValueError(
                f"'headline' names '{name}' of the experiment '{experiment}', which is long or has "
                "seeds of its own; name a fact that `make prove` can spread over seeds"
            )
