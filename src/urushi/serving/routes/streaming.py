"""Server-sent events: looks for news again and again until there can be no more, or the station ends."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import NamedTuple

from fastapi.responses import StreamingResponse

from urushi.serving.station import Station

MEDIA_TYPE = "text/event-stream"
_LOOK_SECONDS = 0.25
_ALIVE_AFTER = 60  # looks without news, after which a comment says that the connection lives


class Event(NamedTuple):
    """What is told, in one line of JSON."""

    name: str
    data: str


Look = Event | None  # None: nothing new


def streamed(looks: AsyncGenerator[Look], station: Station) -> StreamingResponse:
    """Each event as it comes; after a look without one there is a pause."""
    return StreamingResponse(told(looks, station), media_type=MEDIA_TYPE)


async def told(looks: AsyncGenerator[Look], station: Station) -> AsyncGenerator[str]:
    """As the browser reads them, with a comment now and then that says that the connection lives."""
    n_looks = 0
    async with aclosing(looks):
        async for event in looks:
            if event is not None:
                yield f"event: {event.name}\ndata: {event.data}\n\n"
                continue
            if station.jobs.is_closing.is_set():
                return
            if n_looks % _ALIVE_AFTER == 0:  # at once for the first time, so that who asks knows
                yield ": here\n\n"
            n_looks += 1
            await asyncio.sleep(_LOOK_SECONDS)
