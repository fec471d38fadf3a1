"""`urushi inspect --camera`: one line of JSON for each picture, until the video ends."""

import json

import cv2
import pytest

from rtsp_camera import RtspCamera
from urushi import Detector


@pytest.fixture
def film(good, defects, tmp_path):
    """Five good pictures and a defective one."""
    pictures = [*sorted(good.iterdir())[:5], sorted(defects.iterdir())[0]]
    images = [cv2.imread(str(path)) for path in pictures]
    writer = cv2.VideoWriter(str(tmp_path / "film.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 10, images[0].shape[1::-1])
    for image in images:
        writer.write(image)
    writer.release()
    return tmp_path / "film.avi"


def test_each_frame_of_a_video_is_inspected_as_an_image_would_be(urushi, exported, film, tmp_path):
    result = urushi("inspect", exported, "--camera", film, "--maps", "--out", tmp_path / "out")
    assert result.status == 0
    found = [json.loads(line) for line in result.out.splitlines()]
    assert [one["source"] for one in found] == [f"film_{number:06}.png" for number in range(1, 7)]
    detector, reading = Detector.load(exported), cv2.VideoCapture(str(film), cv2.CAP_FFMPEG)
    expected = [detector.inspect(reading.read()[1], bgr=True) for _ in found]
    assert [(one["score"], one["decision"]) for one in found] == [(one.score, one.decision) for one in expected]
    assert found[-1]["decision"] == "anomalous"
    assert len(list((tmp_path / "out/maps").iterdir())) == 6


def test_of_a_video_each_so_many_frames_or_seconds(urushi, exported, film):
    for options, numbers in ((("--every-frames", "4"), [1, 5]), (("--every-seconds", "0.3"), [1, 4])):
        result = urushi("inspect", exported, "--camera", film, *options)
        found = [json.loads(line)["source"] for line in result.out.splitlines()]
        assert found == [f"film_{number:06}.png" for number in numbers]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--camera", "ftp://x/"], "not 'ftp'"),
        (["--camera", "none.avi"], "there is no video file"),
        (["--camera", "0", "."], "one of them"),
        (["--camera", "0", "--watch", "."], "one of them"),
        (["--camera", "0", "--report"], "has no last image"),
        ([".", "--every-frames", "2"], "go with --camera"),
        ([".", "--idle-seconds", "2"], "goes with --watch or --camera"),
        ([".", "--out", "out"], "nothing would be written to out: give --maps, --masks or --report"),
        (["--camera", "0", "--only-new"], "goes with --watch"),
        (["--camera", "rtsp://127.0.0.1:1/x", "--idle-seconds", "0.1"], "no frame came from rtsp://127.0.0.1:1/x"),
        (["--camera", "0", "--every-frames", "2", "--every-seconds", "1"], "give --every-frames or"),
    ],
)
def test_what_is_no_camera_or_does_not_go_together_is_refused(urushi, exported, arguments, reason):
    result = urushi("inspect", exported, *arguments)
    assert result.status == 2
    assert reason in " ".join(result.err.split())


@pytest.mark.thorough
def test_a_camera_by_rtsp_that_falls_silent_ends_what_waits_for_it(urushi, exported):
    rtsp = RtspCamera(last=100)
    result = urushi("inspect", exported, "--camera", rtsp.url, "--idle-seconds", "1", "--every-frames", "10")
    rtsp.close()
    assert result.status == 0
    assert "no frame came from rtsp://127.0.0.1:" in result.err
    found = [json.loads(line)["source"] for line in result.out.splitlines()]
    assert found[0] == "127.0.0.1_000001.png"
    assert found == sorted(found)


def test_what_is_no_video_is_said(urushi, exported, tmp_path):
    (tmp_path / "x.avi").write_bytes(b"no video")
    result = urushi("inspect", exported, "--camera", tmp_path / "x.avi")
    assert result.status == 2
    assert "no video that can be read" in result.err
