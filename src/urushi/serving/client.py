"""A typed client of the station's API."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, TypeVar
from uuid import uuid4

import httpx2
from pydantic import BaseModel, TypeAdapter

from urushi.errors import UrushiError
from urushi.serving.drift.monitors import Reference
from urushi.serving.jobs import Kind
from urushi.serving.messages.comparison import ComparisonFound
from urushi.serving.messages.detectors import DetectorFound, DriftFound, RuleFound, VersionFound
from urushi.serving.messages.fields import VerdictKind
from urushi.serving.messages.inspections import InspectionFound, InspectionPage, VerdictSaid
from urushi.serving.messages.jobs import JobFound
from urushi.serving.messages.operation import ChangeFound
from urushi.serving.messages.review import PreviewFound
from urushi.serving.views import ViewFound

Picture = Literal["map", "overlay", "reconstruction", "difference", "seen", "original"]
Image = Path | bytes
_Message = TypeVar("_Message", bound=BaseModel)
_NONE: Mapping[str, str] = {}
_PAUSE_SECONDS = 0.5


class RefusedError(UrushiError):
    """The station has refused a request; `problem` is its answer as in RFC 9457."""

    def __init__(self, response: httpx2.Response) -> None:
        self.status, self.problem = response.status_code, _problem(response)
        self.retry_after_seconds = int(response.headers.get("Retry-After", 0))
        super().__init__(f"{self.status} {self.problem.get('title', '')}: {self.problem.get('detail', '')}")


class Client:
    """Speaks to one station; raises RefusedError, and what httpx2 raises where no answer comes.

    Images for which no answer comes are sent again, `retries` times: by the key of their request they count once.
    """

    def __init__(
        self, url: str, token: str, *, http: httpx2.Client | None = None, timeout_seconds: float = 60, retries: int = 2
    ) -> None:
        self._http, self._retries = http or httpx2.Client(base_url=url, timeout=timeout_seconds), retries
        self._headers = {"Authorization": f"Bearer {token}"}

    def inspect(self, detector: str, images: Sequence[Image], **about: str | Sequence[str]) -> list[InspectionFound]:
        """One result per image; `about`: part_id, serial, station, shift, tag (one or several)."""
        files = [("image", _file(image)) for image in images]
        return self._inspected(detector, files=files, data=dict(about))

    def inspect_bytes(self, detector: str, image: bytes, **about: str | Sequence[str]) -> InspectionFound:
        """The result of one image that is sent as it is."""
        raw = {"Content-Type": "application/octet-stream"}
        return self._inspected(detector, content=image, params=dict(about), headers=raw)[0]

    def trigger(self, camera: str, **about: Any) -> InspectionFound:
        """The result of a picture that a camera takes now; `about`: id, part_id, serial, station, shift, tags."""
        found = self._sent("POST", f"/v1/cameras/{camera}/inspections", json=about)
        return InspectionFound.model_validate_json(found.content)

    def inspection(self, number: int) -> InspectionFound:
        """One by its id."""
        return self._one(InspectionFound, "GET", f"/v1/inspections/{number}")

    def page(self, *, cursor: int | None = None, limit: int = 50, **conditions: Any) -> InspectionPage:
        """One page of those that fulfil the conditions, last first."""
        asked = {"cursor": cursor, "limit": limit, **conditions}
        query = {name: value for name, value in asked.items() if value is not None}
        return self._one(InspectionPage, "GET", "/v1/inspections", params=query)

    def inspections(self, **conditions: Any) -> Iterator[InspectionFound]:
        """All of them, page by page."""
        cursor: int | None = None
        while True:
            page = self.page(cursor=cursor, **conditions)
            yield from page.items
            if (cursor := page.next) is None:
                return

    def views(self) -> list[ViewFound]:
        """One's own views of the gallery."""
        return self._all(ViewFound, "GET", "/v1/views")

    def keep_view(self, name: str, **filters: Any) -> ViewFound:
        """Keeps filters of the gallery by a name."""
        return self._one(ViewFound, "POST", "/v1/views", json={"name": name, "filters": filters})

    def rename_view(self, number: int, name: str) -> ViewFound:
        """Gives one of them another name."""
        return self._one(ViewFound, "PATCH", f"/v1/views/{number}", json={"name": name})

    def remove_view(self, number: int) -> ViewFound:
        """Removes one of them."""
        return self._one(ViewFound, "DELETE", f"/v1/views/{number}")

    def picture(self, number: int, kind: Picture) -> bytes:
        """A PNG file."""
        return self._sent("GET", f"/v1/inspections/{number}/{kind}.png").content

    def detectors(self) -> list[DetectorFound]:
        """All of the station."""
        return self._all(DetectorFound, "GET", "/v1/detectors")

    def detector(self, name: str) -> DetectorFound:
        """As it decides now."""
        return self._one(DetectorFound, "GET", f"/v1/detectors/{name}")

    def rules(self, name: str) -> list[RuleFound]:
        """What every threshold rule would do."""
        return self._all(RuleFound, "GET", f"/v1/detectors/{name}/rules")

    def versions(self, name: str) -> list[VersionFound]:
        """Those that are kept."""
        return self._all(VersionFound, "GET", f"/v1/detectors/{name}/versions")

    def drift(self, name: str) -> DriftFound:
        """Whether what is normal has moved."""
        return self._one(DriftFound, "GET", f"/v1/detectors/{name}/drift")

    def acknowledge_drift(self, name: str, reason: str, reference: Reference) -> DriftFound:
        """Begins the test anew after an alarm, against the same reference or what comes next."""
        path, asked = f"/v1/detectors/{name}/drift/acknowledgement", {"reason": reason, "reference": reference}
        return self._one(DriftFound, "POST", path, json=asked)

    def switch(self, name: str, number: int, reason: str) -> DetectorFound:
        """Has another version decide."""
        asked = {"number": number, "reason": reason}
        return self._one(DetectorFound, "PUT", f"/v1/detectors/{name}/current", json=asked)

    def judge(self, number: int, verdict: VerdictKind, **more: str) -> InspectionFound:
        """Gives a verdict; `more`: defect_type, note."""
        asked = {"verdict": verdict, **more}
        return self._one(InspectionFound, "POST", f"/v1/inspections/{number}/verdicts", json=asked)

    def verdicts(self, number: int) -> list[VerdictSaid]:
        """All that were given, from the first to the last."""
        return self._all(VerdictSaid, "GET", f"/v1/inspections/{number}/verdicts")

    def borderline(self, name: str, limit: int = 50) -> list[InspectionFound]:
        """What to review first."""
        return self._all(InspectionFound, "GET", f"/v1/detectors/{name}/borderline", params={"limit": limit})

    def preview(self, name: str, **asked: Any) -> PreviewFound:
        """What another threshold would change; `asked`: rule, options, since, until, counts_reviewed."""
        return self._one(PreviewFound, "POST", f"/v1/detectors/{name}/recalibration/preview", json=asked)

    def recalibrate(self, name: str, version: int, reason: str, **asked: Any) -> DetectorFound:
        """The same as a new version that follows `version`."""
        sent = {"version": version, "reason": reason, **asked}
        return self._one(DetectorFound, "POST", f"/v1/detectors/{name}/recalibration", json=sent)

    def learn(self, name: str, version: int, reason: str, inspections: Sequence[int] | None = None) -> DetectorFound:
        """Learns these images, or all false alarms, as good ones."""
        sent = {"version": version, "reason": reason, "inspections": None if inspections is None else list(inspections)}
        return self._one(DetectorFound, "POST", f"/v1/detectors/{name}/good-images", json=sent)

    def begin(self, kind: Kind, detector: str, reason: str, **asked: Any) -> JobFound:
        """Begins a job; `asked`: source, tag, since, until, recipe, false_alarm_rate, to, teaching, goes_live, area.

        Of a comparison: version, against (detector, number), is_reviewed, limit.
        """
        sent = {"kind": kind, "detector": detector, "reason": reason, **asked}
        return self._one(JobFound, "POST", "/v1/jobs", json=sent)

    def job(self, number: int) -> JobFound:
        """As it stands."""
        return self._one(JobFound, "GET", f"/v1/jobs/{number}")

    def comparison(self, number: int) -> ComparisonFound:
        """What a job has found that compared two versions."""
        return self._one(ComparisonFound, "GET", f"/v1/jobs/{number}/comparison")

    def cancel(self, number: int) -> JobFound:
        """Ends a job."""
        return self._one(JobFound, "POST", f"/v1/jobs/{number}/cancellation")

    def followed(self, number: int) -> Iterator[JobFound]:
        """A job each time that it has changed, until it has ended."""
        with self._http.stream("GET", f"/v1/jobs/{number}/events", headers=self._headers, timeout=None) as response:
            if response.is_error:
                response.read()
                raise RefusedError(response)
            for line in response.iter_lines():
                if line.startswith("data: "):
                    yield JobFound.model_validate_json(line.removeprefix("data: "))

    def changes(self, **conditions: Any) -> list[ChangeFound]:
        """Of the audit trail, last first."""
        return self._all(ChangeFound, "GET", "/v1/changes", params=conditions)

    def metrics(self) -> str:
        """In the text format of Prometheus."""
        return self._sent("GET", "/metrics").text

    def _inspected(self, detector: str, headers: Mapping[str, str] = _NONE, **what: Any) -> list[InspectionFound]:
        path, keyed = f"/v1/detectors/{detector}/inspections", {"Idempotency-Key": str(uuid4()), **headers}
        for _ in range(self._retries):
            with suppress(httpx2.TransportError):
                return self._all(InspectionFound, "POST", path, headers=keyed, **what)
            time.sleep(_PAUSE_SECONDS)
        return self._all(InspectionFound, "POST", path, headers=keyed, **what)

    def _one(self, kind: type[_Message], method: str, path: str, **what: Any) -> _Message:
        return kind.model_validate_json(self._sent(method, path, **what).content)

    def _all(self, kind: type[_Message], method: str, path: str, **what: Any) -> list[_Message]:
        return TypeAdapter(list[kind]).validate_json(self._sent(method, path, **what).content)  # type: ignore[valid-type]

    def _sent(self, method: str, path: str, headers: Mapping[str, str] = _NONE, **what: Any) -> httpx2.Response:
        response = self._http.request(method, path, headers={**self._headers, **headers}, **what)
        if response.is_error:
            raise RefusedError(response)
        return response


def _file(image: Image) -> tuple[str, bytes]:
    return ("image", image) if isinstance(image, bytes) else (image.name, image.read_bytes())


def _problem(response: httpx2.Response) -> dict[str, Any]:
    with suppress(ValueError):
        if isinstance(found := response.json(), dict):
            return found
    return {}
