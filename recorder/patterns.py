"""The regular expressions that chapters hold, for facts, rows and cuts of transcripts."""

import re
import warnings
from functools import cache


@cache
def compiled(pattern: str, flags: int = 0) -> re.Pattern[str]:
    """A pattern, ready to match. Raises ValueError with the rest of a sentence about it.

    One that this Python reads, but warns that a later one may read otherwise, is none.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("error", FutureWarning)
        try:
            return re.compile(pattern, flags)
        except FutureWarning as error:
            said = str(error)[:1].lower() + str(error)[1:]
            raise ValueError(f"can be read in two ways: {said}; write \\ before it") from error
        except (re.error, OverflowError, RecursionError) as error:
            raise ValueError(f"is no regular expression: {error}") from error
