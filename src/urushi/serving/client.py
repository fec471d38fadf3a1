"""A typed client of the station's API."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import httpx2
from pydantic import TypeAdapter

from urushi.errors import UrushiError
from urushi.serving.jobs import Kind
from urushi.serving.messages import (
    ChangeFound,
    DetectorFound,
    InspectionFound,
    InspectionPage,
    JobFound,
    PreviewFound,
    RuleFound,
    VerdictKind,
    VerdictSaid,
    VersionFound,
)

Picture = Literal["map", "overlay", "reconstruction", "original"]
Image = Path | bytes


class RefusedError(UrushiError):
    """The station has refused a request; `problem` is its answer as in RFC 9457."""

    def __init__(self, response: httpx2.Response) -> None:
        self.status, self.problem = response.status_code, _problem(response)
        self.retry_after_seconds = int(response.headers.get("Retry-After", 0))
        super().__init__(f"{self.status} {self.problem.get('title', '')}: {self.problem.get('detail', '')}")


class Client:
    """Speaks to one station; raises RefusedError, and what httpx2 raises where no answer comes."""

    def __init__(self, url: str, token: str, *, http: httpx2.Client | None = None, timeout_seconds: float = 60) -> None:
        self._http = http or httpx2.Client(base_url=url, timeout=timeout_seconds)
        self._headers = {"Authorization": f"Bearer {token}"}

    def inspect(self, detector: str, images: Sequence[Image], **about: str | Sequence[str]) -> list[InspectionFound]:
        """One result per image; `about`: part_id, serial, station, shift, tag (one or several)."""
        files = [("image", _file(image)) for image in images]
        found = self._sent("POST", f"/v1/detectors/{detector}/inspections", files=files, data=dict(about))
        return TypeAdapter(list[InspectionFound]).validate_json(found.content)

    def inspect_bytes(self, detector: str, image: bytes, **about: str | Sequence[str]) -> InspectionFound:
        """The result of one image that is sent as it is."""
        path, headers = f"/v1/detectors/{detector}/inspections", {"Content-Type": "application/octet-stream"}
        found = self._sent("POST", path, content=image, params=dict(about), headers=headers)
        return TypeAdapter(list[InspectionFound]).validate_json(found.content)[0]

    def trigger(self, camera: str, **about: Any) -> InspectionFound:
        """The result of a picture that a camera takes now; `about`: id, part_id, serial, station, shift, tags."""
        found = self._sent("POST", f"/v1/cameras/{camera}/inspections", json=about)
        return InspectionFound.model_validate_json(found.content)

    def inspection(self, number: int) -> InspectionFound:
        """One by its id."""
        return InspectionFound.model_validate_json(self._sent("GET", f"/v1/inspections/{number}").content)

    def page(self, *, cursor: int | None = None, limit: int = 50, **conditions: Any) -> InspectionPage:
        """One page of those that fulfil the conditions, last first."""
        asked = {"cursor": cursor, "limit": limit, **conditions}
        query = {name: value for name, value in asked.items() if value is not None}
        return InspectionPage.model_validate_json(self._sent("GET", "/v1/inspections", params=query).content)

    def inspections(self, **conditions: Any) -> Iterator[InspectionFound]:
        """All of them, page by page."""
        cursor: int | None = None
        while True:
            page = self.page(cursor=cursor, **conditions)
            yield from page.items
            if (cursor := page.next) is None:
                return

    def picture(self, number: int, kind: Picture) -> bytes:
        """A PNG file."""
        return self._sent("GET", f"/v1/inspections/{number}/{kind}.png").content

    def detectors(self) -> list[DetectorFound]:
        """All of the station."""
        return TypeAdapter(list[DetectorFound]).validate_json(self._sent("GET", "/v1/detectors").content)

    def detector(self, name: str) -> DetectorFound:
        """As it decides now."""
        return DetectorFound.model_validate_json(self._sent("GET", f"/v1/detectors/{name}").content)

    def rules(self, name: str) -> list[RuleFound]:
        """What every threshold rule would do."""
        return TypeAdapter(list[RuleFound]).validate_json(self._sent("GET", f"/v1/detectors/{name}/rules").content)

    def versions(self, name: str) -> list[VersionFound]:
        """Those that are kept."""
        found = self._sent("GET", f"/v1/detectors/{name}/versions")
        return TypeAdapter(list[VersionFound]).validate_json(found.content)

    def switch(self, name: str, number: int, reason: str) -> DetectorFound:
        """Has another version decide."""
        asked = {"number": number, "reason": reason}
        return DetectorFound.model_validate_json(self._sent("PUT", f"/v1/detectors/{name}/current", json=asked).content)

    def judge(self, number: int, verdict: VerdictKind, **more: str) -> InspectionFound:
        """Gives a verdict; `more`: defect_type, note."""
        asked = {"verdict": verdict, **more}
        found = self._sent("POST", f"/v1/inspections/{number}/verdicts", json=asked)
        return InspectionFound.model_validate_json(found.content)

    def verdicts(self, number: int) -> list[VerdictSaid]:
        """All that were given, from the first to the last."""
        found = self._sent("GET", f"/v1/inspections/{number}/verdicts")
        return TypeAdapter(list[VerdictSaid]).validate_json(found.content)

    def borderline(self, name: str, limit: int = 50) -> list[InspectionFound]:
        """What to review first."""
        found = self._sent("GET", f"/v1/detectors/{name}/borderline", params={"limit": limit})
        return TypeAdapter(list[InspectionFound]).validate_json(found.content)

    def preview(self, name: str, **asked: Any) -> PreviewFound:
        """What another threshold would change; `asked`: rule, options, since, until, counts_reviewed."""
        found = self._sent("POST", f"/v1/detectors/{name}/recalibration/preview", json=asked)
        return PreviewFound.model_validate_json(found.content)

    def recalibrate(self, name: str, version: int, reason: str, **asked: Any) -> DetectorFound:
        """The same as a new version that follows `version`."""
        sent = {"version": version, "reason": reason, **asked}
        found = self._sent("POST", f"/v1/detectors/{name}/recalibration", json=sent)
        return DetectorFound.model_validate_json(found.content)

    def learn(self, name: str, version: int, reason: str, inspections: Sequence[int] | None = None) -> DetectorFound:
        """Learns these images, or all false alarms, as good ones."""
        sent = {"version": version, "reason": reason, "inspections": None if inspections is None else list(inspections)}
        found = self._sent("POST", f"/v1/detectors/{name}/good-images", json=sent)
        return DetectorFound.model_validate_json(found.content)

    def begin(self, kind: Kind, detector: str, reason: str, **asked: Any) -> JobFound:
        """Begins a job; `asked`: source, tag, since, until, recipe, false_alarm_rate, to."""
        sent = {"kind": kind, "detector": detector, "reason": reason, **asked}
        return JobFound.model_validate_json(self._sent("POST", "/v1/jobs", json=sent).content)

    def job(self, number: int) -> JobFound:
        """As it stands."""
        return JobFound.model_validate_json(self._sent("GET", f"/v1/jobs/{number}").content)

    def cancel(self, number: int) -> JobFound:
        """Ends a job."""
        return JobFound.model_validate_json(self._sent("POST", f"/v1/jobs/{number}/cancellation").content)

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
        return TypeAdapter(list[ChangeFound]).validate_json(self._sent("GET", "/v1/changes", params=conditions).content)

    def metrics(self) -> str:
        """In the text format of Prometheus."""
        return self._sent("GET", "/metrics").text

    def _sent(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, **what: Any
    ) -> httpx2.Response:
        response = self._http.request(method, path, headers={**self._headers, **(headers or {})}, **what)
        if response.is_error:
            raise RefusedError(response)
        return response


def _file(image: Image) -> tuple[str, bytes]:
    return ("image", image) if isinstance(image, bytes) else (image.name, image.read_bytes())


def _problem(response: httpx2.Response) -> dict[str, Any]:
    try:
        found = response.json()
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
