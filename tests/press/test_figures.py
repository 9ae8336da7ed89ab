"""The figures' driver: what it draws, when, and what it says when it cannot."""

import fcntl
import hashlib
import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pikepdf
import pytest

from press.figures import draw, style
from recorder import records
from recorder.plan import long_runs
from tests.workshop import wait_until

MODULE = r"""
from matplotlib import pyplot as plt
from press.figures import style


def learning_curve(run):
    figure, ax = plt.subplots()
    steps, losses = zip(*run.rows(r"step +(\d+) \| loss (\S+)"))
    ax.plot(steps, losses, color=style.ACCENT, label="loss")
    style.name_lines(ax)
    return figure


def idea(run):
    figure, ax = style.diagram(1.0)
    style.arrow(ax, style.box(ax, 1, 0.5, "$W$"), style.box(ax, 3, 0.5, "loss"), "$\theta$")
    return figure


def _helper(run):
    return 1 / 0


def helper(run, pattern):
    return 1 / 0
"""


class Book:
    """A book of one chapter, 01-first/tiny, with its recorded run."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.module = root / "book/figures/01-first/tiny.py"
        self.made = root / "build/figures/01-first"
        self.module.parent.mkdir(parents=True)
        self.write(MODULE)
        self.print("step 1 | loss 2.5\nstep 2 | loss 1.5\n")

    def write(self, source: str) -> None:
        self.module.write_text(source)

    def declare(self, experiments: str) -> None:
        """Write the chapter that has these experiments."""
        text = f"---\nexperiments: {{{experiments}}}\n---\n"
        (self.root / "book/01-first").mkdir(exist_ok=True)
        (self.root / "book/01-first/tiny.md").write_text(text)

    def print(self, text: str, name: str = "tiny", **record: object) -> None:
        path = self.root / f"build/runs/01-first/{name}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        record["transcript_sha256"] = hashlib.sha256(text.encode()).hexdigest()
        path.with_suffix(".json").write_text(json.dumps(record))

    def names(self) -> list[str]:
        return sorted(path.name for path in self.made.glob("*")) if self.made.exists() else []

    def bytes(self) -> dict[str, bytes]:
        return {name: (self.made / name).read_bytes() for name in self.names()}


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def book(tmp_path: Path) -> Book:
    return Book(tmp_path)


@pytest.fixture
def run(book: Book, capsys: pytest.CaptureFixture[str]) -> Run:
    def go(*arguments: str) -> tuple[int, str, str]:
        status = draw.main(list(arguments), book.root)
        out, err = capsys.readouterr()
        return status, out, err

    return go


def test_every_function_of_a_run_is_drawn_for_screen_and_print(book: Book, run: Run) -> None:
    status, out, err = run()
    assert (status, err) == (0, "")
    assert out.split() == ["drawn:", "01-first/tiny-learning-curve", "drawn:", "01-first/tiny-idea"]
    assert book.names() == [
        "tiny-idea-300dpi.png",
        "tiny-idea-dark.svg",
        "tiny-idea.pdf",
        "tiny-idea.svg",
        "tiny-learning-curve-300dpi.png",
        "tiny-learning-curve-dark.svg",
        "tiny-learning-curve.pdf",
        "tiny-learning-curve.svg",
        "tiny.json",
    ]
    light, dark = (
        (book.made / f"tiny-learning-curve{kind}.svg").read_text().lower() for kind in ("", "-dark")
    )
    assert str(style.LIGHT["ACCENT"]).lower() in light and str(style.DARK["INK"]).lower() in dark
    assert str(style.LIGHT["ACCENT"]).lower() not in dark


def test_a_figure_has_its_size_in_print_and_the_measure_on_screen(book: Book, run: Run) -> None:
    run()
    svg = (book.made / "tiny-learning-curve.svg").read_text()
    assert f'width="{38 * 16 * 72 / 96:.2f}pt"' in svg  # 38rem, as nomagic.css has it
    sheet = (draw.ROOT / "press/html/static/nomagic.css").read_text(encoding="utf-8")
    assert "--nm-measure: 38rem;" in sheet
    with pikepdf.open(book.made / "tiny-learning-curve.pdf") as pdf:
        width = float(pdf.pages[0].mediabox[2])
    assert abs(width - 132 * 72 / 25.4) < 0.01


def test_the_same_inputs_give_the_same_bytes(book: Book, run: Run) -> None:
    run()
    first = book.bytes()
    for path in book.made.iterdir():
        path.unlink()
    run()
    assert book.bytes() == first


def test_nothing_is_drawn_twice(book: Book, run: Run) -> None:
    run()
    assert run() == (0, "figures: up to date\n", "")


def test_a_new_transcript_redraws_what_read_it(book: Book, run: Run) -> None:
    run()
    book.print("step 1 | loss 2.5\nstep 2 | loss 1.25\n")
    assert run()[1] == "drawn: 01-first/tiny-learning-curve\n"


def test_a_new_record_redraws_nothing_that_read_the_text_alone(book: Book, run: Run) -> None:
    run()
    book.print("step 1 | loss 2.5\nstep 2 | loss 1.5\n", date="tomorrow")
    assert run()[1] == "figures: up to date\n"


def test_an_edited_module_redraws_all(book: Book, run: Run) -> None:
    run()
    book.write(MODULE.replace("style.diagram(1.0)", "style.diagram(1.5)"))
    assert run()[1].count("drawn") == 2


@pytest.mark.parametrize("name", ["tiny-idea.pdf", "tiny-idea-dark.svg"])
def test_a_figure_removed_or_cut_short_is_drawn_again(book: Book, run: Run, name: str) -> None:
    run()
    (book.made / name).unlink()
    assert run()[1] == "drawn: 01-first/tiny-idea\n"
    (book.made / name).write_text("half")
    assert run()[1] == "drawn: 01-first/tiny-idea\n"


@pytest.mark.parametrize("stamp", ["", "{", "[]", '{"idea": 1}', '{"idea": {"key": ""}}'])
def test_a_stamp_that_cannot_be_read_counts_for_nothing(book: Book, run: Run, stamp: str) -> None:
    run()
    (book.made / "tiny.json").write_text(stamp)
    assert run()[1].count("drawn") == 2


def test_orphans_go(book: Book, run: Run) -> None:
    run()
    (book.made / "tiny-old.svg").write_text("<svg/>")
    scratch, old = book.made / ".tiny-idea.svg.1", book.made / ".tiny-idea.svg.2"
    for path in (scratch, old):
        path.write_text("half")
    os.utime(old, (time.time() - 3600,) * 2)
    book.write(MODULE.replace("def idea", "def thought"))
    run()
    assert "tiny-thought.svg" in book.names() and "tiny-idea.svg" not in book.names()
    assert "tiny-old.svg" not in book.names()
    assert scratch.exists() and not old.exists()
    book.module.unlink()
    run()
    assert [name for name in book.names() if not name.startswith(".")] == []


def test_an_idea_needs_no_transcript(book: Book, run: Run) -> None:
    (book.root / "build/runs/01-first/tiny.txt").unlink()
    status, out, err = run()
    assert status == 1 and out == "drawn: 01-first/tiny-idea\n"
    assert err.startswith("error: book/figures/01-first/tiny.py, learning_curve: ")
    assert "make runs" in err and err.count("\n") == 1


def test_an_experiment_is_an_input_too(book: Book, run: Run) -> None:
    book.write(MODULE.replace("run.rows", 'run.experiment("no-mask").rows'))
    status, _, err = run()
    assert status == 1 and "has no experiment 'no-mask'" in err
    book.declare("no-mask: {set: {CAUSAL: false}}")
    status, _, err = run()
    assert status == 1 and "tiny--no-mask has no transcript yet; run `make runs`" in err
    book.print("step 1 | loss 3\nstep 2 | loss 2\n", "tiny--no-mask")
    assert run()[1] == "drawn: 01-first/tiny-learning-curve\n"
    book.print("step 1 | loss 3\nstep 2 | loss 2.5\n", "tiny--no-mask")
    assert run()[1] == "drawn: 01-first/tiny-learning-curve\n"


def test_a_long_run_is_drawn_as_long_as_its_record_holds(book: Book, run: Run) -> None:
    book.write(MODULE.replace("run.rows", "run.experiment('longer').rows"))
    book.declare("longer: {set: {STEPS: 9}, long: true}")
    script = book.root / "scripts/01-first/tiny.py"
    script.parent.mkdir(parents=True)
    script.write_text("STEPS = 2\n")
    [long] = long_runs(book.root)
    printed = b"step 1 | loss 3\nstep 2 | loss 2\n"
    record = {**records.begun(long), "data": {}, "transcript_sha256": records.sha256(printed)}
    records.keep(long, {**record, "record_sha256": records.seal(record)}, printed)
    assert run()[:2] == (0, "drawn: 01-first/tiny-learning-curve\ndrawn: 01-first/tiny-idea\n")
    assert run()[1] == "figures: up to date\n"
    script.write_text("STEPS = 2  # enough\n")
    assert run()[0] == 0
    script.write_text("STEPS = 3\n")
    status, _, err = run()
    assert status == 1 and "run `make long NAME=01-first/tiny`" in err


def test_every_seed_of_an_experiment_is_an_input(book: Book, run: Run) -> None:
    curve = "step +(\\d+) \\| loss (\\S+)"
    each = f"[row for one in run.seeds('wide') if one.seed != 7 for row in one.rows(r'{curve}')]"
    book.write(MODULE.replace(r'run.rows(r"step +(\d+) \| loss (\S+)")', each))
    book.declare("wide: {seeds: [7, 0, 3], long: false}")
    for seed in (0, 3, 7):
        book.print(f"step {seed} | loss {seed}\n", f"tiny--wide--seed-{seed}")
    assert run()[:2] == (0, "drawn: 01-first/tiny-learning-curve\ndrawn: 01-first/tiny-idea\n")
    book.print("step 3 | loss 4\n", "tiny--wide--seed-3")
    assert run()[1] == "drawn: 01-first/tiny-learning-curve\n"
    book.print("step 7 | loss 4\n", "tiny--wide--seed-7")
    assert run()[1] == "figures: up to date\n"
    book.write(MODULE.replace("run.rows", "run.experiment('wide').rows"))
    status, _, err = run()
    assert status == 1 and "'wide' has a run for each of its seeds: run.seeds('wide')" in err


@pytest.mark.parametrize(
    "old, new, cause",
    [
        ("step +", "epoch +", "matches nothing"),
        ("    return figure\n", "", "returned NoneType where a matplotlib Figure is wanted"),
        ("plt.subplots()", "plt.subplots(1 / 0)", "line 7: ZeroDivisionError"),
        ('label="loss"', 'label="\u4e00"', "missing from font"),
        ("diagram(1.0)", "diagram(1.0); ax.text(5, 0.5, 'too much')", "the text 'too much' runs"),
        ("from matplotlib", "import sphinx\nfrom matplotlib", "line 2 imports sphinx"),
        ("def learning_curve(run):", "def learning_curve(run:", "line 6 is not Python"),
        ("(run)", "(walk)", "no public function takes `run`"),
    ],
)
def test_what_cannot_be_drawn_is_told_in_one_line(
    book: Book, run: Run, old: str, new: str, cause: str
) -> None:
    run()
    before = book.bytes()
    book.write(MODULE.replace(old, new))
    status, _, err = run()
    first = err.splitlines()[0]
    assert status == 1
    assert first.startswith("error: book/figures/01-first/tiny.py") and cause in first
    after = book.bytes()
    name = "tiny-learning-curve.svg"
    assert after[name] == before[name]  # the last good one stays ...
    assert run()[0] == 1  # ... and stays stale
    book.write(MODULE)
    assert run()[0] == 0


def test_an_unknown_name_is_refused(book: Book, run: Run) -> None:
    said = "no book/figures/01-first/tinny.py; there are: 01-first/tiny\n"
    assert run("01-first/tinny") == (1, "", said)


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("colours", [style.LIGHT, style.DARK], ids=["light", "dark"])
def test_text_and_lines_stand_out_from_the_page(colours: dict[str, str]) -> None:
    def contrast(name: str) -> float:
        a, b = sorted([luminance(name), luminance(colours["PAPER"])])
        return (b + 0.05) / (a + 0.05)

    assert all(contrast(colours[name]) >= 4.5 for name in ("INK", "ACCENT", "RUST", "GREY"))
    assert all(contrast(colour) >= 2.2 for colour in colours["SERIES"])
    grey = sorted(luminance(colour) for colour in colours["SERIES"])
    assert len(set(grey)) == len(style.DASHES) == len(style.MARKERS)


def test_two_builds_at_once_take_turns(book: Book) -> None:
    code = "import sys; from pathlib import Path; from press.figures.draw import main; "
    command = [sys.executable, "-c", code + f"sys.exit(main([], Path({str(book.root)!r})))"]
    builds = [
        subprocess.Popen(command, cwd=draw.ROOT, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = sorted(build.communicate()[0] for build in builds)
    assert [build.returncode for build in builds] == [0, 0]
    assert [text.count("drawn") for text in said] == [2, 0]


def test_two_chapters_are_drawn_side_by_side(book: Book, run: Run) -> None:
    book.module.with_name("other.py").write_text(MODULE.partition("def idea")[0])
    status, out, err = run()
    assert (status, out.count("drawn: 01-first/tiny-")) == (1, 2)
    assert "other.py, learning_curve" in err and "make runs" in err


def test_what_draws_ends_with_a_killed_driver_and_holds_up_no_other(book: Book) -> None:
    """A process of the pool that lived on would hold the lock, and wait for ever."""
    begun = book.root / "begun"
    slow = f"import time\nfrom pathlib import Path\nPath({str(begun)!r}).touch()\ntime.sleep(99)\n"
    book.write(slow)
    (book.module.parent / "other.py").write_text(slow)
    program = "import sys; from press.figures import draw; draw.main([], draw.Path(sys.argv[1]))"
    driver = subprocess.Popen([sys.executable, "-c", program, str(book.root)], cwd=draw.ROOT)
    wait_until(begun.exists)
    driver.kill()
    driver.wait()

    def free() -> bool:
        with (book.root / "build/.figures-lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            return True

    wait_until(free)


def test_drawing_locks_as_nfs_wants_it(book: Book, run: Run, nfs: list[int]) -> None:
    assert run()[0] == 0
    assert len(nfs) == 1


def test_matplotlib_says_nothing_of_its_cache() -> None:
    import matplotlib.font_manager  # noqa: PLC0415

    assert not matplotlib.font_manager._log.isEnabledFor(logging.WARNING)
