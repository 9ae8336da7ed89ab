"""What the recorder shows while it works: bars on a terminal, plain lines in a log."""

from types import TracebackType

import rich.progress
from rich.console import Console, RenderableType
from rich.text import Text

from recorder.plan import Run
from recorder.records import Record


class _Bar(rich.progress.ProgressColumn):
    """A bar for a run that works; a word for one that waits, where rich would let a bar pulse."""

    _bar = rich.progress.BarColumn()

    def render(self, task: rich.progress.Task) -> RenderableType:
        return self._bar.render(task) if task.started else Text("waits", style="dim")


class Progress:
    """Shows runs as they wait, work and end. A context manager around the work."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._tasks: dict[Run, rich.progress.TaskID] = {}
        self._bars = rich.progress.Progress(
            rich.progress.TextColumn("{task.description}", markup=False),
            _Bar(),
            rich.progress.TimeElapsedColumn(),
            rich.progress.TextColumn("{task.fields[expected]}", style="dim"),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )

    def __enter__(self) -> "Progress":
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._bars.stop()

    def say(self, line: str) -> None:
        """Print a line, above the bars where there are any."""
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)

    def wait(self, run: Run, seconds: float | None) -> None:
        """A run is to come, expected to take so many seconds, or nobody knows how many."""
        self._tasks[run] = self._bars.add_task(
            run.label, start=False, total=seconds, expected=_expectation(seconds)
        )

    def start(self, run: Run) -> None:
        """A run begins."""
        task = self._tasks[run]
        self._bars.start_task(task)
        if self._bars.disable:
            self.say(f"{run.label}: runs, {self._task(run).fields['expected']}")

    def tick(self) -> None:
        """Let the bars of the working runs grow with the time."""
        for run, task in self._tasks.items():
            if elapsed := self._task(run).elapsed:
                self._bars.update(task, completed=elapsed)

    def done(self, run: Run, record: Record) -> None:
        """A run ended well."""
        memory = record["peak_memory"] / 1e6
        self._end(run, f"{record['user_seconds']:.1f} s of user time, {memory:.0f} MB")

    def failed(self, run: Run) -> None:
        """A run ended badly; the reason is told at the end."""
        self._end(run, "FAILED")

    def _end(self, run: Run, how: str) -> None:
        self._bars.remove_task(self._tasks.pop(run))
        self.say(f"{run.label}: {how}")

    def _task(self, run: Run) -> rich.progress.Task:
        return self._bars.tasks[self._bars.task_ids.index(self._tasks[run])]


def _expectation(seconds: float | None) -> str:
    return "for the first time" if seconds is None else f"about {seconds:.0f} s"
