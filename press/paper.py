"""The paper of the PDF, which PAPER in the environment names."""

import os

from recorder.errors import BookError

PAPERS = {"a4": "a4paper", "letter": "letterpaper"}  # and their options of LaTeX's classes
USUAL = "a4"


def chosen() -> str:
    """The name of the paper. Raises BookError for one that the book is not made for."""
    name = os.environ.get("PAPER", "").lower() or USUAL
    if name not in PAPERS:
        raise BookError(f"PAPER={name} is no paper of the book's: name {' or '.join(PAPERS)}.")
    return name
