"""What is missing is said with the command that is true for how Urushi was installed."""

import sys

import pytest

from urushi.catalogue import extras
from urushi.errors import MissingPackageError

COMMIT = "0123456789abcdef0123456789abcdef01234567"
ORIGINS = {
    "an index": (None, "'urushi[train]'"),
    "a checkout": ({"url": "file:///home/me/urushi", "dir_info": {"editable": True}}, "-e '/home/me/urushi[train]'"),
    "a folder": ({"url": "file:///home/me/my%20parts", "dir_info": {}}, "'/home/me/my parts[train]'"),
    "a wheel": (
        {"url": "file:///tmp/urushi-0.1.0-py3-none-any.whl", "archive_info": {}},
        "'/tmp/urushi-0.1.0-py3-none-any.whl[train]'",
    ),
    "an address": (
        {"url": "https://x.org/urushi.whl", "archive_info": {}},
        "'urushi[train] @ https://x.org/urushi.whl'",
    ),
    "a repository": (
        {"url": "https://x.org/urushi", "vcs_info": {"vcs": "git", "commit_id": COMMIT}},
        f"'urushi[train] @ git+https://x.org/urushi@{COMMIT}'",
    ),
}


@pytest.mark.parametrize("origin", ORIGINS)
@pytest.mark.skipif(sys.platform == "win32", reason="paths are others there")
def test_the_command_names_what_it_was_installed_from(origin):
    noted, expected = ORIGINS[origin]
    assert extras.command("[train]", noted) == f"pip install {expected}"


def test_without_an_extra_there_are_no_brackets():
    assert extras.command("", None) == "pip install urushi"
    assert extras.command("", {"url": "file:///home/me", "dir_info": {"editable": True}}) == "pip install -e /home/me"


def test_a_missing_package_is_named_with_the_command_of_this_installation():
    with pytest.raises(MissingPackageError) as raised:
        extras.require("no_such_module", "xray")
    assert str(raised.value) == f"this needs no_such_module, which is not installed: {extras.how_to_install('xray')}"


def test_a_frozen_program_cannot_be_added_to(monkeypatch):
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert extras.how_to_install("train") == (
        "it has to be built into this program, from an environment with urushi[train]"
    )
