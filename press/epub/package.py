"""Make one .epub of the pages that Sphinx wrote: their list, their contents, their fonts, a zip.

The same pages give the same bytes: the files stand in the order of reading, and their time is the
book's, not the clock's.
"""

import re
import shutil
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple
from xml.etree import ElementTree as ET
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from jinja2 import Environment, FileSystemLoader

from press import edition
from recorder.errors import BookError

HERE = Path(__file__).resolve().parent
SHEET = HERE / "epub.css"
FONTS = (HERE / "fonts", HERE.parent / "fonts" / "static" / "fonts")

XHTML = "{http://www.w3.org/1999/xhtml}"
MATH = "{http://www.w3.org/1998/Math/MathML}math"
TYPES = {
    ".xhtml": "application/xhtml+xml",
    ".css": "text/css",
    ".ncx": "application/x-dtbncx+xml",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".woff2": "font/woff2",
}
CONTAINER = """<?xml version="1.0" encoding="UTF-8"?>
<container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container">
  <rootfiles>
    <rootfile full-path="content.opf" media-type="application/oebps-package+xml"/>
  </rootfiles>
</container>
"""


class Entry(NamedTuple):
    """A line of the contents."""

    text: str
    uri: str
    below: "list[Entry]"

    @property
    def id(self) -> str:
        return identifier(self.uri)


class File(NamedTuple):
    """A line of the package's list of files."""

    path: str
    properties: list[str]

    @property
    def id(self) -> str:
        return identifier(self.path)

    @property
    def type(self) -> str:
        return TYPES[PurePosixPath(self.path).suffix]


def identifier(path: str) -> str:
    """identifier("01-foundations/index.xhtml#a") -> "at-01-foundations-index.xhtml-a"."""
    return "at-" + re.sub(r"[^A-Za-z0-9.]+", "-", path)


def page(folder: Path, path: str) -> tuple[File, list[str]]:
    """A page as the package lists it, and the images that it shows."""
    try:
        root = ET.parse(folder / path).getroot()
    except ET.ParseError as error:
        raise BookError(f"the page {path} of the EPUB is not well-formed: {error}") from error
    here = folder / path
    shown = [(here.parent / image.get("src", "")).resolve() for image in root.iter(f"{XHTML}img")]
    properties = ["mathml"] if root.find(f".//{MATH}") is not None else []
    return File(path, properties), [str(s.relative_to(folder.resolve())) for s in shown]


def sheet(folder: Path) -> list[File]:
    """Put the style sheet and its fonts beside the pages."""
    text = SHEET.read_text(encoding="utf-8")
    fonts = list(dict.fromkeys(re.findall(r"url\(fonts/([^)]+)\)", text)))
    (folder / "fonts").mkdir(exist_ok=True)
    for font in fonts:
        source = next(path for place in FONTS if (path := place / font).is_file())
        shutil.copyfile(source, folder / "fonts" / font)
    shutil.copyfile(SHEET, folder / SHEET.name)
    return [File(SHEET.name, []), *(File(f"fonts/{font}", []) for font in fonts)]


def package(folder: Path, pages: list[str], contents: list[Entry], about: dict[str, Any]) -> Path:
    """Write all that an EPUB needs besides its pages, and the EPUB; where it is."""
    from press.epub import cover  # matplotlib: half a second that no other format spends

    templates = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )

    def write(name: str, **more: Any) -> None:
        text = templates.get_template(f"{name}.jinja").render(about, contents=contents, **more)
        (folder / name).write_text(text, encoding="utf-8")

    cover.draw(folder / "cover.png", about["title"], about["description"], about["author"])
    write("cover.xhtml")
    write("nav.xhtml", start=next(path for path in pages if path[0].isdigit()))
    write("toc.ncx")
    read = [page(folder, path) for path in ["cover.xhtml", *pages]]
    images = dict.fromkeys(image for _, shown in read for image in shown)
    listed = [file for file, _ in read]
    files = [File("nav.xhtml", ["nav"]), File("toc.ncx", []), *listed]
    files += [File(path, ["cover-image"] if path == "cover.png" else []) for path in images]
    files += sheet(folder)
    write("content.opf", files=files, pages=listed)
    return bind(folder, [file.path for file in files], about["modified"])


def bind(folder: Path, paths: list[str], modified: str) -> Path:
    """Zip the files of a folder in this order, all of this time, after what EPUB wants first."""
    moment = datetime.fromisoformat(modified).astimezone(UTC).timetuple()[:6]

    def put(path: str, content: bytes, how: int = ZIP_DEFLATED) -> None:
        about = ZipInfo(path, moment)
        about.compress_type, about.external_attr, about.create_system = how, 0o644 << 16, 3
        book.writestr(about, content, compresslevel=9)

    target = folder / f"{edition.STEM}.epub"
    with ZipFile(target, "w") as book:
        put("mimetype", b"application/epub+zip", ZIP_STORED)
        put("META-INF/container.xml", CONTAINER.encode())
        for path in ["content.opf", *paths]:
            put(path, (folder / path).read_bytes())
    return target
