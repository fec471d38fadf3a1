"""The pictures of the inspections that were looked at last: one inspection serves all layers of an image."""

import threading
from collections import OrderedDict

from urushi.serving.evidence import Evidence
from urushi.serving.history import History
from urushi.serving.tables import Inspected

_MOST_PIXELS = 4_000_000  # of all maps together; with its pictures a pixel takes 10 bytes

_Key = tuple[int, int, str | None]


class Shown:
    """Of a history. The last one is kept however large it is, so that its layers need no second inspection."""

    def __init__(self, history: History, most_pixels: int = _MOST_PIXELS) -> None:
        self._history, self._most_pixels = history, most_pixels
        self._kept: OrderedDict[_Key, Evidence] = OrderedDict()  # last last
        self._changing = threading.Lock()

    def evidence(self, row: Inspected) -> Evidence:
        """The pictures of an inspection; raises NotFoundError where there are none."""
        key = (row.id, row.version_id, row.evidence)  # a database may give the id of a removed row again
        with self._changing:
            if key not in self._kept:
                self._kept[key] = self._history.evidence(row)
            self._kept.move_to_end(key)
            while len(self._kept) > 1 and self._n_pixels() > self._most_pixels:
                self._kept.popitem(last=False)
            return self._kept[key]

    def _n_pixels(self) -> int:
        return sum(one.anomaly_map.size for one in self._kept.values())
