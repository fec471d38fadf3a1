import resource
import sys

import pytest
import torch

from urushi.training.kept_memory import kept_memory


def faults_of_large_tensors() -> int:
    """Page faults of ten allocations of 64 MB that are freed at once."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        torch.ones(16 << 20)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@pytest.mark.skipif(sys.platform != "linux", reason="glibc only")
def test_freed_memory_is_used_again_without_new_page_faults():
    with kept_memory(is_wanted=True):
        faults_of_large_tensors()  # the first time they are really new
        kept = faults_of_large_tensors()
    given_back = faults_of_large_tensors()
    assert kept * 5 < given_back


def test_nothing_changes_where_it_is_not_wanted():
    before = faults_of_large_tensors()
    with kept_memory(is_wanted=False):
        inside = faults_of_large_tensors()
    assert inside > before / 2
