"""What comes in `deploy/`, checked as far as a machine without containers allows."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pages import ROOT

DEPLOY = ROOT / "deploy"


def program(name: str) -> str:
    """Beside this Python, or on the path; skips where it is not installed."""
    found = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed here")
    return found


def passes(*command: object) -> None:
    run = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr


def services() -> dict[str, dict]:
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed here")
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]


def test_hadolint_has_nothing_to_say_of_the_dockerfile():
    passes(program("hadolint"), DEPLOY / "Dockerfile")


def test_the_image_takes_what_is_there_runs_as_nobody_of_importance_and_says_how_it_is():
    text = (DEPLOY / "Dockerfile").read_text()
    stages = text.split("\nFROM ")
    for line in re.findall(r"^COPY (?!--from)(.*) \S+$", text, re.MULTILINE):
        assert all((ROOT / path).exists() for path in line.split()), line
    allowed = {line[1:] for line in (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines() if line[:1] == "!"}
    assert allowed == set(re.findall(r"(?:pyproject\.toml|constraints\.txt|README\.md|LICENSE|src)", stages[1]))
    assert re.findall(r"^USER (\S+)$", stages[-1], re.MULTILINE) == ["10001"]
    assert "HEALTHCHECK" in stages[-1]
    assert "/readyz" in stages[-1]
    extras = re.findall(r"\[([\w,]+)\]'", text)[0].split(",")
    assert set(extras) <= set(re.findall(r"^([\w-]+) = \[", (ROOT / "pyproject.toml").read_text(), re.MULTILINE))


def test_the_compose_file_is_one_by_the_schema_of_compose():
    passes(program("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", DEPLOY / "compose.yaml")


def test_each_service_can_write_its_own_places_alone_and_is_open_to_this_machine_alone():
    found = services()
    assert set(found) == {"station", "database", "broker"}
    for name, service in found.items():
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ())), name
        assert service.get("build") or re.search(r":\d[\w.-]*$", service["image"]), name  # a version, not `latest`
        mounted = [Path(volume.split(":")[0]) for volume in service["volumes"] if volume.startswith("./")]
        assert all(volume.endswith(":ro") for volume in service["volumes"] if volume.startswith("./")), name
        assert {path.name for path in mounted} <= {"detectors", "mosquitto.conf", "mosquitto.passwd"}, name
    assert "password" not in (DEPLOY / "compose.yaml").read_text().lower().replace("postgres_password", "")


def unit(tmp_path: Path) -> Path:
    """The unit with a program that is there."""
    text = (DEPLOY / "urushi.service").read_text()
    (tmp_path / "urushi.service").write_text(text.replace("/opt/urushi/bin/urushi", "/bin/true"))
    return tmp_path / "urushi.service"


def test_systemd_takes_the_unit_and_finds_little_exposed(tmp_path):
    analyze = program("systemd-analyze")
    passes(analyze, "verify", "--man=no", unit(tmp_path))
    passes(analyze, "security", "--offline=yes", "--threshold=20", unit(tmp_path))  # 2.0 of 10


def test_the_unit_leaves_onnx_runtime_to_see_what_the_processor_can_do():
    assert "ProcSubset" not in re.findall(r"^(\w+)=", (DEPLOY / "urushi.service").read_text(), re.MULTILINE)


@pytest.mark.parametrize(
    ("file", "pattern"),
    [("urushi.service", r"ExecStart=\S+/urushi (.*)"), ("Dockerfile", r'ENTRYPOINT \["urushi", (.*)\]\nCMD \[(.*)\]')],
)
def test_the_station_is_started_with_options_that_it_has(file, pattern):
    from urushi.cli.serve import app, run

    words = " ".join(re.search(pattern, (DEPLOY / file).read_text()).groups()).replace('"', "").replace(",", "").split()
    options = {word for word in words if word.startswith("--")}
    known = {f"--{name.replace('_', '-')}" for name in run.__annotations__} | {"--data"}
    assert words[0] == app.info.name == "serve"
    assert options
    assert options <= known
