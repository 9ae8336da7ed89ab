"""The figures of a chapter for somebody else's slides or paper: one archive, with how to cite it.

Each figure as SVG, as PDF and as PNG of 300 dots an inch, on white. The same bytes from the same
edition, figures and captions.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time
from pathlib import Path

from press import citing
from press.citing import Citation
from recorder.archive import zipped
from recorder.errors import BookError

SVG, PDF, PNG = ".svg", ".pdf", "-300dpi.png"
LICENCE = "LICENSE"


@dataclass(frozen=True)
class Picture:
    """A figure: its files without their endings, its number on the page, its caption."""

    base: Path
    number: str
    caption: str

    def file(self, ending: str) -> tuple[str, bytes]:
        """The name and the content of one of its files."""
        path = self.base.with_name(self.base.name + ending)
        try:
            return path.name, path.read_bytes()
        except FileNotFoundError:
            raise BookError(f"{path.name} is not there; run `make figures`") from None


def archive(root: Path, citation: Citation, pictures: Sequence[Picture]) -> bytes:
    """The zip file of a chapter's figures."""
    folder = f"{citation.name}-figures"
    files = {f"{folder}/README.txt": readme(citation, pictures).encode()}
    if (root / LICENCE).is_file():
        files[f"{folder}/{LICENCE}"] = (root / LICENCE).read_bytes()
    for picture in pictures:
        for name, content in map(picture.file, (SVG, PDF, PNG)):
            files[f"{folder}/{name}"] = content
    midnight = datetime.combine(citation.edition.date, time(), UTC)
    return zipped(files, int(midnight.timestamp()))


def readme(citation: Citation, pictures: Sequence[Picture]) -> str:
    """What the figures are, on which terms, and how to cite them."""
    kind = f"the {citation.edition.licence} licence" if citation.edition.licence else "a licence"
    lines = [
        f'Figures of the chapter "{citation.title}" ({citation.identity})',
        "",
        f"Licence: {citation.edition.by}, under {kind}; its text is in {LICENCE}.",
        f"Cite as: {citing.line(citation)}",
        "",
        "The PNG files have 300 dots an inch. BibTeX:",
        "",
        citing.bibtex(citation),
    ]
    lines += [f"{one.base.name}: Figure {one.number}. {one.caption}\n" for one in pictures]
    return "\n".join(lines)
