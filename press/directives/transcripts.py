"""The `transcript` directive: what a script printed, whole with its provenance, or a piece.

    ```{transcript}             this chapter's script; {transcript} microgpt for another one's
    :experiment: no-mask
    :seed: 2                    of an experiment over seeds
    :from: ^names
    :to: ^  order 5
    ```

A piece goes from the first line that matches `from` to the first later one that matches `to`.
"""

from datetime import datetime

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.util.docutils import SphinxDirective
from sphinx.util.typing import ExtensionMetadata
from sphinx.writers.html5 import HTML5Translator
from sphinx.writers.latex import LaTeXTranslator

from press.directives import house
from recorder.errors import BookError
from recorder.layout import shown
from recorder.patterns import compiled
from recorder.plan import Run
from recorder.transcript import Transcript

MEASURE = 79  # letters of code that a printed line holds
# What the book's LaTeX style does not define; its own definitions come first and win.
LATEX_FALLBACK = r"""
\providecommand\claimmark[1]{\ensuremath{\checkmark}}
\providecommand\nmchecked[2]{}
\providecommand\nmcheckedhere[2]{ (#2)}
\providecommand\nmtranscriptcaption[1]{\par\noindent\textit{#1}\par\nobreak}
\providecommand\nmprovenance[1]{\par\noindent{\footnotesize #1}\par}
\ProvideDocumentEnvironment{nmtranscript}{m}{}{}
"""


class transcript(nodes.General, nodes.Element):  # noqa: N801
    """A caption, the printed lines, and for a whole run its provenance."""


class transcript_caption(nodes.Part, nodes.TextElement):  # noqa: N801
    """Whose output it is."""


class provenance(nodes.Part, nodes.TextElement):  # noqa: N801
    """When and where it was printed."""


class TranscriptDirective(SphinxDirective):
    """The output of a run, or of an experiment, or a piece of one."""

    optional_arguments = 1
    option_spec = {
        "experiment": directives.unchanged_required,
        "seed": directives.nonnegative_int,
        "from": directives.unchanged_required,
        "to": directives.unchanged_required,
    }

    def run(self) -> list[nodes.Node]:
        try:
            return [self.node()]
        except BookError as error:
            house.warn(error, self.get_location())
            return []

    def node(self) -> transcript:
        chapter = house.named(self.env, self.arguments[0] if self.arguments else "")
        of = self.chosen(house.runs_of(self.env, chapter, self.options.get("experiment")))
        run = house.transcript_of(self.env, of)
        part = "from" in self.options or "to" in self.options
        text = self.piece(run) if part else run.text.rstrip("\n")
        opening = "From the output of " if part else "Output of "
        script = nodes.literal("", house.script(chapter))
        node = transcript("", transcript_caption("", "", nodes.Text(opening), script, *setting(of)))
        node["long"] = [(chapter, of.experiment)] if of.long else []
        node += nodes.literal_block(text, text, language="text")
        if not part:
            node += provenance("", told(run, of.long))
        self.set_source_info(node)
        return node

    def chosen(self, runs: list[Run]) -> Run:
        """The only one of these runs, or the one of the seed that is wanted."""
        seeds, wanted = [run.seed for run in runs], self.options.get("seed")
        if wanted not in seeds:
            has = "no seeds" if seeds == [None] else f"the seeds {', '.join(map(str, seeds))}"
            raise BookError(f"the run has {has}; :seed: must name one of them, or be left out")
        return runs[seeds.index(wanted)]

    def piece(self, run: Transcript) -> str:
        """The lines between those that match the patterns, both included."""
        lines = run.text.splitlines()
        first = self.match(run, lines, "from", 0) if "from" in self.options else 0
        last = self.match(run, lines, "to", first + 1) if "to" in self.options else len(lines)
        return "\n".join(lines[first : last + 1])

    def match(self, run: Transcript, lines: list[str], option: str, start: int) -> int:
        """The index of the first line, from `start`, that matches the pattern of an option."""
        pattern = self.options[option]
        try:
            matcher = compiled(pattern)
        except ValueError as error:
            raise BookError(f":{option}: {pattern} {error}") from error
        for index in range(start, len(lines)):
            if matcher.search(lines[index]):
                return index
        after = f" after line {start}" if start else ""
        raise BookError(f":{option}: {pattern} matches no line of {shown(run.path)}{after}")


def setting(run: Run) -> list[nodes.Node]:
    """The end of an experiment's caption: its name and the constants it sets."""
    if run.experiment is None:
        return []
    values = ", ".join(f"{name} = {value!r}" for name, value in run.set.items())
    return [nodes.Text(f", experiment {run.experiment}: "), nodes.literal("", values)]


def told(run: Transcript, long: bool) -> str:
    """When and where a run was recorded, and what it cost, in one sentence."""
    record = run.record
    day = datetime.fromisoformat(record["date"])
    return (
        f"Recorded {'once, ' * long}on {day.day} {day:%B %Y} with {record['implementation']} "
        f"{record['python']} on {record['cpu']}, {record['platform']}: "
        f"{record['user_seconds']:.1f} s of user time."
    )


def visit_transcript_html(self: HTML5Translator, node: transcript) -> None:
    self.body.append(self.starttag(node, "div", CLASS="transcript"))


def depart_transcript_html(self: HTML5Translator, node: transcript) -> None:
    self.body.append("</div>\n")


def visit_line_html(self: HTML5Translator, node: nodes.TextElement) -> None:
    name = type(node).__name__.replace("_", "-")
    self.body.append(self.starttag(node, "p", "", CLASS=name))


def depart_line_html(self: HTML5Translator, node: nodes.TextElement) -> None:
    self.body.append("</p>\n")


def visit_transcript_latex(self: LaTeXTranslator, node: transcript) -> None:
    """Lines that are longer than the page's are set smaller, by the factor that lets them fit."""
    printed = (block.astext() for block in node.findall(nodes.literal_block))
    longest = max(len(line) for text in printed for line in text.split("\n"))
    self.body.append(f"\n\\begin{{nmtranscript}}{{{min(1, MEASURE / longest):.3f}}}\n")


def depart_transcript_latex(self: LaTeXTranslator, node: transcript) -> None:
    self.body.append("\\end{nmtranscript}\n")


def visit_line_latex(self: LaTeXTranslator, node: nodes.TextElement) -> None:
    name = type(node).__name__.replace("_", "")
    self.body.append(f"\\nm{name}{{")


def depart_line_latex(self: LaTeXTranslator, node: nodes.TextElement) -> None:
    self.body.append("}\n")


def add_fallback(app: Sphinx, config: Config) -> None:
    """Let LaTeX build with any style."""
    preamble = config.latex_elements.get("preamble", "")
    config.latex_elements["preamble"] = preamble + LATEX_FALLBACK


def setup(app: Sphinx) -> ExtensionMetadata:
    app.add_directive("transcript", TranscriptDirective)
    app.add_node(
        transcript,
        html=(visit_transcript_html, depart_transcript_html),
        latex=(visit_transcript_latex, depart_transcript_latex),
    )
    for line in (transcript_caption, provenance):
        app.add_node(
            line,
            html=(visit_line_html, depart_line_html),
            latex=(visit_line_latex, depart_line_latex),
        )
    app.connect("config-inited", add_fallback)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
