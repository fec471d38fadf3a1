"""Optional packages: what is missing is said with the command that installs it."""

from importlib.util import find_spec

from urushi.errors import MissingPackageError


def is_installed(module: str) -> bool:
    """Whether a module can be found; imports nothing."""
    return find_spec(module) is not None


def require(module: str, extra: str) -> None:
    """Raises MissingPackageError, naming the extra to install, if a module cannot be found; imports nothing."""
    if not is_installed(module):
        raise MissingPackageError(f"this needs {module}, which is not installed: pip install 'urushi[{extra}]'")
