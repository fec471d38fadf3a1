"""How the station listens."""

import socket

from urushi.serving.server import _listening


def test_an_answer_in_two_pieces_does_not_wait_for_the_other_side():
    with _listening("127.0.0.1", 0) as listening, socket.create_connection(listening.getsockname()):
        connection, _ = listening.accept()
        with connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
