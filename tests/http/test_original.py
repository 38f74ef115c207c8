"""Callers of the Node program that oam replaces change the address and nothing else: each of
its answers, field by field, as that program gave it, with its JSON file and its command line.
Ours may say more. CHANGELOG.md lists what is different on purpose."""

import datetime
import json
import re
import subprocess
import time

import pytest
from conftest import BUILD, DAY, make_token

WHEN = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
ID = re.compile(r"asst_[A-Za-z0-9]+")
PLACEHOLDER = "your_openai_assistant_id_here"


def is_any(*types):
    return lambda value: type(value) in types


def equals(wanted):
    return lambda value: value == wanted


def matches(pattern):
    return lambda value: isinstance(value, str) and bool(pattern.fullmatch(value))


def is_time_or_null(value):
    return value is None or matches(WHEN)(value)


def list_of(check):
    return lambda value: isinstance(value, list) and all(map(check, value))


def has(shape):
    """Each member that the original had is there, and as it was."""
    return lambda value: isinstance(value, dict) and all(
        name in value and check(value[name]) for name, check in shape.items()
    )


is_id = matches(ID)
is_text = is_any(str)
is_assistant = has(
    {
        "id": is_id,
        "object": equals("assistant"),
        "created_at": is_any(int),
        "name": is_text,
        "description": is_text,
        "model": is_text,
        "instructions": is_text,
        "tools": list_of(is_any(dict)),
        "metadata": is_any(dict),
    }
)
is_deletion = has(
    {"id": is_id, "object": equals("assistant.deleted"), "deleted": equals(True)}
)
is_status = has(
    {
        "assistantId": is_id,
        "lastRefresh": is_time_or_null,
        "refreshInterval": is_any(int),
        "needsRefresh": is_any(bool),
    }
)

# Method, path, body, and what was in `data`.
TEN = [
    ("POST", "/initialize", {}, has({"assistantId": is_id, "status": is_status})),
    ("POST", "/initialize", None, has({"assistantId": is_id, "status": is_status})),
    ("GET", "/current", None,
     has({"assistantId": is_id, "status": is_status, "message": is_text})),
    ("POST", "/refresh", None,
     has({"newAssistantId": is_id, "previousAssistantId": is_id, "status": is_status,
          "message": is_text})),
    ("POST", "/refresh", {}, has({"newAssistantId": is_id, "status": is_status})),
    ("POST", "/refresh", {"config": {"name": "N", "model": "gpt-4o"}},
     has({"newAssistantId": is_id, "status": is_status})),
    ("GET", "/list", None, has({"assistants": list_of(is_assistant), "count": is_any(int)})),
    ("GET", "/details", None, is_assistant),
    ("GET", "/details/ID", None, is_assistant),
    ("PUT", "/update/ID", {"updates": {"name": "M"}}, is_assistant),
    ("DELETE", "/delete/ID", None, is_deletion),
    ("POST", "/cleanup", None,
     has({"deletedAssistants": list_of(is_id), "deletedCount": is_any(int),
          "keepCount": equals(5)})),
    ("POST", "/cleanup", {}, has({"keepCount": equals(5)})),
    ("POST", "/cleanup", {"keepCount": 1}, has({"keepCount": equals(1)})),
    ("GET", "/status", None, is_status),
    ("PUT", "/refresh-interval", {"intervalMs": DAY},
     has({"newIntervalMs": equals(DAY), "newIntervalHours": equals(24), "status": is_status})),
    ("PUT", "/refresh-interval", {"intervalMs": 0},
     has({"newIntervalMs": equals(0), "newIntervalHours": equals(0), "status": is_status})),
]  # fmt: skip


def milliseconds(timestamp):
    assert WHEN.fullmatch(timestamp)
    return round(datetime.datetime.fromisoformat(timestamp).timestamp() * 1000)


def check_timestamp(answer, since):
    """`since` in seconds: when the request was sent."""
    assert int(since * 1000) <= milliseconds(answer["timestamp"]) <= time.time() * 1000


def check_failure(answer, since=0.0):
    assert answer["success"] is False
    assert isinstance(answer["message"], str) and answer["message"]
    assert isinstance(answer["data"], str) and answer["data"], "the reason, as text"
    check_timestamp(answer, since)
    assert answer["error"]["code"], "ours, beside"


@pytest.fixture(scope="module")
def ready(shared_site):
    """With an assistant in use and one before it."""
    shared_site.post("/initialize")
    shared_site.post("/refresh")
    return shared_site


def current(site):
    return site.get("/current").data["assistantId"]


# ---- the ten ----


@pytest.mark.parametrize("method, path, body, is_as_it_was", TEN)
def test_an_answer(ready, method, path, body, is_as_it_was):
    id = current(ready)
    if method == "DELETE":
        ready.post("/refresh")  # not the one in use: the others need that
    since = time.time()
    reply = ready.request(method, path.replace("ID", id), body)
    assert reply.status == 200
    assert reply.json.keys() == {"success", "message", "data", "timestamp"}
    assert reply.json["success"] is True
    assert isinstance(reply.json["message"], str) and reply.json["message"]
    assert is_as_it_was(reply.json["data"]), reply.raw
    check_timestamp(reply.json, since)


def test_the_status_is_the_same_everywhere(site):
    first = site.post("/initialize").data

    def is_status_of(data):
        status = site.get("/status").data
        names = ("assistantId", "lastRefresh", "refreshInterval", "needsRefresh")
        assert data["status"] == {name: status[name] for name in names}

    is_status_of(first)
    assert first["status"]["assistantId"] == first["assistantId"]
    assert first["status"]["lastRefresh"] and not first["status"]["needsRefresh"]
    refreshed = site.post("/refresh").data
    is_status_of(refreshed)
    assert refreshed["status"]["assistantId"] == refreshed["newAssistantId"]
    assert refreshed["previousAssistantId"] == first["assistantId"]
    assert refreshed["status"]["lastRefresh"] > first["status"]["lastRefresh"]
    shorter = site.put("/refresh-interval", {"intervalMs": 60_000}).data
    is_status_of(shorter)
    assert shorter["status"]["refreshInterval"] == 60_000
    is_status_of(site.get("/current").data)


def test_a_first_current(site):
    """The status of an assistant that `current` itself made."""
    data = site.get("/current").data
    assert data["status"]["assistantId"] == data["assistantId"]
    assert data["status"]["lastRefresh"] and data["status"]["needsRefresh"] is False


def test_current_says_when_a_refresh_is_due(site):
    current(site)
    site.make_due()
    assert site.get("/current").data["status"]["needsRefresh"] is True


# ---- failures ----


@pytest.mark.parametrize("method, path, body, is_as_it_was", TEN)
def test_a_stranger(ready, method, path, body, is_as_it_was):
    since = time.time()
    reply = ready.request(method, path.replace("ID", "asst_x"), body, token=None)
    assert reply.status == 401
    check_failure(reply.json, since)


@pytest.mark.parametrize(
    "method, path, body, status",
    [
        ("PUT", "/update/ID", {"updates": {}}, 400),
        ("PUT", "/update/ID", {}, 400),
        ("POST", "/cleanup", {"keepCount": 0}, 400),
        ("POST", "/cleanup", {"keepCount": -1}, 400),
        ("POST", "/cleanup", {"keepCount": "5"}, 400),
        ("PUT", "/refresh-interval", {"intervalMs": -1}, 400),
        ("PUT", "/refresh-interval", {"intervalMs": "1000"}, 400),
        ("PUT", "/refresh-interval", {}, 400),
        ("POST", "/refresh", {"config": {"model": 5}}, 400),
        ("POST", "/refresh", b"{", 400),
        ("GET", "/status?profile=nobody", None, 404),
        ("GET", "/details/asst_x", None, 404),
        ("DELETE", "/delete/asst_x", None, 404),
        ("GET", "/nothing", None, 404),
        ("GET", "/initialize", None, 405),
        ("POST", "/refresh", b" " * (1 << 20) + b" ", 413),
        ("GET", "/metrics?x=1", None, 400),
    ],
)
def test_a_failure(ready, method, path, body, status):
    since = time.time()
    reply = ready.request(method, path.replace("ID", current(ready)), body)
    assert reply.status == status, reply.raw
    assert reply.json["data"] == reply.json["message"]
    check_failure(reply.json, since)


def test_what_is_no_json(ready):
    reply = ready.post("/refresh", b"x=1", headers={"Content-Type": "text/plain"})
    assert reply.status == 415
    check_failure(reply.json)


def test_metrics_of_a_stranger(ready):
    check_failure(ready.get("/metrics", token=None).json)


def test_a_store_that_is_not_there(make_site):
    site = make_site(migrate=False)
    reply = site.get("/status")
    assert reply.status == 503
    check_failure(reply.json)


def answer_of(site, program, path, **variables):
    done = subprocess.run(
        [BUILD / "cgi" / program],
        env=site.environment(REQUEST_METHOD="GET", SCRIPT_NAME=path, **variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=30,
    )
    head, body = done.stdout.split(b"\r\n\r\n", 1)
    return head.decode(), json.loads(body)


def test_a_program_that_cannot_start(make_site):
    site = make_site({"JWT_SECRET": None}, start=False)
    head, answer = answer_of(site, "status", "/api/openai-assistant/status")
    assert head.startswith("Status: 500 ")
    check_failure(answer)
    assert answer["error"]["code"] == "invalid_setting"


def test_openai_clients_get_their_own_dialect(make_site):
    """Nothing of the envelope is in it, whether the program starts or not."""
    site = make_site({"JWT_SECRET": None}, start=False)
    head, answer = answer_of(site, "v1-assistants", "/v1/assistants")
    assert head.startswith("Status: 500 ") and "OpenAI-Version: " in head
    assert answer.keys() == {"error"}
    assert answer["error"].keys() == {"message", "type", "param", "code"}
    site.set_env()
    token = f"Bearer {make_token()}"
    _, answer = answer_of(site, "v1-assistants", "/v1/assistants", HTTP_AUTHORIZATION=token)
    assert answer.keys() == {"object", "data", "first_id", "last_id", "has_more"}
    _, answer = answer_of(site, "v1-assistants", "/v1/assistants")
    assert answer.keys() == {"error"}


# ---- the JSON file ----


def config_file(site):
    return json.loads((site.folder / "config" / "openai-assistant.json").read_text())


def test_the_json_file(make_site):
    site = make_site(start=False)
    since = time.time()
    id = site.oam("create").stdout.strip()
    file = config_file(site)
    assert list(file) == ["assistantId", "name", "model", "description", "instructions",
                          "tools", "metadata", "createdAt", "updatedAt"]  # fmt: skip
    made = json.loads(site.oam("get", id, "--json").stdout)
    for name in ("name", "model", "description", "instructions", "tools", "metadata"):
        assert file[name] == made[name], name
    assert file["assistantId"] == id
    assert type(file["createdAt"]) is int, "Unix seconds"
    assert file["createdAt"] == made["created_at"] and file["createdAt"] >= int(since)
    assert int(since * 1000) <= milliseconds(file["updatedAt"]) <= time.time() * 1000


def test_its_own_json_file_is_taken_over(make_site):
    """The file of the original, as it was left: the id goes on, and so does its age."""
    site = make_site(start=False)
    (site.folder / "config").mkdir()
    old = {
        "assistantId": "asst_abcdefghijklmnopqrstuvwx",
        "name": "Old one",
        "model": "gpt-4o-mini",
        "description": None,
        "instructions": "I",
        "tools": [{"type": "code_interpreter"}],
        "metadata": {"created_by": "estrella-backend"},
        "createdAt": 1_735_689_600,
        "updatedAt": "2025-01-01T00:00:00.000Z",
    }
    path = site.folder / "config" / "openai-assistant.json"
    path.write_text(json.dumps(old, indent=2))
    site.oam("import", path)
    assert site.oam("current").stdout.strip() == old["assistantId"]
    assert json.loads(site.oam("get", "--json").stdout)["created_at"] == old["createdAt"]
    file = config_file(site)
    assert {k: file[k] for k in old if k != "updatedAt"} == {
        k: v for k, v in old.items() if k != "updatedAt"
    }


# ---- the placeholder ----


def test_the_placeholder_is_no_id(make_site):
    site = make_site({"OPENAI_ASSISTANT_ID": PLACEHOLDER}, start=False)
    (site.folder / "config").mkdir()
    path = site.folder / "config" / "openai-assistant.json"
    path.write_text(json.dumps({"assistantId": PLACEHOLDER}))
    (site.folder / "old.env").write_text(f"OPENAI_ASSISTANT_ID={PLACEHOLDER}\n")
    for file in (path, "old.env"):
        assert site.oam("import", file, check=False).returncode != 0
    assert json.loads(site.oam("status", "--json").stdout)["assistantId"] is None
    id = site.oam("get-or-create").stdout.strip()
    assert ID.fullmatch(id)
    assert config_file(site)["assistantId"] == id
    assert f"OPENAI_ASSISTANT_ID={id}\n" in site.env_file.read_text()


def test_the_placeholder_in_a_path(ready):
    for method, path in (("GET", "/details/"), ("DELETE", "/delete/")):
        assert ready.request(method, path + PLACEHOLDER).status == 404


# ---- the command ----


def test_the_commands(make_site):
    site = make_site(start=False)
    first = site.oam("create").stdout.strip()
    assert ID.fullmatch(first)
    assert site.oam("get-or-create").stdout.strip() == first
    second = site.oam("refresh").stdout.strip()
    third = site.oam("get-or-create", "--force").stdout.strip()
    assert len({first, second, third}) == 3
    assert all(id in site.oam("list").stdout for id in (first, second, third))
    assert third in site.oam("get", third).stdout
    assert set(site.oam("cleanup", "1").stdout.split()) == {first, second}
    assert site.oam("cleanup").stdout == ""


def test_cleanup_keeps_five(make_site):
    site = make_site(start=False)
    ids = [site.oam("create").stdout.strip() for _ in range(7)]
    assert site.oam("cleanup").stdout.split() == ids[1::-1]


@pytest.mark.parametrize("words", [[], ["nonsense"], ["help"], ["--help"]])
def test_anything_else_prints_the_usage(make_site, words):
    done = make_site(start=False, migrate=False).oam(*words, check=False)
    assert "usage: oam COMMAND " in done.stdout + done.stderr


@pytest.mark.parametrize("words", [["get", "asst_missing"], ["refresh", "--set", "model=5"]])
def test_a_failure_ends_with_status_1(make_site, words):
    done = make_site(start=False).oam(*words, check=False)
    assert done.returncode == 1 and done.stderr and not done.stdout
