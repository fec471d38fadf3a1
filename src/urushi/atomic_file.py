"""A file that is the old one or the new one, whatever happens while it is written."""

import os
import tempfile
from pathlib import Path


def replace(path: Path, content: bytes) -> None:
    """Writes to a temporary file beside `path`, flushes and renames it; raises OSError, and leaves nothing behind."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
