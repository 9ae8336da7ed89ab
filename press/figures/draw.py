"""Draw every chapter's figures from the recorded runs: `python -m press.figures.draw [T/N ...]`.

For each book/figures/T/N.py, every public function whose only parameter is `run` is a figure.
It is called twice, for light and for dark pages, and gives build/figures/T/N-<figure>.svg,
-dark.svg and .pdf. Only what is stale is drawn: a figure whose module, style, matplotlib or any
transcript that it read the last time has changed. The stamps beside the figures, N.json, say so.
"""

from __future__ import annotations

import ast
import fcntl
import inspect
import json
import multiprocessing
import os
import re
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from importlib import metadata, util
from io import BytesIO
from pathlib import Path
from typing import Any

from recorder import data, plan
from recorder.data import digest, sha256
from recorder.errors import BookError
from recorder.layout import ROOT
from recorder.records import write_whole
from recorder.settings import switch
from recorder.transcript import Transcript

SCREEN = (38 * 16 / 96) / (132 / 25.4)  # the measure of nomagic.css, 38rem, over that of print
ALLOWED = {"matplotlib", "mpl_toolkits", "numpy", "press"} | set(sys.stdlib_module_names)


class FigureError(BookError):
    """One sentence that names the figures' file, the function where there is one, and the cause."""


class Run:
    """A recorded run that is read when it is first asked for, and notes which files were read.

    So a figure that never touches its argument needs no transcript, and one that asks for the
    text alone is not stale because another run printed the same on another day.
    """

    def __init__(self, of: plan.Run, read: set[Path]):
        self._of, self._read = of, read

    def experiment(self, name: str) -> Run:
        """The run of that experiment of the same chapter."""
        first, *others = self.seeds(name)
        if others:
            raise FigureError(f"'{name}' has a run for each of its seeds: run.seeds('{name}')")
        return first

    def seeds(self, name: str) -> list[Run]:
        """The runs of that experiment of the same chapter, one for each seed, in their order."""
        return [Run(of, self._read) for of in plan.runs_of(self._of.root, self._of.name, name)]

    @property
    def seed(self) -> int | None:
        """The seed of a run of an experiment over seeds."""
        return self._of.seed

    @property
    def chapters(self) -> list[dict[str, Any]]:
        """All chapters in reading order: `document` and what it `builds_on`. For the map."""
        path = self._of.root / "build" / "path.json"
        self._read.add(path)
        return list(json.loads(path.read_bytes()))

    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith("_"):
            raise AttributeError(attribute)
        value = getattr(Transcript.of(self._of, also_stale=switch("DRAFT")), attribute)
        self._read.add(self._of.transcript)
        if attribute not in ("text", "rows", "fact"):
            self._read.add(self._of.record)
        if self._of.long:  # it holds only as long as these are what they were
            self._read |= {self._of.script, self._of.root / data.FOLDER / data.SUMS}
        return value


def is_stamp(figure: Any) -> bool:
    """Whether this, out of a file that anything may have befallen, is a figure's stamp."""
    return figure.keys() == {"key", "read", "made"} and all(
        isinstance(was, str) for files in (figure["read"], figure["made"]) for was in files.values()
    )


@dataclass
class Drawing:
    """What one figures module gave: the stamp of each figure, and the sentences of what failed."""

    figures: dict[str, dict[str, Any]] = field(default_factory=dict)
    drawn: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


class Module:
    """One book/figures/T/N.py and what it made the last time."""

    def __init__(self, root: Path, name: str) -> None:
        self.root, self.name = root, name
        self.source = root / "book" / "figures" / f"{name}.py"
        self.shown = self.source.relative_to(root)
        self.stamp = root / "build" / "figures" / f"{name}.json"

    def key(self) -> str:
        """A hash of all that a figure depends on, except for the transcripts that it reads."""
        here = Path(__file__).resolve()
        parts = [digest(self.source), digest(here), digest(here.with_name("style.py"))]
        parts += [metadata.version("matplotlib"), metadata.version("numpy")]
        return sha256("\n".join(parts).encode())

    def last(self) -> dict[str, dict[str, Any]]:
        """The stamp of each figure's last drawing."""
        try:
            stamps = json.loads(self.stamp.read_text(encoding="utf-8"))
            whole = all(map(is_stamp, stamps.values()))
        except (OSError, ValueError, AttributeError, RecursionError):
            return {}
        return stamps if whole else {}

    def made(self) -> set[str]:
        """The files of the last drawings, stale or not, and their stamp."""
        stamp = str(self.stamp.relative_to(self.root))
        return {stamp} | {path for figure in self.last().values() for path in figure["made"]}

    def fresh(self, figure: dict[str, Any]) -> bool:
        """Whether all that the figure depends on, and all that it made, is as it was."""
        files = {**figure["read"], **figure["made"]}
        return figure["key"] == self.key() and all(
            digest(self.root / path) == was for path, was in files.items()
        )

    def is_fresh(self) -> bool:
        last = self.last()
        return bool(last) and all(map(self.fresh, last.values()))

    def functions(self) -> Iterator[tuple[str, Callable[[Any], Any]]]:
        """Each figure's name and function, in the module's order."""
        try:
            tree = ast.parse(self.source.read_bytes(), str(self.shown))
        except SyntaxError as error:
            raise FigureError(f"line {error.lineno} is not Python: {error.msg}") from None
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            else:
                continue
            for name in names:
                if name.partition(".")[0] not in ALLOWED:
                    raise FigureError(
                        f"line {node.lineno} imports {name}; figures use matplotlib, numpy, "
                        "the standard library and press.figures.style"
                    )
        spec = util.spec_from_file_location(
            "figures_of_" + "".join(c if c.isalnum() else "_" for c in self.name), self.source
        )
        assert spec and spec.loader
        module = util.module_from_spec(spec)
        spec.loader.exec_module(module)
        for name, value in vars(module).items():
            if not inspect.isfunction(value) or name.startswith("_"):
                continue
            parameters = list(inspect.signature(value).parameters)
            if value.__module__ == module.__name__ and parameters == ["run"]:
                yield name, value

    def draw(self) -> Drawing:
        """Draw what is stale of this module and write its stamp."""
        import matplotlib

        matplotlib.use("Agg")
        result, last = Drawing(), self.last()
        functions: dict[str, Callable[[Any], Any]] = {}
        try:
            functions = dict(self.functions())
            if not functions:
                raise FigureError("no public function takes `run`, so there is no figure")
        except Exception as error:  # whatever the module raises
            result.errors.append(f"{self.shown}: {sentence(error)}")
            return result
        for name, function in functions.items():
            figure = name.replace("_", "-")
            if figure in last and self.fresh(last[figure]):
                result.figures[figure] = last[figure]
                continue
            try:
                result.figures[figure] = self.draw_one(figure, function)
                result.drawn.append(f"{self.name}-{figure}")
            except Exception as error:
                result.errors.append(f"{self.shown}, {name}: {sentence(error)}")
                # What was drawn before stays, and stays stale.
                result.figures[figure] = last.get(figure, {"key": "", "read": {}, "made": {}})
        write_whole(self.stamp, json.dumps(result.figures, indent=1).encode())
        return result

    def draw_one(self, figure: str, function: Callable[[Any], Any]) -> dict[str, Any]:
        """Draw one figure for light and for dark, and give its stamp."""
        from matplotlib import pyplot
        from matplotlib.figure import Figure

        from press.figures import style

        read: set[Path] = set()
        files: dict[str, bytes] = {}
        base = f"build/figures/{self.name}-{figure}"
        for dark in (False, True):
            style.use(dark)
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("error", UserWarning)  # a glyph missing, a layout failed
                    drawing = function(Run(plan.Run(self.root, self.name), read))
                    if not isinstance(drawing, Figure):
                        kind = type(drawing).__name__
                        raise FigureError(f"returned {kind} where a matplotlib Figure is wanted")
                    check_edges(drawing)
                    files[f"{base}-dark.svg" if dark else f"{base}.svg"] = svg(drawing)
                    if not dark:
                        files[f"{base}.pdf"] = pdf(drawing)
            finally:
                pyplot.close("all")
                style.use()
        for path, content in files.items():
            write_whole(self.root / path, content)
        return {
            "key": self.key(),
            "read": {str(path.relative_to(self.root)): digest(path) for path in sorted(read)},
            "made": {path: sha256(content) for path, content in files.items()},
        }


def check_edges(drawing: Any) -> None:
    """Raise FigureError if something would be cut off at the figure's edge."""
    from matplotlib.text import Text

    drawing.draw_without_rendering()
    width, height = drawing.get_size_inches()
    box = drawing.get_tightbbox()
    over = max(-box.x0, -box.y0, box.x1 - width, box.y1 - height)
    if over > 0.02:
        edges = drawing.bbox.padded(1)
        lost = [
            text.get_text()
            for text in drawing.findobj(Text)
            if text.get_visible()
            and text.get_text().strip()
            and not (
                edges.contains(*text.get_window_extent().min)
                and edges.contains(*text.get_window_extent().max)
            )
        ]
        what = f"the text {lost[0]!r}" if lost else "something"
        raise FigureError(f"{what} runs {over:.2f} inches over the edge of the figure")


def svg(drawing: Any) -> bytes:
    out = BytesIO()
    drawing.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    size = re.compile(r'width="([\d.]+)pt" height="([\d.]+)pt"')
    return size.sub(_screen_size, out.getvalue().decode(), count=1).encode()


def _screen_size(size: re.Match[str]) -> str:
    return f'width="{float(size[1]) * SCREEN:.2f}pt" height="{float(size[2]) * SCREEN:.2f}pt"'


def pdf(drawing: Any) -> bytes:
    out = BytesIO()
    drawing.savefig(out, format="pdf", metadata={"CreationDate": None, "Producer": None})
    return out.getvalue()


def sentence(error: BaseException) -> str:
    """The cause in one line, with the line of the figures' file where Python knows it."""
    text = " ".join(str(error).split())
    if isinstance(error, BookError):
        return text
    where, trace = "", error.__traceback__
    while trace:
        if "/book/figures/" in trace.tb_frame.f_code.co_filename:
            where = f"line {trace.tb_lineno}: "
        trace = trace.tb_next
    return f"{where}{type(error).__name__}: {text}" if text else f"{where}{type(error).__name__}"


def sweep(root: Path, keep: set[str]) -> None:
    """Remove what no module makes any more, and scratch files that a killed build left."""
    folder = root / "build" / "figures"
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir():
            if not any(path.iterdir()):
                path.rmdir()
        elif path.name.startswith("."):
            if time.time() - path.stat().st_mtime > 600:
                path.unlink(missing_ok=True)
        elif str(path.relative_to(root)) not in keep:
            path.unlink(missing_ok=True)


def _draw(module: Module) -> Drawing:
    return module.draw()


def _begin() -> None:
    """In a process of the pool: end with the process that began it, and silently at Ctrl-C.

    One that outlived it would wait for ever, and hold the lock that the next build waits for.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent
    parent.join()
    os._exit(1)


def main(arguments: list[str], root: Path = ROOT) -> int:
    """Draw the stale figures of the modules named (T/N), or of all; 1 if any failed."""
    sys.path.insert(0, str(ROOT))
    folder = root / "book" / "figures"
    names = sorted(str(p.relative_to(folder).with_suffix("")) for p in folder.glob("*/*.py"))
    unknown = [name for name in arguments if name not in names]
    if unknown:
        print(f"no book/figures/{unknown[0]}.py; there are: {', '.join(names)}", file=sys.stderr)
        return 1
    (root / "build").mkdir(exist_ok=True)
    with (root / "build" / ".figures-lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # a second build waits, and then finds all drawn
        return draw_all(root, names, arguments)


def draw_all(root: Path, names: list[str], arguments: list[str]) -> int:
    """Draw what is stale, remove what is orphaned and say so."""
    modules = [Module(root, name) for name in names]
    stale = [m for m in modules if (not arguments or m.name in arguments) and not m.is_fresh()]
    if len(stale) > 1:
        processes = min(len(stale), os.cpu_count() or 1)
        try:
            with ProcessPoolExecutor(processes, initializer=_begin) as pool:
                results = list(pool.map(_draw, stale))
        except BrokenProcessPool:
            raise FigureError("A process that drew figures was killed; make again.") from None
    else:
        results = [module.draw() for module in stale]
    keep: set[str] = set()
    for module in modules:
        keep |= module.made()
    sweep(root, keep)
    drawn = [name for result in results for name in result.drawn]
    errors = [error for result in results for error in result.errors]
    for name in drawn:
        print(f"drawn: {name}")
    if not drawn and not errors:
        print("figures: up to date")
    for error in errors:
        print(f"error: {error}", file=sys.stderr)
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
