"""The exceptions of Urushi, all in one place.

UrushiError
├── InputError             wrong use or bad input: what came, what is allowed, what to do
│   ├── RecipeError        an option is unknown, ill-typed or out of range
│   ├── BackboneError      the folder of a pretrained network lacks something, or holds what is not taken
│   ├── DatasetError       a folder holds no usable images, or its layout is broken
│   ├── DetectorFileError  a detector file is damaged, foreign or of a newer format
│   ├── CalibrationError   too few held-out images, or labels that a rule needs are missing
│   ├── TrainingError      the loss is not finite, or a run cannot be resumed as asked
│   ├── ExportError        a graph cannot be exported, or does not give the same as PyTorch
│   └── MissingPackageError  an optional package is not installed
├── ServiceError           the station refuses a request
│   ├── AccessError        it came without a token, with a wrong one, or with one whose role does not allow it
│   ├── NotFoundError      what it names is not there, or not any more
│   ├── ConflictError      what it changes was changed by somebody else
│   ├── TooLargeError      it is larger than the station takes
│   ├── OvertimeError      it took longer than the station allows
│   └── BusyError          as much as may wait is waiting: ask again later
├── CameraError            a camera gives no frame now, or none any more
├── DeliveryError          a result could not be delivered now; it is tried again
└── UnreadableImageError   one image cannot be read; a run lists it and goes on
"""


class UrushiError(Exception):
    """Base of all exceptions that Urushi raises on purpose."""


class InputError(UrushiError):
    """Wrong use or bad input."""


class RecipeError(InputError):
    """An option of a recipe is unknown, ill-typed or out of range."""


class BackboneError(InputError):
    """The folder of a pretrained network lacks something, or holds what is not taken."""


class DatasetError(InputError):
    """A folder holds no usable images, or its layout is broken."""


class DetectorFileError(InputError):
    """A detector file is damaged, foreign or of a newer format."""


class CalibrationError(InputError):
    """Too few held-out images for what was asked, or labels that a rule needs are missing."""


class TrainingError(InputError):
    """The loss is not finite, or a run cannot be resumed as asked."""


class ExportError(InputError):
    """A graph cannot be exported, or what is exported does not give the same as PyTorch."""


class MissingPackageError(InputError):
    """An optional package is not installed."""


class ServiceError(UrushiError):
    """The station refuses a request."""


class AccessError(ServiceError):
    """A request came without a token, with a wrong one, or with one whose role does not allow it (`is_known`)."""

    def __init__(self, message: str, *, is_known: bool = False) -> None:
        super().__init__(message)
        self.is_known = is_known


class NotFoundError(ServiceError):
    """What a request names is not there, or not any more."""


class ConflictError(ServiceError):
    """What a request changes was changed by somebody else."""


class TooLargeError(ServiceError):
    """A request is larger than the station takes."""


class OvertimeError(ServiceError):
    """A request took longer than the station allows."""


class BusyError(ServiceError):
    """As much as may wait is waiting; it is worth asking again after some seconds."""

    def __init__(self, message: str, retry_after_seconds: int) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class CameraError(UrushiError):
    """A camera gives no frame now, or none any more (`has_ended`)."""

    def __init__(self, message: str, *, has_ended: bool = False) -> None:
        super().__init__(message)
        self.has_ended = has_ended


class DeliveryError(UrushiError):
    """A result could not be delivered; where the receiver is not reachable, neither can any other now."""

    def __init__(self, message: str, *, is_reachable: bool) -> None:
        super().__init__(message)
        self.is_reachable = is_reachable


class UnreadableImageError(UrushiError):
    """One image cannot be read; `reason` says why in one line."""

    def __init__(self, source: str, reason: str) -> None:
        super().__init__(f"{source}: {reason}")
        self.source = source
        self.reason = reason

    def __reduce__(self) -> tuple[type["UnreadableImageError"], tuple[str, str]]:
        """From another process it comes back as it was raised."""
        return type(self), (self.source, self.reason)
