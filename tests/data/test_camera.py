"""Frames of cameras: all that are asked for of a file, and of a live one never an old one."""

import re
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from urushi.backoff import Backoff
from urushi.data import limits
from urushi.data.camera import LiveCamera, VideoFile
from urushi.data.camera_source import CameraSource
from urushi.errors import CameraError, InputError

QUICK = Backoff(0.01, 0.02)


def video(path: Path, n_frames: int, fps: float = 10, size: int = 32) -> Path:
    """Frame n is 10 n bright."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), fps, (size, size))
    for number in range(1, n_frames + 1):
        writer.write(np.full((size, size, 3), 10 * number, np.uint8))
    writer.release()
    return path


def numbers(frames) -> list[int]:
    return [round(float(frame.image.mean()) / 10) for frame in frames]


class Feed:
    """A live capture whose frame n is n bright; `n` moves on whenever it is grabbed, and it is lost after some."""

    def __init__(self, first: int = 1, last: int = 10**9, seconds: float = 0.001) -> None:
        self.n, self.last, self.seconds, self.is_released = first - 1, last, seconds, False

    def grab(self) -> bool:
        time.sleep(self.seconds)
        self.n += 1
        return self.n <= self.last

    def retrieve(self):
        return True, np.full((4, 4, 3), self.n % 256, np.uint8)

    def get(self, what: int) -> float:
        return 4

    def release(self) -> None:
        self.is_released = True


@pytest.fixture
def live():
    """Opens a live camera whose captures are these, one after the other; None: it cannot be opened."""
    cameras = []

    def live(*captures, report=lambda _said: None):
        left = iter(captures)
        source = CameraSource("http://camera/x", "stream")
        camera = LiveCamera(source, report=report, backoff=QUICK, open_capture=lambda: next(left, None))
        cameras.append(camera)
        return camera

    yield live
    for camera in cameras:
        camera.close()


def test_a_video_file_gives_each_frame_or_each_so_many_and_ends(tmp_path):
    source = CameraSource.of(str(video(tmp_path / "a.avi", 10)))
    assert numbers(VideoFile(source).frames()) == list(range(1, 11))
    assert numbers(VideoFile(source).frames(every=4)) == [1, 5, 9]
    assert numbers(VideoFile(source).frames(seconds=0.3)) == [1, 4, 7, 10]


def test_each_shot_of_a_video_file_is_the_next_frame_and_the_end_is_said(tmp_path):
    camera = VideoFile(CameraSource.of(str(video(tmp_path / "a.avi", 6))))
    assert [camera.shot(skip).number for skip in (0, 1, 2)] == [1, 3, 6]
    with pytest.raises(CameraError, match=r"a\.avi has ended") as caught:
        camera.shot()
    assert caught.value.has_ended


def test_frames_are_rgb(tmp_path):
    writer = cv2.VideoWriter(str(tmp_path / "a.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 10, (32, 32))
    writer.write(np.full((32, 32, 3), (0, 0, 250), np.uint8))
    writer.release()
    (frame,) = VideoFile(CameraSource.of(str(tmp_path / "a.avi"))).frames()
    assert frame.image[0, 0, 0] > 200 > 50 > frame.image[0, 0, 2]


def test_what_cannot_be_opened_is_told_by_no_decoder_with_what_is_secret(tmp_path, capfd):
    (tmp_path / "a.avi").write_bytes(b"RIFF" + bytes(1000))
    for text in (str(tmp_path / "a.avi"), "http://anna:secret@127.0.0.1:1/x", "127"):
        assert CameraSource.of(text).open() is None
    out, err = capfd.readouterr()
    assert not out
    assert not {"WARN", "anna", "secret"} & set(re.findall(r"\w+", err))


def test_what_is_no_video_or_too_large_is_said(tmp_path, monkeypatch):
    (tmp_path / "a.avi").write_bytes(b"RIFF" + bytes(1000))
    with pytest.raises(CameraError, match="no video that can be read"):
        VideoFile(CameraSource.of(str(tmp_path / "a.avi")))
    monkeypatch.setattr(limits, "_limits", limits._Limits(max_pixels=1000))
    with pytest.raises(CameraError, match="32 × 32 px are more than"):
        VideoFile(CameraSource.of(str(video(tmp_path / "b.avi", 1))))


def test_a_shot_of_a_live_camera_is_taken_after_it_was_asked_for(live):
    feed = Feed()
    camera = live(feed)
    for _ in range(5):
        time.sleep(0.02)
        before = feed.n
        frame = camera.shot()
        assert before < frame.number
        assert frame.image[0, 0, 0] == frame.number % 256
    before = feed.n
    assert camera.shot(skip=20).number >= before + 20


def test_a_shot_allows_for_the_frame_that_the_codec_holds_back(live):
    feed = Feed(seconds=0.05)
    camera = live(feed)
    camera.shot()
    before = feed.n
    assert camera.shot().number >= before + 2


def test_a_camera_is_idle_when_no_frame_comes_not_while_none_is_wanted(live):
    camera = live(Feed(1, 40, seconds=0.01))
    found = [next(frames := camera.frames(every=20, idle_seconds=0.1)).number, next(frames).number]
    assert found[1] >= found[0] + 20
    with pytest.raises(CameraError, match="no frame came") as caught:
        next(frames)
    assert caught.value.has_ended
    with pytest.raises(CameraError, match="no frame came") as caught:
        next(live().frames(idle_seconds=0.01))
    assert not caught.value.has_ended


def test_two_who_ask_at_once_both_get_a_frame(live):
    camera, found = live(Feed(seconds=0.02)), []
    threads = [threading.Thread(target=lambda: found.append(camera.shot(2).number)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(found) == 4


def test_who_is_slower_than_a_live_camera_gets_new_frames_and_no_old_ones(live):
    feed = Feed()
    camera = live(feed)
    for frame, _ in zip(camera.frames(every=3), range(5), strict=False):
        assert feed.n - frame.number <= 3
        time.sleep(0.03)


def test_frames_of_a_live_camera_come_in_their_time(live):
    start, camera = time.monotonic(), live(Feed())
    taken = [time.monotonic() - start for _, _ in zip(camera.frames(seconds=0.05), range(4), strict=False)]
    assert 0.14 < taken[-1] < 1


def test_a_lost_camera_is_opened_again_and_that_is_said_once(live):
    said: list[str] = []
    first, second = Feed(1, 3), Feed(101)
    camera = live(None, None, first, None, second, report=said.append)
    found = [frame.number for frame, _ in zip(camera.frames(), range(6), strict=False)]
    assert found == sorted(found)
    assert first.is_released
    assert said[0] == "http://camera/x cannot be reached; tries again"
    assert said.count(said[0]) == 2  # at first, and after it was there
    assert said.count("http://camera/x gives frames again") == 2


def test_who_waits_for_a_camera_that_is_away_is_told_so_in_time(live):
    camera = live()
    with pytest.raises(CameraError, match="no frame came from http://camera/x"):
        camera.shot(seconds=0.05)


def test_closing_lets_go_who_waits(live):
    camera = live()
    threading.Timer(0.05, camera.close).start()
    assert list(camera.frames()) == []


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("ftp://camera/x", "not 'ftp'"),
        ("file:///etc/passwd", "not 'file'"),
        ("concat:a|b", "no video file"),
        ("rtsp://", "no URL of a camera"),
        ("http://camera:99999/x", "no URL of a camera"),
        ("http://camera/x y", "no URL of a camera"),
        ("none.avi", "there is no video file 'none.avi'"),
        ("/dev/null", "there is no video file"),
        ("videotestsrc ! appsink", "there is no video file"),
    ],
)
def test_what_is_no_source_is_refused(text, reason):
    with pytest.raises(InputError, match=reason):
        CameraSource.of(text)


def test_what_is_secret_in_a_url_is_not_in_its_name():
    source = CameraSource.of("rtsp://anna:secret@camera:554/top?token=secret")
    assert source.name == "rtsp://camera:554/top"
    assert CameraSource.of("0").name == "camera 0"
