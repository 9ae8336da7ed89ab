"""Running a chapter's program on its page: CPython in WebAssembly, made ready for any browser.

`load.js` stands in the page and waits for the first press; then come `static/run/panel.js`, the
chapter's program and its data, and `runtime.js`, out of which panel.js starts a worker: Pyodide,
`worker.js`, `begin.py` and what that takes of the recorder, in one script, because a page that was
opened from the disk may load scripts and nothing else.
"""

from pathlib import Path

RUNTIME = Path("build/run/runtime.js")  # from the book's root; `python -m press.run` makes it
