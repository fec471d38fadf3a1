"""What was read or inspected of an image that must be readable."""

from typing import TypeVar

from urushi import Unreadable
from urushi.errors import UnreadableImageError

T = TypeVar("T")


def require_readable(found: T | Unreadable) -> T:
    """The same; raises UnreadableImageError, which says why, if the image could not be read."""
    if isinstance(found, Unreadable):
        raise UnreadableImageError(found.source, found.reason)
    return found
