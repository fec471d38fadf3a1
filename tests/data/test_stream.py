import random
import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from urushi.data.stream import batches, stream
from urushi.errors import InputError


def counting(n: int, taken: list[int]) -> Iterator[int]:
    for number in range(n):
        taken.append(number)
        yield number


@pytest.mark.parametrize("n_threads", [1, 4])
def test_results_come_in_the_order_of_the_sources(n_threads):
    delays = random.Random(0).choices([0, 0.001, 0.004], k=60)

    def work(number: int) -> int:
        time.sleep(delays[number])
        return number * number

    assert list(stream(work, range(60), n_threads=n_threads, ahead=8)) == [n * n for n in range(60)]


def test_work_is_done_in_several_threads():
    both = threading.Barrier(2, timeout=30)  # broken unless two are at work at once
    assert list(stream(lambda n: both.wait() >= 0 and n, range(2), n_threads=2)) == [0, 1]


@pytest.mark.parametrize("ahead", [1, 5])
def test_no_more_than_so_many_results_wait_to_be_taken(ahead):
    taken: list[int] = []
    results = stream(lambda n: n, counting(50, taken), n_threads=2, ahead=ahead)
    for number in range(30):
        assert next(results) == number
        assert len(taken) <= number + ahead
    results.close()


def test_sources_are_not_read_before_a_result_is_asked_for():
    taken: list[int] = []
    stream(lambda n: n, counting(50, taken))
    assert taken == []


def test_a_reader_who_stops_early_ends_the_work():
    taken: list[int] = []
    started: list[int] = []

    def work(number: int) -> int:
        started.append(number)
        time.sleep(0.002)
        return number

    results = stream(work, counting(10_000, taken), n_threads=2, ahead=64)
    assert next(results) == 0
    results.close()
    n_done = len(started)
    assert n_done < 20  # the rest of the 64 was cancelled
    time.sleep(0.02)
    assert len(started) == n_done
    assert len(taken) <= 65


def test_no_thread_is_left_behind():
    results = stream(lambda n: n, range(100), n_threads=3, ahead=4)
    next(results)
    assert any(thread.name.startswith("urushi-decode") for thread in threading.enumerate())
    results.close()
    assert not any(thread.name.startswith("urushi-decode") for thread in threading.enumerate())


def test_an_exception_reaches_the_reader_after_the_results_before_it():
    def work(number: int) -> int:
        if number == 3:
            raise ValueError("three")
        return number

    results = stream(work, range(10), n_threads=2, ahead=4)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="three"):
        next(results)
    assert list(results) == []


def test_an_exception_of_the_sources_reaches_the_reader():
    def sources() -> Iterator[int]:
        yield 1
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        list(stream(lambda n: n, sources()))


def test_no_sources_give_no_results():
    assert list(stream(lambda n: n, [])) == []


@given(st.lists(st.integers(), max_size=40), st.integers(1, 12))
def test_batches_hold_all_items_in_order_and_only_the_last_may_be_short(items, size):
    found = list(batches(iter(items), size))
    assert [item for batch in found for item in batch] == items
    assert all(len(batch) == size for batch in found[:-1])
    assert all(1 <= len(batch) <= size for batch in found[-1:])


@pytest.mark.parametrize("number", [0, -1])
def test_none_at_a_time_is_refused_where_it_would_silently_give_nothing(number):
    with pytest.raises(InputError, match="at least 1"):
        list(batches([1, 2], number))
    with pytest.raises(InputError, match="at least 1"):
        list(stream(lambda n: n, [1, 2], ahead=number))
