"""Who gets in, what each role may do, and what is refused because it is too much."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from argon2 import PasswordHasher
from sqlalchemy import select
from test_inspections import refused

from urushi.errors import AccessError, BusyError, InputError, NotFoundError
from urushi.serving.client import Client
from urushi.serving.tables import Base
from urushi.serving.tokens import FailedLogins, Tokens


def with_token(client: Client, token: str) -> Client:
    return Client("", token, http=client.http)


def test_without_a_token_or_with_a_wrong_one_nothing_is_told(connected):
    client = connected()
    right = client._headers["Authorization"].removeprefix("Bearer ")
    wrong = right[:-1] + ("a" if right[-1] != "a" else "b")
    for token in (wrong, "urushi-0000000000000000-" + "a" * 43, "nonsense", "ü"):
        answer = client.http.get("/v1/detectors", headers={"Authorization": f"Bearer {token}".encode()})
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        assert "exported" not in answer.text
    assert client.http.get("/v1/inspections").status_code == 401
    assert client.http.get("/metrics").status_code == 401


def test_a_token_is_kept_as_a_hash_only(connected):
    client = connected()
    with client.station.database.reading() as session:
        kept = [session.execute(select(table)).all() for table in Base.metadata.sorted_tables]
    assert client.token.split("-")[1] in str(kept)
    assert client.token.split("-", 2)[2] not in str(kept)
    (row,) = client.station.tokens.all()
    assert row.hash.startswith("$argon2id$")


def test_a_revoked_token_is_worth_nothing_at_once_though_it_was_verified_before(connected):
    client = connected()
    other = with_token(client, client.station.tokens.create("line 1", "inspect", "test"))
    assert other.detectors()
    client.station.tokens.revoke("line 1", "test")
    assert refused(other.detectors).status == 401
    with pytest.raises(NotFoundError, match="no token 'line 1'"):
        client.station.tokens.revoke("line 1", "test")


def test_a_token_that_another_process_revokes_is_worth_nothing_after_a_second(opened):
    station, moment = opened(), [0.0]
    here, there = (Tokens(station.database, PasswordHasher(1, 8, 1), lambda: moment[0]) for _ in range(2))
    token = here.create("line 1", "inspect", "test")
    assert here.known(token) is None
    assert here.caller(token) == here.known(token)
    there.revoke("line 1", "test")
    moment[0] = 0.9
    assert here.known(token).name == "line 1"
    moment[0] = 1.1
    assert here.known(token) is None
    with pytest.raises(AccessError):
        here.caller(token)


def test_each_role_may_do_what_those_before_it_may_and_no_more(connected, pngs):
    admin = connected()
    inspect, review = (connected(admin.station, role=role) for role in ("inspect", "review"))
    assert inspect.inspect("exported", [pngs[0]])
    for client in (inspect, review):
        error = refused(client.switch, "exported", 1, "why not")
        assert (error.status, error.problem["type"]) == (403, "urn:urushi:problem:forbidden")
        assert refused(client.changes).status == 403
    assert admin.switch("exported", 1, "why not").version == 1


def test_names_and_roles_that_are_none_are_refused(opened):
    tokens = opened().tokens
    for name, role in [("a", "root"), ("", "admin"), ("a\nb", "admin"), ("x" * 65, "admin")]:
        with pytest.raises(InputError):
            tokens.create(name, role, "test")


def test_two_tokens_of_one_name_would_make_the_record_worthless(opened):
    tokens = opened().tokens
    tokens.create("anna", "review", "test")
    with pytest.raises(InputError, match="there is a token 'anna' already"):
        tokens.create("anna", "admin", "test")


def test_after_too_many_wrong_tokens_an_address_waits_but_a_verified_token_does_not(connected):
    client = connected(failed_logins_per_minute=3)
    assert client.detectors()
    new = with_token(client, client.station.tokens.create("new", "admin", "test"))
    wrong = with_token(client, "urushi-0000000000000000-" + "a" * 43)
    assert [refused(wrong.detectors).status for _ in range(4)] == [401, 401, 401, 429]
    assert 50 < refused(new.detectors).retry_after_seconds <= 61
    assert client.detectors()
    assert "urushi_failed_logins_total 3.0" in client.metrics()


def test_a_minute_later_it_may_try_again():
    now = 0.0
    failed = FailedLogins(2, clock=lambda: now)
    failed.add("here")
    now = 30.0
    failed.add("here")
    failed.check("elsewhere")
    with pytest.raises(BusyError):
        failed.check("here")
    now = 60.0
    failed.check("here")


def test_a_body_that_is_too_large_is_refused_whether_it_says_so_or_not(connected, pngs):
    client = connected(body_megabytes=0.1)
    assert refused(client.inspect_bytes, "exported", b"x" * 100_001).status == 413
    pieces = (b"x" * 10_000 for _ in range(20))
    assert refused(client.inspect_bytes, "exported", pieces).status == 413
    assert list(client.station.objects.incoming.iterdir()) == []
    assert client.inspect_bytes("exported", pngs[0])


def test_more_images_than_a_request_may_have_are_refused(connected, pngs):
    client = connected(images_per_request=2)
    assert refused(client.inspect, "exported", pngs[:3]).status == 413
    assert refused(client.inspect, "exported", pngs[:4]).status in (400, 413)
    assert refused(client.inspect, "exported", []).status == 422
    assert len(client.inspect("exported", pngs[:2])) == 2


def test_every_answer_has_the_headers_that_keep_a_browser_from_guessing(connected):
    http = connected().http
    for path in ("/healthz", "/v1/detectors", "/nowhere", "/openapi.json"):
        headers = http.get(path).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "Set-Cookie" not in headers
        assert "Access-Control-Allow-Origin" not in headers


def test_a_path_that_is_none_is_a_problem_as_well(connected):
    http = connected().http
    for method, path, status in (("GET", "/nowhere", 404), ("DELETE", "/healthz", 405)):
        answer = http.request(method, path)
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.json()["status"] == answer.status_code == status


def test_health_and_readiness_need_no_token(connected):
    http = connected().http
    assert http.get("/healthz").json()["status"] == http.get("/readyz").json()["status"] == "ok"


def test_the_description_of_the_api_is_complete(connected):
    described = connected().http.get("/openapi.json").json()
    operations = [(path, one) for path, item in described["paths"].items() for one in item.values()]
    assert len(operations) >= 15
    for path, one in operations:
        assert one["summary"], path
        assert one["description"], path
        answers = [one["responses"][status] for status in ("200", "201", "202") if status in one["responses"]]
        assert any(answer.get("content") for answer in answers), path
        assert ("security" in one) == (path not in ("/healthz", "/readyz")), path
        if "requestBody" in one:
            assert one["requestBody"]["content"], path
    schemas = described["components"]["schemas"]
    assert schemas["InspectionFound"]["example"]["decision"] == "anomalous"


def test_a_token_that_many_requests_bring_at_once_is_verified_once(opened):
    station, verified = opened(), []
    quick = station.tokens._hasher

    class Slow(PasswordHasher):
        def verify(self, hash: str, password: str) -> bool:
            time.sleep(0.02)
            verified.append(password)
            return quick.verify(hash, password)

    token = station.tokens.create("line", "inspect", "test")
    station.tokens._hasher = Slow()
    with ThreadPoolExecutor(8) as pool:
        assert {caller.name for caller in pool.map(station.tokens.caller, [token] * 8)} == {"line"}
    assert len(verified) == 1
