"""A camera by RTSP on this machine: JPEG pictures in RTP packets within the connection (RFC 2326, RFC 2435)."""

import re
import socket
import struct
import threading
import time

import cv2
import numpy as np

_SDP = (
    "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=camera\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    "m=video 0 RTP/AVP 26\r\na=control:video\r\n"
)
_SIZE, _MOST = 64, 1200  # pixels a side, bytes of a packet


def _packets(picture: np.ndarray, seconds: float, first: int) -> list[bytes]:
    """One picture: what the decoder does not know by itself are the tables of quantisation and the scan."""
    how = [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420]
    jpeg = cv2.imencode(".jpg", picture, how)[1].tobytes()
    tables = b"".join(part[1:] for part in re.findall(rb"\xff\xdb\x00\x43(.{65})", jpeg, re.DOTALL))
    start = jpeg.index(b"\xff\xda")
    scan = jpeg[start + 2 + int.from_bytes(jpeg[start + 2 : start + 4], "big") : -2]
    out: list[bytes] = []
    for offset in range(0, len(scan), _MOST):
        part, is_last = scan[offset : offset + _MOST], offset + _MOST >= len(scan)
        head = struct.pack(">BBHII", 0x80, 26 | is_last << 7, (first + len(out)) % 65536, int(seconds * 90000), 1)
        image = struct.pack(">IBBBB", offset, 1, 255, _SIZE // 8, _SIZE // 8)
        image += struct.pack(">BBH", 0, 0, len(tables)) + tables if offset == 0 else b""
        out.append(struct.pack(">BBH", 0x24, 0, len(head + image + part)) + head + image + part)
    return out


class RtspCamera:
    """Sends 50 pictures per second to who asks while it is on, picture n as bright as n, up to 199 and round again.

    With `is_mute` the connection stays, and nothing comes.
    """

    def __init__(self, per_second: float = 50, last: int | None = None) -> None:
        self.n, self.per_second, self.last, self.is_on, self.is_mute = 0, per_second, last, True, False
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"rtsp://127.0.0.1:{self._listening.getsockname()[1]}/video"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self.is_on = False
        self._listening.close()

    def _accept(self) -> None:
        while True:
            try:
                connection = self._listening.accept()[0]
            except OSError:
                return
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        answers = {
            "DESCRIBE": f"Content-Type: application/sdp\r\nContent-Length: {len(_SDP)}\r\n\r\n{_SDP}",
            "SETUP": "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 1\r\n\r\n",
            "PLAY": "Session: 1\r\n\r\n",
        }
        with connection, connection.makefile("rw", newline="") as lines:
            method, end = "", "\r\n"
            while method != "PLAY":
                if not (method := lines.readline().partition(" ")[0]):
                    return
                number = ""
                while line := lines.readline().strip():
                    number = line if line.startswith("CSeq") else number
                lines.write(f"RTSP/1.0 200 OK\r\n{number}\r\n{answers.get(method, end)}")
                lines.flush()
            self._send(connection)

    def _send(self, connection: socket.socket) -> None:
        begun, n_packets = time.monotonic(), 0
        while self.is_on and self.n != self.last:
            time.sleep(1 / self.per_second)
            if self.is_mute:
                continue
            self.n += 1
            picture = np.full((_SIZE, _SIZE, 3), self.n % 200, np.uint8)
            packets = _packets(picture, time.monotonic() - begun, n_packets)
            n_packets += len(packets)
            try:
                connection.sendall(b"".join(packets))
            except OSError:
                return
