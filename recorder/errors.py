"""The one kind of error that the book's own tools raise on bad input."""


class BookError(Exception):
    """Something the author can mend; its text is a sentence that says what and where."""
