"""A network from the Hugging Face hub: the one place here that uses a network, and only where a name asks for it."""

import os
import re
from pathlib import Path

from urushi.backbones._folder import CONFIG, INDEX, PREPROCESSOR, WEIGHTS
from urushi.catalogue.extras import require
from urushi.errors import BackboneError
from urushi.printable import printable

PREFIX, TIMM = "hub:", "timm:"  # of names on the hub: whole ones, and those that timm has there
_NAME = re.compile(r"hub:(\w[\w.-]*/\w[\w.-]*)(?:@([\w./-]+))?")
_FILES = (CONFIG, PREPROCESSOR, WEIGHTS, INDEX, "model-*.safetensors", "README.md")


def downloaded(name: str) -> Path:
    """The folder of hub:OWNER/NAME or hub:OWNER/NAME@REVISION in the cache, downloaded where it is not there yet.

    Raises BackboneError, MissingPackageError. No file that could hold code is fetched.
    """
    if not (found := _NAME.fullmatch(name)):
        raise BackboneError(f"model.backbone = {name!r}: write hub:OWNER/NAME, such as hub:facebook/dinov2-small")
    require("huggingface_hub", "backbones")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(found[1], revision=found[2], allow_patterns=list(_FILES)))
    except Exception as error:  # the client lets through whatever its own client of HTTP raises
        reason = printable(" ".join(str(error).split()))[:300]
        raise BackboneError(
            f"{name} could not be fetched: {reason}. Without a network, download the folder elsewhere and give its path"
        ) from error
