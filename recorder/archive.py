"""Zip files that are the same bytes whenever and wherever they are made of the same contents."""

import io
import zipfile
from collections.abc import Mapping
from datetime import datetime, timezone


def zipped(contents: Mapping[str, bytes], moment: int) -> bytes:
    """A zip file of these contents by name, all dated `moment`, in seconds since 1970."""
    day = datetime.fromtimestamp(moment, timezone.utc).timetuple()[:6]
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as file:
        for name in sorted(contents):
            info = zipfile.ZipInfo(name, day)
            info.create_system = 3  # Unix, wherever it is made
            info.external_attr = 0o100644 << 16
            file.writestr(info, contents[name], zipfile.ZIP_DEFLATED, 9)
    return made.getvalue()
