"""What a station is to be connected with, as a TOML file says it; paths are seen from the file."""

import base64
import binascii
import os
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, HttpUrl, StringConstraints, ValidationError
from pydantic import model_validator as checked

from urushi.errors import InputError
from urushi.recipes.files import parse_toml
from urushi.serving.messages.fields import Word

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$")]
_MOST_BYTES = 1 << 20
_LEAST_SECRET_BYTES = 16
_STANDARD = "whsec_"  # before a secret in base64, as the specification of webhooks has it


class Section(BaseModel):
    """A table of the file."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Secret(Section):
    """Where a secret is: the first line of a file, or an environment variable; never in this file."""

    file: Path | None = None
    variable: str | None = None

    @checked(mode="after")
    def _one(self) -> Self:
        if (self.file is None) == (self.variable is None):
            raise ValueError('give { file = "…" } or { variable = "…" }')
        return self

    def read(self, folder: Path) -> str:
        """The secret; raises InputError where there is none."""
        if self.variable is not None:
            found, place = os.environ.get(self.variable, ""), f"the environment variable {self.variable}"
        else:
            path = folder / str(self.file)
            found, place = _text(path).partition("\n")[0].strip(), str(path)
        if not found:
            raise InputError(f"{place} holds no secret")
        return found


class Webhook(Section):
    """A receiver of results."""

    url: HttpUrl
    secret: Secret
    timeout_seconds: Annotated[float, Field(gt=0, le=60)] = 10
    give_up_after_hours: Annotated[float, Field(gt=0, le=24 * 30)] = 24

    def key(self, folder: Path) -> bytes:
        """What its deliveries are signed with; raises InputError for less than 16 bytes."""
        text = self.secret.read(folder)
        try:
            found = (
                base64.b64decode(text.removeprefix(_STANDARD), validate=True) if _is_standard(text) else text.encode()
            )
        except binascii.Error:
            raise InputError(f"the secret of {self.url.host} begins with {_STANDARD} and is no base64") from None
        if len(found) < _LEAST_SECRET_BYTES:
            raise InputError(
                f"the secret of {self.url.host} has {len(found)} bytes; take at least {_LEAST_SECRET_BYTES}"
            )
        return found


class Folder(Section):
    """A folder that is watched."""

    path: Path
    detector: str
    only_new: bool = False  # leave alone what lies there when the station starts
    part_id_from_name: bool = False  # the name of a file without its suffix
    station: Word | None = None
    tags: Annotated[list[Word], Field(max_length=20)] = []


class Camera(Section):
    """A camera; without `every_frames` and `every_seconds` it takes a picture when a trigger comes."""

    source: str | Secret  # a secret where it has a password
    detector: str
    every_frames: Annotated[int, Field(ge=1)] | None = None
    every_seconds: Annotated[float, Field(gt=0)] | None = None
    skip_frames: Annotated[int, Field(ge=0, le=1000)] = 0  # after a trigger
    timeout_seconds: Annotated[float, Field(gt=0, le=600)] = 10  # to open it, for each frame, and after a trigger
    station: Word | None = None
    tags: Annotated[list[Word], Field(max_length=20)] = []

    @checked(mode="after")
    def _one(self) -> Self:
        if self.every_frames is not None and self.every_seconds is not None:
            raise ValueError("give every_frames or every_seconds, or neither")
        if self.skip_frames and (self.every_frames or self.every_seconds):
            raise ValueError("skip_frames goes with triggers")
        return self

    def address(self, folder: Path) -> str:
        """As `CameraSource` takes it; raises InputError where a secret is not there."""
        text = self.source if isinstance(self.source, str) else self.source.read(folder)
        is_path = "://" not in text and not text.isdigit()
        return str(folder / text) if is_path else text


class Mqtt(Section):
    """A broker of MQTT 5."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)] = 1883
    user: str | None = None
    password: Secret | None = None
    tls: bool = False
    ca_file: Path | None = None  # in PEM format; without it, those of the system
    heartbeat_seconds: Annotated[float, Field(gt=0, le=3600)] = 10
    give_up_after_hours: Annotated[float, Field(gt=0, le=24 * 30)] = 24


class OpcUa(Section):
    """A server of OPC UA within the station."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)] = 4840


class LineSettings(Section):
    """The whole file; `name` is what the station is called elsewhere."""

    name: Name = "station"
    webhooks: dict[Name, Webhook] = {}
    folders: dict[Name, Folder] = {}
    cameras: dict[Name, Camera] = {}
    mqtt: Mqtt | None = None
    opcua: OpcUa | None = None

    @classmethod
    def read(cls, path: Path) -> Self:
        """From a file; raises InputError that names every wrong setting."""
        try:
            return cls.model_validate(parse_toml(_text(path), str(path)))
        except ValidationError as error:
            raise InputError("\n".join(f"{path}: {_explained(one)}" for one in error.errors())) from None


def _is_standard(text: str) -> bool:
    return text.startswith(_STANDARD)


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
        if len(content) > _MOST_BYTES:
            raise InputError(f"{path} has more than {_MOST_BYTES >> 20} MiB; it is no file of settings or of a secret")
        return content.decode()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputError(f"{path} is no text in UTF-8") from None


def _explained(error: Any) -> str:
    where = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        return f"{where} is unknown"
    if error["type"] == "missing":
        return f"{where} is missing"
    said = error["msg"].removeprefix("Value error, ")
    return f"{where}: {said}" if isinstance(error["input"], dict) else f"{where} = {error['input']!r}: {said}"
