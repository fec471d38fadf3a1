"""The peers' own environment: made once, away from the project's."""

import os
import subprocess
import sys
from pathlib import Path

from benchmarks import record

HERE = Path(__file__).parent
DEFAULT = Path(os.environ.get("URUSHI_PEERS", record.ROOT / ".peers"))


def python_of(folder: Path) -> Path:
    """Its interpreter; installs the peers where there is none (6 GB, some minutes)."""
    python = folder / "bin" / "python"
    if not python.is_file():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        requirements = HERE / "requirements.txt"
        subprocess.run([str(python), "-m", "pip", "install", "-q", "-r", str(requirements)], check=True)
    return python


def run(python: Path, worker: str, *arguments: object) -> str:
    """What a worker prints, in a process of its own."""
    command = [str(python), str(HERE / f"{worker}.py"), *map(str, arguments)]
    found = subprocess.run(command, capture_output=True, text=True)
    if found.returncode:
        sys.exit(f"error: {' '.join(command)}\n{found.stderr[-3000:]}")
    return found.stdout
