"""What a station may take, and how long it keeps what it has."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Of requests; what is beyond is refused with a reason."""

    queue_images: int = 64  # that may wait or be inspected at once
    body_megabytes: float = 64.0
    images_per_request: int = 16
    seconds_per_image: float = 30.0  # from its acceptance to its result
    idle_seconds: float = 30.0  # between two pieces of a request
    fields_per_request: int = 40
    zip_megabytes: float = 2000.0  # the body of a zip of images to learn from
    teaching_images: int = 5000  # of one set, with what is left out
    teaching_megabytes: float = 4000.0  # of one set, unpacked
    failed_logins_per_minute: int = 10  # from one address

    @property
    def body_bytes(self) -> int:
        """The largest body."""
        return int(self.body_megabytes * 1e6)

    @property
    def teaching_bytes(self) -> int:
        """The largest set of images to learn from."""
        return int(self.teaching_megabytes * 1e6)


@dataclass(frozen=True)
class Retention:
    """What is kept of the history; None: without limit. Inspections with a verdict are always kept."""

    days: float | None = None
    inspections: int | None = None
    gigabytes: float | None = None  # of images and maps
