"""Two clones share their finished runs, and trust no entry that does not vouch for itself."""

import json
import os
from pathlib import Path

import pytest

from recorder import records
from recorder.cache import KEPT, user_folder
from tests.workshop import READS, TIER, Workshop


def entries(recorded: Workshop) -> list[Path]:
    return sorted(recorded.cache.rglob("*.json"))


def test_a_second_clone_takes_its_runs_from_the_cache(recorded: Workshop) -> None:
    clone = recorded.clone("second")
    assert clone.record() == []
    assert clone.ran() == []
    assert "0 fresh, 2 from the cache, 0 to do" in clone.said
    assert (clone.text("one"), clone.json("one")) == (recorded.text("one"), recorded.json("one"))
    assert clone.record() == []
    assert "2 fresh, 0 from the cache" in clone.said


def test_fresh_ignores_the_cache_but_fills_it(recorded: Workshop) -> None:
    second, third, fourth = (recorded.clone(name) for name in ("second", "third", "fourth"))
    assert second.record(fresh=True) == []
    assert sorted(second.ran()) == ["one", "one--more"]
    assert second.said.count("for the first time") == 2
    for entry in entries(recorded):
        entry.unlink()
    assert third.record(fresh=True) == []
    assert fourth.record() == []
    assert fourth.ran() == []


@pytest.mark.parametrize(
    "change",
    [
        lambda clone: clone.script("one", READS + "0"),
        lambda clone: clone.data(names="bob"),
        lambda clone: clone.chapter("one", "experiments: {more: {set: {STEPS: 4}}}"),
    ],
)
def test_the_cache_gives_nothing_for_other_inputs(recorded: Workshop, change) -> None:
    clone = recorded.clone("second")
    change(clone)
    assert clone.record() == []
    assert "one--more" in clone.ran()
    assert f"{TIER}/one--more: runs, about 0 s" in clone.said  # it knows how long it took


@pytest.mark.parametrize("key", ["code_sha256", "python", "implementation", "platform", "guard"])
def test_the_cache_is_keyed_by_every_input(recorded: Workshop, key: str, monkeypatch) -> None:
    real = records.inputs
    monkeypatch.setattr(records, "inputs", lambda *run: {**real(*run), key: "other"})
    clone = recorded.clone("second")
    assert clone.record() == []
    assert sorted(clone.ran()) == ["one", "one--more"]
    assert len(entries(recorded)) == 4


def broken_text(entry: Path) -> None:
    content = json.loads(entry.read_text())
    entry.write_text(json.dumps({**content, "transcript": "2 ann"}))


@pytest.mark.parametrize(
    "change",
    [
        lambda entry: entry.write_bytes(b"\xff\x00"),
        lambda entry: entry.write_text(entry.read_text()[:-9]),
        lambda entry: entry.write_text("[]"),
        lambda entry: entry.write_text('{"record": [], "transcript": ""}'),
        lambda entry: entry.write_text('{"record": {}, "transcript": ""}'),
        lambda entry: entry.write_text('{"record": {"user_seconds": 1}}'),
        broken_text,
    ],
)
def test_a_broken_entry_is_ignored_and_replaced(recorded: Workshop, change) -> None:
    for entry in entries(recorded):
        change(entry)
    clone = recorded.clone("second")
    assert clone.record() == []
    assert sorted(clone.ran()) == ["one", "one--more"]
    assert recorded.clone("second").record() == []
    third = recorded.clone("third")
    assert third.record() == []
    assert third.ran() == []


def test_the_cache_keeps_the_newest_few(workshop: Workshop) -> None:
    for number in range(KEPT + 2):
        workshop.script("one", f"print({number})")
        assert workshop.record() == []
        for age, entry in enumerate(sorted(entries(workshop), key=lambda e: -e.stat().st_mtime)):
            os.utime(entry, (1e9 - age, 1e9 - age))
    kept = sorted(json.loads(entry.read_text())["transcript"] for entry in entries(workshop))
    assert kept == sorted(f"{number}\n" for number in range(2, KEPT + 2))


def test_a_cache_that_cannot_be_written_is_no_reason_to_fail(workshop: Workshop) -> None:
    workshop.cache.write_text("a file where the folder should be")
    workshop.script("one", "print(1)")
    assert workshop.record() == []
    assert workshop.text("one") == "1\n"


def test_where_the_cache_is(monkeypatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/caches")
    assert user_folder() == Path("/caches/no-magic/runs")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/reader")
    assert user_folder() == Path("/home/reader/.cache/no-magic/runs")
