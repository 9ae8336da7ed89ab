"""What is stale is run, what is fresh is left, what fails harms nothing."""

import json
from pathlib import Path

import pytest

from recorder import guard, records
from recorder.child import Child, Limits
from recorder.errors import BookError
from recorder.plan import Run
from recorder.progress import Progress
from tests.workshop import READS, TIER, Workshop


def test_transcripts_and_records(recorded: Workshop) -> None:
    assert recorded.text("one") == "2 anna\n"
    assert recorded.text("one--more") == "3 anna\n"
    record = recorded.json("one--more")
    script = (recorded.root / "scripts" / TIER / "one.py").read_bytes()
    assert record["script"] == f"scripts/{TIER}/one.py"
    assert record["experiment"] == "more"
    assert record["set"] == {"STEPS": 3}
    assert record["script_sha256"] == records.sha256(script)
    assert record["data"] == {"scripts/data/names": records.sha256(b"anna")}
    assert record["transcript_sha256"] == records.sha256(b"3 anna\n")
    assert record["output_bytes"] == 7
    assert record["exit_status"] == 0
    assert record["user_seconds"] > 0
    assert record["peak_memory"] > 1_000_000
    assert record["date"].endswith("+00:00")
    for key in ("python", "implementation", "platform", "machine", "cpu"):
        assert record[key]
    assert recorded.json("one")["experiment"] is None


def test_transcripts_are_readable_by_whom_other_files_are(recorded: Workshop) -> None:
    plain = recorded.write("plain", "")
    assert recorded.path("one").stat().st_mode == plain.stat().st_mode


def test_what_is_fresh_is_left(recorded: Workshop) -> None:
    before = recorded.path("one").stat().st_mtime_ns
    assert recorded.record(fresh=True) == []
    assert recorded.ran() == []
    assert recorded.path("one").stat().st_mtime_ns == before
    assert "Runs: 2 fresh, 0 from the cache, 0 to do." in recorded.said


def altered(key: str, value: object):
    """A change to the record of the main run, which vouches for it."""

    def alter(recorded: Workshop, _: pytest.MonkeyPatch) -> None:
        record = {**recorded.json("one"), key: value}
        sealed = {**record, "record_sha256": records.seal(record)}
        recorded.path("one", ".json").write_text(json.dumps(sealed))

    return alter


def unsealed(recorded: Workshop, _: pytest.MonkeyPatch) -> None:
    record = {**recorded.json("one"), "cpu": "another"}
    recorded.path("one", ".json").write_text(json.dumps(record))


def without_unread_data(recorded: Workshop, _: pytest.MonkeyPatch) -> None:
    recorded.data(names="anna", unread="y")


@pytest.mark.parametrize(
    ("change", "rerun"),
    [
        (lambda recorded, _: recorded.script("one", READS + "print()"), ["one", "one--more"]),
        (lambda recorded, _: recorded.script("one", "# said\n" + READS), []),
        (lambda recorded, _: recorded.data(names="bob", unread="x"), ["one", "one--more"]),
        (without_unread_data, []),
        (
            lambda recorded, _: recorded.chapter("one", "experiments: {more: {set: {STEPS: 4}}}"),
            ["one--more"],
        ),
        (lambda recorded, _: recorded.path("one").unlink(), ["one"]),
        (lambda recorded, _: recorded.path("one", ".json").unlink(), ["one"]),
        (lambda recorded, _: recorded.path("one").write_text("2 ann"), ["one"]),
        (lambda recorded, _: recorded.path("one", ".json").write_text("{"), ["one"]),
        (lambda recorded, _: recorded.path("one", ".json").write_text("[]"), ["one"]),
        (altered("python", "3.11.0"), ["one"]),
        (altered("implementation", "PyPy"), ["one"]),
        (altered("platform", "Darwin arm64"), ["one"]),
        (altered("guard", 0), ["one"]),
        (altered("data", {"scripts/data/gone": "0"}), ["one"]),
        (altered("data", None), ["one"]),
        (altered("cpu", "another"), []),
        (unsealed, ["one"]),
        (
            lambda _, monkeypatch: monkeypatch.setattr(guard, "FORMAT", guard.FORMAT + 1),
            ["one", "one--more"],
        ),
    ],
)
def test_what_is_stale_is_run(recorded: Workshop, monkeypatch, change, rerun: list[str]) -> None:
    change(recorded, monkeypatch)
    assert recorded.record(fresh=True) == []
    assert sorted(recorded.ran()) == rerun
    assert recorded.record(fresh=True) == []
    assert recorded.ran() == []


def test_only_the_named_scripts_run(recorded: Workshop) -> None:
    recorded.script("two", "print(2)")
    recorded.script("three", "print(3)")
    assert recorded.record("two") == []
    assert recorded.ran() == ["two"]
    with pytest.raises(BookError, match=r"no script '01-tier/four'; there are 01-tier/one, "):
        recorded.record("four")


def test_orphans_go_and_nothing_else(recorded: Workshop) -> None:
    recorded.script("two", "print(2)")
    assert recorded.record() == []
    (recorded.root / "scripts" / TIER / "two.py").unlink()
    recorded.chapter("one", "facts: {}")
    leftover = recorded.path(".one.txt.abc", ".part")
    leftover.write_text("ha")
    other = recorded.path("notes", ".md")
    other.write_text("mine")
    assert recorded.record() == []
    left = {path.name for path in (recorded.root / "build" / "runs" / TIER).iterdir()}
    assert left == {"one.txt", "one.json", "notes.md"}


def test_a_failure_keeps_the_last_good_run_and_harms_no_neighbour(recorded: Workshop) -> None:
    before = (recorded.text("one"), recorded.json("one"))
    recorded.script("one", READS + "1 / 0\n")
    recorded.script("two", "print(2)")
    failures = recorded.record()
    assert {failure.run.label for failure in failures} == {f"{TIER}/one", f"{TIER}/one--more"}
    assert (recorded.text("one"), recorded.json("one")) == before
    assert recorded.text("two") == "2\n"
    assert len(recorded.record()) == 2
    assert sorted(recorded.ran()) == ["one", "one--more"]
    recorded.script("one", READS)
    assert recorded.record(fresh=True) == []
    assert recorded.ran() == []


def test_a_script_that_changes_while_it_runs_is_not_kept(recorded: Workshop) -> None:
    for change in (lambda: recorded.script("one", READS + "0"), lambda: recorded.data(names="b")):
        recorded.script("one", READS + "1")
        recorded.data(names="anna")
        poll = Child.poll

        def late(child: Child, change=change, poll=poll):
            outcome = poll(child)
            if outcome:
                change()
            return outcome

        with pytest.MonkeyPatch.context() as monkeypatch:
            monkeypatch.setattr(Child, "poll", late)
            failures = recorded.record(fresh=True, processes=1)
        assert "the script or its data changed while it ran" in str(failures[0])


def test_data_that_nobody_vouches_for_is_refused(recorded: Workshop) -> None:
    recorded.write("scripts/data/SHA256SUMS", "")
    recorded.script("one", READS + "#")
    failures = recorded.record()
    assert "it read scripts/data/names, which SHA256SUMS there does not list." in str(failures[0])


@pytest.mark.parametrize(
    ("change", "word"),
    [(Path.unlink, "missing"), (lambda path: path.write_text("bob"), "altered")],
)
def test_bad_data_is_told_before_anything_runs(recorded: Workshop, change, word: str) -> None:
    change(recorded.root / "scripts" / "data" / "names")
    recorded.script("one", READS + "#")
    digest = records.sha256(b"anna")
    with pytest.raises(BookError) as error:
        recorded.record()
    assert str(error.value) == (
        f"scripts/data/names is {word}; put back the file with SHA-256 {digest}."
    )


def test_longest_first_and_unknown_ones_before(workshop: Workshop) -> None:
    for name, seconds in {"a": 1.0, "b": None, "c": 60.0, "d": 20.0}.items():
        workshop.script(name, f"print('{name}')")
        workshop.record(name)
        record = workshop.json(name)
        if seconds is None:
            workshop.path(name, ".json").unlink()
        else:
            altered = {**record, "user_seconds": seconds, "guard": 0}
            workshop.path(name, ".json").write_text(json.dumps(altered))
    assert workshop.record(fresh=True, processes=1) == []
    assert workshop.ran() == ["b", "c", "d", "a"]
    assert f"{TIER}/c: runs, about 60 s" in workshop.said
    assert f"{TIER}/b: runs, for the first time" in workshop.said


class CountedChild(Child):
    """Counts the children that are not closed: now, and at most."""

    now = most = 0

    def __init__(self, run: Run, limits: Limits) -> None:
        super().__init__(run, limits)
        CountedChild.now += 1
        CountedChild.most = max(self.most, self.now)
        self.counted = True

    def close(self) -> None:
        super().close()
        CountedChild.now -= self.counted
        self.counted = False


def test_no_more_processes_than_cores(workshop: Workshop, monkeypatch) -> None:
    monkeypatch.setattr("recorder.run.Child", CountedChild)
    monkeypatch.setattr(CountedChild, "most", 0)
    for number in range(5):
        workshop.script(f"s{number}", "print(1)")
    assert workshop.record(processes=2) == []
    assert (CountedChild.now, CountedChild.most) == (0, 2)


def test_whatever_happens_all_children_are_closed(workshop: Workshop, monkeypatch) -> None:
    def interrupted(_: Progress) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("recorder.run.Child", CountedChild)
    monkeypatch.setattr(Progress, "tick", interrupted)
    workshop.script("one", "while True: pass")
    workshop.script("two", "while True: pass")
    with pytest.raises(KeyboardInterrupt):
        workshop.record()
    assert CountedChild.now == 0


@pytest.mark.usefixtures("from_first_word")
def test_no_temporary_folder_stays(workshop: Workshop, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    workshop.script("good", "import os, sys\nprint(os.getcwd())\n")
    workshop.script("bad", "1 / 0")
    workshop.script("slow", "print(1, flush=True)\nwhile True: pass")
    assert len(workshop.record(limits=Limits(seconds=1))) == 2
    assert workshop.text("good").startswith(str(tmp_path / "tmp"))
    assert not list((tmp_path / "tmp").iterdir())


def test_recording_locks_as_nfs_wants_it(recorded: Workshop, nfs: list[int]) -> None:
    assert recorded.record() == []
    assert len(nfs) == 1


def test_a_draft_runs_no_experiment(recorded: Workshop) -> None:
    before = recorded.text("one--more")
    recorded.script("one", READS.replace("STEPS = 2", "STEPS = 5"))
    assert recorded.record(draft=True) == []
    assert recorded.ran() == ["one"]
    assert "1 to do" in recorded.said and ", 1 left out of the draft." in recorded.said
    assert recorded.text("one--more") == before
    assert recorded.record() == []
    assert recorded.ran() == ["one--more"]


def test_a_draft_sets_aside_what_it_replaces_until_the_book_is_made(recorded: Workshop) -> None:
    was = recorded.root / "build" / "was" / "build" / "runs" / TIER / "one.txt"
    before = recorded.text("one")
    for steps in (5, 6):
        recorded.script("one", READS.replace("STEPS = 2", f"STEPS = {steps}"))
        assert recorded.record(draft=True) == []
        assert was.read_text(encoding="utf-8") == before != recorded.text("one")
    assert recorded.record() == []
    assert not was.exists()


def test_every_field_of_a_record_is_sealed(recorded: Workshop) -> None:
    record = recorded.json("one")
    others = {key: records.seal(record | {key: "another"}) for key in record}
    assert [key for key, seal in others.items() if seal == records.seal(record)] == [
        "record_sha256"
    ]
