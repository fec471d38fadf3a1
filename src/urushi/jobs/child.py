"""What happens in the process of a job: it tells what came of it, and ends when its parent does."""

import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from multiprocessing import connection, parent_process
from typing import Any

from urushi.errors import UrushiError


def serve(work: Callable[[], Any], answer: "connection.Connection[Any, Any]") -> None:
    """Sends ("done", value) or ("failed", reason), and the most memory that was held, in bytes."""
    _lead_a_group()
    os.dup2(2, 1)  # what is printed here is no result of the command
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    try:
        found = ("done", work())
    except UrushiError as error:
        found = ("failed", str(error))
    except MemoryError:
        found = ("failed", "there was not enough memory")
    except Exception as error:
        traceback.print_exc()  # a mistake of the program: its place should not be lost
        found = ("failed", f"unexpected {type(error).__name__}: {error}")
    answer.send((*found, _peak_memory()))
    answer.close()


def _lead_a_group() -> None:
    """What this process starts belongs to its group, and is ended with it; an interrupt of the terminal is not ours."""
    if os.name == "posix":
        os.setsid()
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _end_with_the_parent() -> None:
    """Nobody waits for what an orphan computes, and it would compute beside what is begun anew."""
    if (parent := parent_process()) is not None:
        connection.wait([parent.sentinel])
        end(os.getpid())


def end(pid: int) -> None:
    """Ends a job's process and all that it has started, at once."""
    try:
        if os.name == "posix" and os.getpgid(pid) == pid:
            os.killpg(pid, signal.SIGKILL)
        else:
            os.kill(pid, getattr(signal, "SIGKILL", signal.SIGTERM))
    except ProcessLookupError:
        return


def _peak_memory() -> int | None:
    try:
        import resource
    except ImportError:  # not on Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
