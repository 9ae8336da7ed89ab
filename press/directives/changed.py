"""Read anew what has other bytes than when it was read, whatever its date says.

Sphinx goes by dates: a file that was edited after the clock was set back, or put back with the date
that it had, would pass for read. So the environment keeps a hash of each document, and of all files
on which it depends.
"""

from functools import cache
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.typing import ExtensionMetadata

from recorder.data import digest

Known = dict[str, dict[str, str]]  # of each document: its files, from the book's folder, and hashes

_hash = cache(digest)


def known(env: BuildEnvironment) -> Known:
    """What was read, as of the last build."""
    kept: Known | None = getattr(env, "nomagic_known", None)
    if kept is None:
        kept = env.nomagic_known = {}  # type: ignore[attr-defined]
    return kept


def hashes(env: BuildEnvironment, document: str) -> dict[str, str]:
    """A hash of a document and of each file on which it depends, "" where there is none."""
    own = env.doc2path(document, base=False)
    files = {str(own), *map(str, env.dependencies[document])}
    return {file: _hash(Path(env.srcdir, file)) for file in sorted(files)}


def outdated(app: Sphinx, env: BuildEnvironment, *_: set[str]) -> list[str]:
    """The documents of which a file has changed."""
    _hash.cache_clear()
    return [
        document
        for document, files in known(env).items()
        if document in env.found_docs and files != hashes(env, document)
    ]


def forget(app: Sphinx, env: BuildEnvironment, documents: list[str]) -> None:
    """These are about to be read."""
    for document in documents:
        known(env).pop(document, None)


def note(app: Sphinx, env: BuildEnvironment) -> None:
    """All have been read."""
    _hash.cache_clear()
    for document in env.found_docs - known(env).keys():
        known(env)[document] = hashes(env, document)


def setup(app: Sphinx) -> ExtensionMetadata:
    app.connect("env-get-outdated", outdated)
    app.connect("env-before-read-docs", forget)
    app.connect("env-updated", note)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
