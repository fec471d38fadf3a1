import subprocess
import sys

import pytest

# In a process of its own: which memory is new depends on all that was freed before.
SCRIPT = """
import resource, sys
import torch
from urushi.training.kept_memory import kept_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        torch.ones(16 << 20)  # 64 MB, freed at once
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

with kept_memory(is_wanted=sys.argv[1] == "True"):
    faults()  # the first time they are really new
    inside = faults()
print(inside, faults())
"""


def faults(*, is_wanted: bool) -> tuple[int, int]:
    """Page faults of ten large tensors inside and after."""
    done = subprocess.run([sys.executable, "-c", SCRIPT, str(is_wanted)], capture_output=True, text=True, check=True)
    inside, after = map(int, done.stdout.split())
    return inside, after


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="glibc only")
def test_freed_memory_is_used_again_without_new_page_faults_and_given_back_afterwards():
    inside, after = faults(is_wanted=True)
    assert inside * 5 < after


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="glibc only")
def test_nothing_changes_where_it_is_not_wanted():
    inside, after = faults(is_wanted=False)
    assert inside > after / 2
