"""See to it that all that the book needs of TeX Live is there: `python -m press.system.texlive`.

Where they are missing: as root, or with a sudo that asks for no password, on Debian and its
descendants, they are installed; elsewhere the command that installs them is printed.
"""

import shutil
import subprocess
import sys

from press.system import debian

APT = ["texlive-latex-extra", "texlive-luatex", "latexmk"]
DNF = ["texlive-collection-latexextra", "texlive-collection-luatex", "latexmk"]
BREW = "brew install --cask mactex-no-gui"

PROGRAMS = ["lualatex", "latexmk", "makeindex", "kpsewhich"]
# One file of each package that a build was seen to read and that a small TeX Live may lack.
FILES = [
    "book.cls",
    "babel-english.tex",
    "colortbl.sty",
    "bookmark.sty",
    "booktabs.sty",
    "capt-of.sty",
    "etoolbox.sty",
    "fancyhdr.sty",
    "fancyvrb.sty",
    "float.sty",
    "fontspec.sty",
    "framed.sty",
    "geometry.sty",
    "hyperref.sty",
    "hypcap.sty",
    "lmroman10-regular.otf",
    "lualatex-math.sty",
    "luaotfload.sty",
    "luatex85.sty",
    "microtype.sty",
    "multicol.sty",
    "needspace.sty",
    "parskip.sty",
    "tabulary.sty",
    "titlesec.sty",
    "unicode-math.sty",
    "upquote.sty",
    "varwidth.sty",
    "wrapfig.sty",
    "xcolor.sty",
]


def missing() -> list[str]:
    """Programs and files of TeX Live that are not there."""
    gone = [program for program in PROGRAMS if shutil.which(program) is None]
    if gone:
        return gone
    found = subprocess.run(["kpsewhich", *FILES], capture_output=True, text=True).stdout.split("\n")
    names = {path.rpartition("/")[2] for path in found}
    return [file for file in FILES if file not in names]


def main() -> None:
    gone = missing()
    if not gone:
        return
    print(f"For the PDF these are missing: {', '.join(gone)}", flush=True)
    if debian.install(APT, "120 MB to fetch, 450 on disk") and not missing():
        return
    sys.exit(
        "Install them with one of these, then try again (`make html` needs none of it):\n"
        f"  Debian, Ubuntu:  sudo apt-get install --no-install-recommends {' '.join(APT)}\n"
        f"  Fedora:          sudo dnf install {' '.join(DNF)}\n"
        f"  macOS:           {BREW}"
    )


if __name__ == "__main__":
    main()
