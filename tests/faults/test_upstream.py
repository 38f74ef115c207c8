"""A server over HTTP that fails in every way: one assistant per refresh, the store agrees,
the caller gets the right status, and the next run heals what was left."""

import concurrent.futures
import datetime
import ipaddress
import json
import socket
import threading
import time

import pytest
from conftest import eventually, free_port
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from fake_upstream import ConnectProxy, Fault, FakeUpstream, envelope

KEY = "sk-test-0123456789"


@pytest.fixture
def upstream():
    server = FakeUpstream()
    yield server
    server.close()


@pytest.fixture
def site(make_site, upstream):
    return make_site({"OPENAI_BASE_URL": upstream.url, "OPENAI_API_KEY": KEY})


def agree(site, upstream):
    """The store and the upstream tell the same; nothing is open; every nonce is single."""
    known = site.sql("SELECT id FROM assistant WHERE label <> 'deleted'")
    assert {id for (id,) in known} == set(upstream.assistants)
    assert site.sql("SELECT count(*) FROM rotation WHERE ended_at IS NULL") == [(0,)]
    assert all(count == 1 for count in upstream.by_nonce().values())


def test_the_ten_requests_over_http(site, upstream):
    id = site.post("/initialize").data["assistantId"]
    assert site.get("/current").data["assistantId"] == id
    new = site.post("/refresh", {"config": {"name": "N"}}).data["newAssistantId"]
    assert [a["id"] for a in site.get("/list").data["assistants"]] == [new, id]
    assert site.get("/list?limit=1&after=" + new).data["assistants"][0]["id"] == id
    assert site.get(f"/details/{new}").data["name"] == "N"
    assert site.put(f"/update/{new}", {"updates": {"name": "M"}}).data["name"] == "M"
    assert upstream.assistants[new]["name"] == "M"
    site.post("/refresh")
    assert site.post("/cleanup", {"keepCount": 2}).data["deletedAssistants"] == [id]
    assert site.delete(f"/delete/{new}").data["deleted"] is True
    assert site.get("/status").data["upstream"] == upstream.url
    assert site.delete(f"/delete/{new}").error["code"] == "assistant_not_found"
    agree(site, upstream)


def test_what_is_sent(site, upstream):
    site.post("/initialize")
    for method, path, headers, body in upstream.requests:
        assert headers["Authorization"] == f"Bearer {KEY}"
        assert headers["OpenAI-Beta"] == "assistants=v2"
        assert headers["Content-Type"] == "application/json"
    method, path, headers, body = upstream.requests[0]
    assert (method, path) == ("POST", "/v1/assistants")
    sent = json.loads(body)
    assert sent["model"] == "gpt-4o-mini" and len(sent["metadata"]["oam_nonce"]) == 22


def test_azure_style(make_site, upstream):
    site = make_site(
        {
            "OPENAI_BASE_URL": upstream.url + "/",
            "OPENAI_API_KEY": KEY,
            "OPENAI_API_VERSION": "2024-05-01-preview",
        }
    )
    site.post("/initialize")
    site.get("/list")
    for method, path, headers, body in upstream.requests:
        assert headers["api-key"] == KEY and "Authorization" not in headers
        assert "api-version=2024-05-01-preview" in path


HANG = 60  # longer than any of our bounds


FAULTS = {
    # name: (fault, statuses that the caller may get)
    "refused": (None, {502}),
    "reset before it acted": (Fault("reset"), {502}),
    "reset after it acted": (Fault("reset", after=True), {200}),
    "hangs": (Fault("hang", seconds=HANG), {502}),
    "acts, then hangs": (Fault("hang", after=True, seconds=HANG), {200}),
    "hangs, the look-up too": (Fault("hang", "(POST|GET)", times=9, seconds=HANG), {502}),
    "drips": (Fault("drip", after=True), {200}),
    "truncated answer": (Fault("truncate", after=True), {200}),
    "oversized answer": (Fault("oversize", after=True), {200}),
    "no status line": (Fault("no HTTP", after=True, body=b"it worked\n"), {200}),
    "no status line before it acted": (Fault("no HTTP", body=b"try later\n"), {502}),
    "no answer": (Fault("no HTTP", after=True, body=b""), {200}),
    "not JSON": (Fault("garbage", after=True, body=b"<html>"), {200}),
    "wrong types": (Fault("garbage", after=True, body={"id": 5, "created_at": "x"}), {200}),
    "another object": (Fault("garbage", after=True, body=[]), {200}),
    "400": (Fault("status", status=400), {400}),
    "401": (Fault("status", status=401), {502}),
    "403": (Fault("status", status=403), {502}),
    "404": (Fault("status", status=404), {502}),
    "408": (Fault("status", status=408), {200}),
    "409": (Fault("status", status=409), {200}),
    "429": (Fault("status", status=429), {200}),
    "429 Retry-After": (Fault("status", status=429, headers={"Retry-After": "1"}), {200}),
    "429 retry-after-ms": (
        Fault("status", status=429, headers={"retry-after-ms": "50"}, times=3),
        {200},
    ),
    "429 x-should-retry: false": (
        Fault("status", status=429, headers={"x-should-retry": "false"}),
        {503},
    ),
    "429 for ever": (Fault("status", status=429, times=99), {503}),
    "500 before it acted": (Fault("status", status=500), {200}),
    "500 after it acted": (Fault("status", status=500, after=True), {200}),
    "500 for ever": (Fault("status", status=500, times=99), {502}),
    "503": (Fault("status", status=503), {200}),
    "redirect": (Fault("redirect"), {502}),
    "303 after it acted": (Fault("status", status=303, after=True), {200}),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_refresh_with_a_fault(make_site, upstream, name, record_property):
    fault, statuses = FAULTS[name]
    site = make_site({"OPENAI_BASE_URL": upstream.url, "OPENAI_API_KEY": KEY})
    old = site.post("/initialize").data["assistantId"]
    if fault:
        fault.times = fault.times or 1
        upstream.faults.append(
            Fault(fault.kind, fault.method, "", fault.times, fault.after, **fault.options)
        )
    else:
        site.set_env({"OPENAI_BASE_URL": f"http://127.0.0.1:{free_port()}/v1"})
        site.restart()
    start = time.monotonic()
    reply = site.post("/refresh", timeout=90)
    took = time.monotonic() - start
    assert reply.status in statuses, reply.raw
    assert took < 30
    assert KEY not in reply.raw.decode()
    assert site.get("/current").data["assistantId"] in {old, *upstream.assistants}
    status = site.get("/status").data
    if reply.status == 200:
        assert status["stale"] is False and len(upstream.assistants) == 2
    else:
        assert status["assistantId"] == old and status["stale"] is True
        assert status["lastError"] and status["consecutiveFailures"] == 1
    # The next run heals it.
    upstream.faults.clear()
    if not fault:
        site.set_env({"OPENAI_BASE_URL": upstream.url, "OPENAI_API_KEY": KEY})
        site.restart()
    assert site.post("/refresh", timeout=90).status == 200
    agree(site, upstream)
    assert site.get("/status").data["stale"] is False
    record_property(
        "note",
        f"fault: {name:27} answered {reply.status} in {took:4.1f} s, "
        f"{'new id' if reply.status == 200 else 'old id kept'}, healed by the next run",
    )


@pytest.mark.parametrize("kind", ["reset", "no HTTP"])
def test_a_kept_connection_that_ends_sends_nothing_twice(make_site, upstream, kind):
    """libcurl would send the creation again by itself."""
    env = {"OPENAI_BASE_URL": upstream.url, "OPENAI_API_KEY": KEY, "OAM_WORKERS": "1"}
    site = make_site(env)
    assert site.post("/refresh").status == 200
    upstream.faults.append(Fault(kind, "POST", "assistants$", after=True, body=b""))
    assert site.post("/refresh").status == 200
    assert [r[0] for r in upstream.requests].count("POST") == len(upstream.assistants) == 2
    agree(site, upstream)


def test_the_servers_words_are_carried_through(site, upstream):
    words = envelope("The model 'x' does not exist", code="model_not_found", param="model")
    upstream.faults.append(Fault("status", status=400, body=words))
    error = site.post("/refresh", {"config": {"model": "x"}}).error
    assert error["code"] == "upstream_refused"
    assert error["details"]["upstream"] == {
        "status": 400,
        "type": "invalid_request_error",
        "code": "model_not_found",
        "param": "model",
        "message": "The model 'x' does not exist",
    }


def test_long_words_of_the_server_stay_utf_8(site, upstream):
    for filler in ("x", "xx", "xxx"):
        words = envelope(filler + "é漢😀" * 200, code="é" * 100, param="漢" * 100)
        upstream.faults.append(Fault("status", status=400, body=words))
        reply = site.post("/refresh")
        said = json.loads(reply.raw.decode("utf-8"))["error"]["details"]["upstream"]
        assert said["message"].startswith(filler + "é漢😀é") and "?" not in said["message"]


def test_an_id_is_given_up_only_on_a_confirmed_404(site, upstream):
    id = site.post("/initialize").data["assistantId"]
    for fault in [
        Fault("status", "GET", status=500, times=9),
        Fault("status", "GET", status=404, times=9, body=b"<html>no such page</html>"),
        Fault("status", "GET", status=401, times=9),
    ]:
        upstream.faults[:] = [fault]
        assert site.post("/initialize", timeout=90).status == 502
        assert site.get("/current").data["assistantId"] == id
    upstream.faults.clear()
    del upstream.assistants[id]
    new = site.post("/initialize").data["assistantId"]
    assert new != id and list(upstream.assistants) == [new]


def test_a_stored_id_is_verified_now_and_then(site, upstream):
    """Not on each request; a 404 replaces it, anything else keeps it."""
    id = site.post("/initialize").data["assistantId"]
    before = len(upstream.requests)
    for _ in range(5):
        site.get("/current")
    time.sleep(0.3)
    assert len(upstream.requests) == before
    upstream.faults.append(Fault("status", "GET", status=403, times=9))
    site.sql("UPDATE profile SET verified_at = 0")
    site.get("/current")
    eventually(lambda: site.sql("SELECT verified_at FROM profile") != [(0,)])
    assert site.get("/current").data["assistantId"] == id
    assert site.get("/status").data["stale"] is False
    upstream.faults.clear()
    del upstream.assistants[id]
    site.sql("UPDATE profile SET verified_at = 0")
    assert site.get("/current").data["assistantId"] == id
    new = eventually(lambda: (i := site.get("/current").data["assistantId"]) != id and i)
    assert list(upstream.assistants) == [new]
    agree(site, upstream)


def test_an_id_of_a_server_that_is_no_longer_used_is_replaced(site, upstream):
    """As when OPENAI_BASE_URL is unset because OpenAI switched its server off."""
    old = site.post("/initialize").data["assistantId"]
    site.stop()
    site.set_env()
    site.start()
    assert site.get(f"/details/{old}").error["code"] == "assistant_not_found"
    assert site.get("/current").data["assistantId"] == old
    eventually(lambda: site.get("/current").data["assistantId"] != old)
    new = site.post("/initialize").data["assistantId"]
    assert [a["id"] for a in site.get("/list").data["assistants"]] == [new]
    assert list(upstream.assistants) == [old]


def test_a_server_that_does_not_know_them_deletes_no_hosted_assistants(make_site, upstream):
    """As when OPENAI_BASE_URL is set to try another server, and unset again."""
    site = make_site()
    first = site.post("/initialize").data["assistantId"]
    second = site.post("/refresh").data["newAssistantId"]
    other = site.post("//v1/assistants", {"model": "m"}).json["id"]
    site.stop()
    site.set_env({"OPENAI_BASE_URL": upstream.url, "OPENAI_ASSISTANT_ID": other})
    site.start()
    assert site.post("/initialize").data["assistantId"] in upstream.assistants
    assert site.delete(f"/delete/{first}").status == 404
    assert site.post("/cleanup", {"keepCount": 1}).data["deletedAssistants"] == []
    site.stop()
    site.set_env()
    site.start()
    hosted = {a["id"] for a in site.get("/list").data["assistants"]}
    assert {first, second, other} <= hosted


def test_a_404_from_openai_says_what_happened(make_site, tmp_path):
    """Nothing of this reaches OpenAI: a proxy leads the name to this machine."""
    server, authority = make_certificate(tmp_path, x509.DNSName("api.openai.com"))
    openai = FakeUpstream(certificate=server)
    openai.faults.append(Fault("status", status=404, times=99))
    proxy = ConnectProxy(openai.port)
    site = make_site(
        {
            "OPENAI_BASE_URL": "https://api.openai.com/v1",
            "OPENAI_API_KEY": KEY,
            "OAM_HTTP_PROXY": proxy.url,
            "OAM_CA_FILE": authority,
        }
    )
    reply = site.post("/refresh")
    assert reply.status == 502 and reply.error["code"] == "upstream_switched_off"
    assert "2026-08-26" in reply.json["message"]
    assert "OPENAI_BASE_URL" in reply.json["message"]
    assert proxy.asked == ["api.openai.com:443"]
    # The key goes to the server alone, through the tunnel.
    assert openai.requests[0][2]["Authorization"] == f"Bearer {KEY}"
    assert KEY.encode() not in proxy.heads[0]
    proxy.close()
    openai.close()


def test_a_404_from_another_address_says_what_to_check(site, upstream):
    upstream.faults.append(Fault("status", status=404))
    reply = site.post("/refresh")
    assert reply.status == 502 and "OPENAI_BASE_URL" in reply.json["message"]


def test_an_id_with_a_nul_byte_is_not_believed(site, upstream):
    id = site.post("/initialize").data["assistantId"]
    upstream.assistants[id]["id"] = id + "\0"
    assert site.get(f"/details/{id}").error["code"] == "upstream_failed"


def test_lists_of_many_pages(site, upstream):
    for n in range(250):
        upstream.create({"model": "m", "name": str(n)})
    assert site.get("/list").data["count"] == 250
    done = site.post("/cleanup", {"keepCount": 100, "all": True}, timeout=90).data
    assert done["deletedCount"] == 150 and done["failed"] == []
    assert len(upstream.assistants) == 100


def own(site, upstream, count):
    """Assistants that the default profile owns, here and there; oldest first."""
    site.post("/initialize")
    ids = [upstream.create({"model": "m"})[1]["id"] for _ in range(count)]
    values = ",".join(
        f"('{id}','{upstream.url}',1,'retired','{{}}',{n + 1},{n + 1})"
        for n, id in enumerate(ids)
    )
    site.sql(
        "INSERT INTO assistant (id, upstream, profile_id, label, config, created_at, "
        f"updated_at) VALUES {values}"
    )
    return ids


def test_cleanup_runs_in_parallel(site, upstream, record_property):
    ids = own(site, upstream, 1000)
    upstream.delay = 0.05
    start = time.monotonic()
    done = site.post("/cleanup", {"keepCount": 1}, timeout=90).data
    took = time.monotonic() - start
    record_property(
        "note", f"cleanup: 1,000 deletes of 50 ms, 8 at once: {took / 6.25:.2f} of the minimum"
    )
    assert sorted(done["deletedAssistants"]) == sorted(ids)
    agree(site, upstream)


def test_cleanup_reports_each_failure(site, upstream):
    ids = own(site, upstream, 50)
    upstream.faults += [
        Fault("status", "DELETE", f"/{ids[5]}$", 99, status=403),
        Fault("status", "DELETE", f"/{ids[6]}$", 2, status=500),
        Fault("status", "DELETE", f"/{ids[8]}$", 1, status=500, after=True),
        Fault("reset", "DELETE", f"/{ids[9]}$", 1, after=True),
        Fault("status", "DELETE", "", 1, status=429, headers={"retry-after-ms": "100"}),
    ]
    del upstream.assistants[ids[7]]
    done = site.post("/cleanup", {"keepCount": 1}, timeout=90).data
    assert sorted(done["deletedAssistants"]) == sorted(set(ids) - {ids[5]})
    assert [(f["id"], f["code"]) for f in done["failed"]] == [(ids[5], "upstream_forbidden")]
    upstream.faults.clear()
    done = site.post("/cleanup", {"keepCount": 1}, timeout=90).data
    assert done["deletedAssistants"] == [ids[5]]
    agree(site, upstream)


# ---- cleanup and adoption at once ----


def hosted(site, upstream, count, named):
    """Assistants there that nobody owns, oldest first; `.env` names one of them."""
    ids = [upstream.create({"model": "m"})[1]["id"] for _ in range(count)]
    site.set_env(
        {
            "OPENAI_BASE_URL": upstream.url,
            "OPENAI_API_KEY": KEY,
            "OPENAI_ASSISTANT_ID": ids[named],
        }
    )
    return ids


def clean_all(site):
    return site.post("/cleanup", {"all": True, "keepCount": 1}, timeout=90).data


def test_what_is_adopted_during_a_cleanup_stays(site, upstream):
    """It is the last one to go, and becomes the current one when the first ones do."""
    ids = hosted(site, upstream, 30, named=0)
    adopted = []
    first, ready = threading.Lock(), threading.Event()

    def adopt():
        if first.acquire(blocking=False):
            adopted.append(site.post("/initialize").data["assistantId"])
            ready.set()
        assert ready.wait(60)

    upstream.faults.append(Fault("meanwhile", "DELETE", times=99, call=adopt))
    done = clean_all(site)
    assert adopted == [ids[0]]
    assert sorted(done["deletedAssistants"]) == sorted(ids[1:-1]) and done["failed"] == []
    assert set(upstream.assistants) == {ids[0], ids[-1]}
    assert site.get("/current").data["assistantId"] == ids[0]


def test_what_is_being_deleted_is_not_adopted(site, upstream):
    """Its deletion is on its way when it is asked for: then a new one is made."""
    ids = hosted(site, upstream, 3, named=0)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        adoptions = []

        def adopt():
            adoptions.append(pool.submit(site.post, "/initialize"))
            # It waits for the deletion; without that it would be done soon.
            concurrent.futures.wait(adoptions, timeout=1)

        upstream.faults.append(Fault("meanwhile", "DELETE", f"/{ids[0]}$", call=adopt))
        done = clean_all(site)
        current = adoptions[0].result().data["assistantId"]
    assert ids[0] in done["deletedAssistants"] and current not in ids
    assert current in upstream.assistants
    assert site.get("/current").data["assistantId"] == current


def test_what_is_being_adopted_is_not_deleted(site, upstream):
    """The server has confirmed it, and the store does not know of it yet."""
    ids = hosted(site, upstream, 5, named=1)
    cleaned = []
    # The first look is without the lease, and decides nothing.
    upstream.faults += [
        Fault("meanwhile", "GET", f"/{ids[1]}$", call=lambda: None),
        Fault(
            "meanwhile",
            "GET",
            f"/{ids[1]}$",
            after=True,
            call=lambda: cleaned.append(clean_all(site)),
        ),
    ]
    assert site.post("/initialize").data["assistantId"] == ids[1]
    assert sorted(cleaned[0]["deletedAssistants"]) == [ids[0], ids[2], ids[3]]
    assert set(upstream.assistants) == {ids[1], ids[4]}


def test_deleting_what_is_being_adopted_leaves_no_lost_id(site, upstream):
    ids = hosted(site, upstream, 1, named=0)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        deletions = []

        def delete():
            deletions.append(pool.submit(site.delete, f"/delete/{ids[0]}"))
            concurrent.futures.wait(deletions, timeout=1)  # it waits for the adoption

        upstream.faults += [
            Fault("meanwhile", "GET", f"/{ids[0]}$", call=lambda: None),
            Fault("meanwhile", "GET", f"/{ids[0]}$", after=True, call=delete),
        ]
        assert site.post("/initialize").data["assistantId"] == ids[0]
        assert deletions[0].result().status == 200
    assert upstream.assistants == {}
    assert site.get("/status").data["assistantId"] is None


def test_two_profiles_that_adopt_one_id(site, upstream):
    """The second one waits, and then takes another; a 409 would be by chance."""
    ids = hosted(site, upstream, 1, named=0)
    with site.env_file.open("a") as env:
        env.write(f"OPENAI_ASSISTANT_ID_SECOND={ids[0]}\n")
    site.oam("profile", "set", "second")
    with concurrent.futures.ThreadPoolExecutor() as pool:
        others = []

        def adopt():
            others.append(pool.submit(site.post, "/initialize?profile=second"))
            concurrent.futures.wait(others, timeout=1)

        upstream.faults += [
            Fault("meanwhile", "GET", f"/{ids[0]}$", call=lambda: None),
            Fault("meanwhile", "GET", f"/{ids[0]}$", after=True, call=adopt),
        ]
        assert site.post("/initialize").data["assistantId"] == ids[0]
        assert others[0].result().data["assistantId"] not in ids


def test_a_list_that_repeats_itself_ends(site, upstream):
    made = upstream.create({"model": "m"})[1]
    endless = {"object": "list", "data": [made], "has_more": True}
    upstream.faults.append(Fault("garbage", "GET", "assistants$", 99, body=endless))
    reply = site.get("/list")
    assert reply.status == 502 and "repeats itself" in reply.json["message"]


@pytest.mark.parametrize("word, count", [("false", 1), ("true", 2)])
def test_a_list_whose_has_more_is_a_word(site, upstream, word, count):
    pages = [
        {"object": "list", "data": [upstream.create({"model": "m"})[1]], "has_more": word},
        {"object": "list", "data": [upstream.create({"model": "m"})[1]], "has_more": False},
    ]
    for page in pages:
        upstream.faults.append(Fault("garbage", "GET", "assistants$", body=page))
    assert len(site.get("/list").data["assistants"]) == count


def foreign(upstream):
    """Somebody else's assistants between ours, that no rule of the protocol allows."""
    for wrong in ({"instructions": 5}, {"metadata": "text"}, {"id": "x/y"}):
        made = upstream.create({"model": "m"})[1]
        made.update(wrong)


def test_what_is_not_valid_does_not_keep_a_cleanup_from_the_rest(site, upstream):
    ids = [site.post("/refresh").data["newAssistantId"] for _ in range(2)]
    foreign(upstream)
    ids += [site.post("/refresh").data["newAssistantId"] for _ in range(2)]
    reply = site.get("/list")
    assert reply.status == 502 and "is not valid" in reply.json["message"]
    assert site.oam("list", "--limit", 5, "--json", check=False).stdout == ""
    assert site.post("/cleanup", {"keepCount": 3}).data["deletedAssistants"] == ids[:1]
    done = site.post("/cleanup", {"keepCount": 1, "all": True})
    assert done.status == 200 and set(done.data["deletedAssistants"]) == set(ids[1:3])
    assert len(upstream.assistants) == 1 + 3


def test_what_is_not_valid_does_not_hide_what_was_made(site, upstream):
    foreign(upstream)
    upstream.faults.append(Fault("reset", after=True))
    upstream.faults.append(Fault("meanwhile", "GET", call=lambda: foreign(upstream)))
    assert site.post("/refresh").status == 200
    sent = [body for method, _, _, body in upstream.requests if method == "POST"]
    assert len(sent) == 1


def test_what_was_made_and_is_not_valid_is_not_made_again(site, upstream):
    def spoil():
        for made in upstream.assistants.values():
            made["instructions"] = 5

    upstream.faults.append(Fault("reset", after=True))
    upstream.faults.append(Fault("meanwhile", "GET", times=9, call=spoil))
    for _ in range(3):
        assert site.post("/refresh").status == 502
    assert len(upstream.assistants) == 1


def test_a_list_without_end_is_given_up(site, upstream):
    """Fresh ids for ever, and instructions that fill the memory."""
    page = 0

    def endless(query):
        nonlocal page
        page += 1
        data = [
            {"id": f"asst_p{page}n{n}", "created_at": 1, "model": "m", "instructions": "x" * 50000}
            for n in range(100)
        ]
        return 200, {"object": "list", "data": data, "has_more": True}

    upstream.list = endless
    reply = site.get("/list", timeout=90)
    assert reply.error["code"] in ("list_too_long", "upstream_timeout")
    assert page < 30
    assert site.post("/cleanup", {"all": True}, timeout=90).status in (502, 504)
    assert page < 100


def test_a_change_during_a_refresh_is_not_lost(site, upstream):
    """The refresh was begun with the configuration of before."""
    old = site.post("/initialize").data["assistantId"]
    upstream.faults.append(Fault("late", "POST", "assistants$", seconds=2))
    with concurrent.futures.ThreadPoolExecutor() as pool:
        refresh = pool.submit(site.post, "/refresh", {"config": {"name": "Refreshed"}})
        eventually(lambda: site.get("/status").data["refreshing"])
        changes = {"updates": {"description": "Changed meanwhile"}}
        assert site.put(f"/update/{old}", changes).status == 200
        assert refresh.result().status == 200
    new = site.post("/refresh").data["newAssistantId"]
    assert upstream.assistants[new]["name"] == "Refreshed"
    assert upstream.assistants[new]["description"] == "Changed meanwhile"


def test_what_vanishes_before_it_is_confirmed_is_forgotten(site, upstream):
    """No row of it stays pending, and the caller hears of no id that it does not know."""
    old = site.post("/initialize").data["assistantId"]
    upstream.faults.append(Fault("vanish", "POST", "assistants$", after=True))
    reply = site.post("/refresh")
    assert reply.status == 502 and reply.error["code"] == "upstream_failed"
    assert "asst_" not in reply.json["message"]
    assert site.get("/current").data["assistantId"] == old
    assert site.post("/refresh").status == 200
    agree(site, upstream)
    assert site.sql("SELECT count(*) FROM assistant WHERE label = 'pending'") == [(0,)]


def test_a_refused_wish_does_not_delay_the_rotation(site, upstream):
    site.post("/initialize")
    upstream.faults.append(Fault("status", status=400, times=3))
    for _ in range(3):
        assert site.post("/refresh", {"config": {"model": "no-such-model"}}).status == 400
    status = site.get("/status").data
    assert status["stale"] is False and status["consecutiveFailures"] == 0


def test_those_who_wait_get_the_same_error(site, upstream):
    fault = Fault("status", status=429, times=99, headers={"x-should-retry": "false"})
    upstream.faults.append(fault)
    upstream.delay = 1
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        replies = list(pool.map(lambda _: site.get("/current"), range(4)))
    assert {(r.status, r.error["code"]) for r in replies} == {(503, "upstream_rate_limited")}
    assert len({r.json["message"] for r in replies}) == 1


def test_a_list_that_changes_while_it_is_paged(site, upstream):
    for n in range(150):
        upstream.create({"model": "m", "name": str(n)})
    first = upstream.list("limit=100&order=desc")[1]
    upstream.create({"model": "m", "name": "late"})
    upstream.faults.append(Fault("garbage", "GET", "assistants$", 1, body=first))
    names = [a["name"] for a in site.get("/list").data["assistants"]]
    assert len(names) == len(set(names)) == 150


def test_deleting_is_sure_even_when_the_answer_is_lost(site, upstream):
    id = site.post("/refresh").data["newAssistantId"]
    upstream.faults.append(Fault("reset", "DELETE", after=True))
    assert site.delete(f"/delete/{id}").status == 200
    assert upstream.assistants == {}


def test_a_dead_upstream_is_not_hammered(site, upstream):
    old = site.post("/initialize").data["assistantId"]
    site.make_due()
    upstream.faults.append(Fault("status", status=403, times=999))
    for _ in range(20):
        assert site.get("/current").data["assistantId"] == old
        time.sleep(0.05)
    eventually(lambda: site.get("/status").data["stale"])
    before = len(upstream.requests)
    for _ in range(20):
        site.get("/current")
    time.sleep(0.5)
    assert len(upstream.requests) == before
    status = site.get("/status").data
    assert status["consecutiveFailures"] == 1 and status["needsRefresh"] is True
    assert "Permission denied" in status["lastError"]


def test_current_never_waits_for_a_slow_upstream(site, upstream, record_property):
    """An upstream that takes 10 s: if any of these waited for it, it would show."""

    def p99(count, id):
        times = []
        for _ in range(count):
            start = time.monotonic()
            assert site.get("/current").data["assistantId"] == id
            times.append(time.monotonic() - start)
        return sorted(times)[count * 99 // 100], max(times)

    old = site.post("/initialize").data["assistantId"]
    at_rest, _ = p99(400, old)
    site.make_due()
    upstream.delay = 10
    during, longest = p99(400, old)
    record_property(
        "note",
        f"current, p99: {at_rest * 1000:.1f} ms at rest, {during * 1000:.1f} ms while a "
        "refresh waits 10 s for its server",
    )
    assert longest < 5 and site.get("/status").data["refreshing"] is True
    new = eventually(lambda: (i := site.get("/current").data["assistantId"]) != old and i, 60)
    assert new in upstream.assistants
    upstream.delay = 0
    agree(site, upstream)


def test_initialize_stays_within_its_time(site, upstream):
    """Three calls of 25 s each are not what a web server waits for."""
    site.post("/initialize")
    upstream.faults.append(Fault("hang", "GET", times=99, seconds=HANG))
    start = time.monotonic()
    assert site.post("/initialize", timeout=90).status == 504
    assert time.monotonic() - start < 30


def test_a_list_of_slow_pages_stays_within_its_time(site, upstream):
    for n in range(1000):
        upstream.create({"model": "m"})
    upstream.delay = 4
    start = time.monotonic()
    assert site.get("/list", timeout=90).status == 504
    assert time.monotonic() - start < 30


def test_cleanup_finds_what_only_its_tag_shows(site, upstream):
    """As after an older backup of the store came back."""
    current = site.post("/initialize").data["assistantId"]
    metadata = upstream.assistants[current]["metadata"]
    tag = metadata["oam_installation"]

    def stray(tag, nonce):
        metadata = {"oam_installation": tag, "oam_nonce": nonce}
        return upstream.create({"model": "m", "metadata": metadata})[1]["id"]

    strays = [stray(tag, f"{n:022}") for n in range(3)]
    foreign = stray("another", "x" * 22)
    making = stray(tag, "m" * 22)
    site.sql(
        "INSERT INTO rotation (profile_id, reason, nonce, started_at) "
        f"VALUES (1, 'api', '{'m' * 22}', 1)"
    )
    dry = site.post("/cleanup", {"keepCount": 2, "dryRun": True}).data
    assert dry["deletedAssistants"] == [strays[0]]
    # The newest two of our own are strays; the current one stays in any case.
    assert site.post("/cleanup", {"keepCount": 2}).data["deletedAssistants"] == [strays[0]]
    assert set(upstream.assistants) == {current, foreign, making, *strays[1:]}
    assert site.post("/cleanup", {"keepCount": 1}).data["deletedAssistants"] == [strays[1]]
    assert site.post("/cleanup", {"keepCount": 1}).data["deletedAssistants"] == []


def make_certificate(folder, name_or_address):
    """Paths of a PEM file with key and certificate for a server, and of the authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.datetime.utcnow()
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([name_or_address]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (folder / "server.pem").write_bytes(secret + pem)
    (folder / "authority.pem").write_bytes(pem)
    return folder / "server.pem", folder / "authority.pem"


def test_a_bad_certificate_is_refused(make_site, tmp_path):
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    server, authority = make_certificate(tmp_path, address)
    upstream = FakeUpstream(certificate=server)
    env = {"OPENAI_BASE_URL": upstream.url, "OPENAI_API_KEY": KEY}
    site = make_site(env)
    assert site.post("/refresh", timeout=90).status == 502
    assert upstream.requests == []
    site.set_env({**env, "OAM_CA_FILE": authority})
    site.restart()
    assert site.post("/refresh").status == 200
    upstream.close()


@pytest.mark.parametrize(
    "url, complaint",
    [
        ("ftp://host/v1", "must begin with https://"),
        ("http://example.com/v1", "must begin with https:// for another machine"),
        ("https://", "must be like"),
        ("https://host/v1?x=1", "must be like"),
        ("https://user@host/v1", "must be like"),
    ],
)
def test_a_bad_base_url_stops_the_program(make_site, url, complaint):
    site = make_site({"OPENAI_BASE_URL": url}, start=False, migrate=False)
    done = site.oam("status", check=False)
    assert done.returncode == 1 and complaint in done.stderr
