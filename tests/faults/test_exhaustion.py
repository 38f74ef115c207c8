"""Whatever runs out, and at whatever moment: no crash, no leak, no answer to a stranger, and
nothing half-written. EXHAUSTION=places fails each place in the code once, =all each call;
SEED repeats a sample."""

import collections
import json

import pytest
from conftest import b64url, make_token
from exhaustion import (
    EXIT_SANITIZER,
    HOW_MUCH,
    Case,
    Folder,
    Request,
    check_state,
    choose_calls,
    count_calls,
    in_parallel,
    read_answer,
    template,
)


# ---- what is tried ----


def current_id(state="used"):
    return template(state).sql("SELECT id FROM assistant WHERE label = 'current'")[0][0]


def previous_id():
    return template("used").sql("SELECT id FROM assistant WHERE label = 'previous'")[0][0]


def is_current(member):
    def promise(folder, data):
        assert folder.sql("SELECT label FROM assistant WHERE id = ?", data[member]) == [
            ("current",)
        ]

    return promise


def config_has(name):
    def promise(folder, data):
        row = folder.sql("SELECT config ->> '$.name' FROM assistant WHERE id = ?", data["id"])
        assert row == [(name,)] and data["name"] == name

    return promise


def is_deleted(folder, data):
    assert data["deleted"] is True
    row = folder.sql("SELECT label FROM assistant WHERE id = ?", data["id"])
    assert row == [("deleted",)]


def interval_is_set(folder, data):
    assert data["newIntervalMs"] == 7_200_000
    assert folder.sql("SELECT interval_ms FROM profile") == [(7_200_000,)]


def all_deleted(folder, data):
    for id in data["deletedAssistants"]:
        assert folder.sql("SELECT label FROM assistant WHERE id = ?", id) == [("deleted",)]


def has_two(folder, data):
    assert data["count"] == len(data["assistants"]) == 3


def requests():
    id, old = current_id(), previous_id()
    config = {"config": {"name": "New", "metadata": {"a": "b"}, "temperature": 0.5}}
    body = {"model": "m", "name": "New", "tools": [{"type": "file_search"}]}
    return [
        Request("initialize", "POST", "/initialize", {}, is_current("assistantId"), "fresh"),
        Request("initialize", "POST", "/initialize", None, is_current("assistantId")),
        Request("current", "GET", "/current", None, is_current("assistantId")),
        Request("current", "GET", "/current", None, is_current("assistantId"), "fresh"),
        Request("current", "GET", "/current", state="due"),
        Request("current", "GET", "/current", state="interrupted"),
        Request("refresh", "POST", "/refresh", config, is_current("newAssistantId")),
        Request("list", "GET", "/list", None, has_two, query="order=asc"),
        Request("details", "GET", f"/details/{id}", None, lambda f, data: data["id"] == id),
        Request("update", "PUT", f"/update/{id}", {"updates": {"name": "N"}}, config_has("N")),
        Request("delete", "DELETE", f"/delete/{old}", None, is_deleted),
        Request("cleanup", "POST", "/cleanup", {"keepCount": 1}, all_deleted),
        Request("status", "GET", "/status", None, is_current("assistantId")),
        Request(
            "refresh-interval",
            "PUT",
            "/refresh-interval",
            {"intervalMs": 7_200_000},
            interval_is_set,
        ),
        Request("metrics", "GET", "/metrics"),
        Request("v1-assistants", "POST", "/v1/assistants", body, config_has("New")),
        Request("v1-assistants", "GET", "/v1/assistants", query="limit=2"),
        Request("v1-assistants", "POST", f"/v1/assistants/{id}", {"name": "N"}, config_has("N")),
        Request("v1-assistants", "DELETE", f"/v1/assistants/{old}", None, is_deleted),
    ]


REQUESTS = requests()
REQUEST_NAMES = [f"{r.command[0][4:]}-{r.method}-{r.state}" for r in REQUESTS]


# ---- one fault ----


def data_of(answer):
    if isinstance(answer.json, dict) and "success" in answer.json:
        return answer.json["data"]
    return answer.json


# What does not free, or see, everything when it runs out of memory itself.
LIBRARIES = ["json_tokener_parse_ex", "libcrypto.so", "libjansson.so", "libjwt.so"]


def is_of_library(stack, fault, inject):
    """True when the fault was in a library, and what leaks is that library's own. When all
    memory is gone the first fault may be elsewhere."""
    return any(
        name in stack and (name in fault or inject.endswith("always")) for name in LIBRARIES
    )


def check_reports(case, folder, inject):
    """Leaks of libraries are told from ours by whole stacks, which take long to find. OpenSSL
    may crash while it is loaded, but only then: before there is a request."""
    if not folder.sanitizer_reports():
        return
    with Folder(template(case.state)) as again:
        case.run(again, {"INJECT": inject}, slow_stacks=1, INJECT_TRACE="1")
        text = "\n".join(again.sanitizer_reports())
    fault = text.split("==ERROR: ")[0]
    for report in text.split("==ERROR: ")[1:]:
        if report.startswith("LeakSanitizer"):
            stacks = report.split("leak of ")[1:]
        else:
            stacks = [report if "in load_openssl" in report else f"CRASH {report}"]
        bad = [
            s for s in stacks if s[:5] == "CRASH" or not is_of_library(s, fault, inject)
        ]
        assert not bad, "".join(bad) + "\nTHE FAULT:\n" + fault


def check_request(request, inject, allowed, outcomes):
    with Folder(template(request.state)) as folder:
        before = folder.env_file.read_bytes()
        done = request.run(folder, {"INJECT": inject})
        said = (done.returncode, done.stdout, done.stderr)
        check_reports(request, folder, inject)
        if done.returncode not in (0, 1):
            assert done.returncode == EXIT_SANITIZER, str(said)
            if not done.stdout:
                return check_state(folder, before)
        answer = read_answer(request, done)
        outcomes[answer.status] += 1
        if answer.status is None:
            assert done.returncode != 0, str(said)
        elif answer.status == 200:
            if answer.json is not None:
                request.promise(folder, data_of(answer))
        else:
            assert answer.status in allowed, str(said)
        check_state(folder, before)


def try_requests(request, kind, how, how_many, allowed, record_property):
    calls = choose_calls(count_calls(request, kind), how_many, f"{request.name} {kind} {how}")
    assert calls
    outcomes = collections.Counter()
    injects = [f"{kind},{n},{how}" for n in calls]
    in_parallel(lambda inject: check_request(request, inject, allowed, outcomes), injects)
    record_property(
        "note", f"exhaustion: {request.name} ({request.state}), {kind} {how}: {dict(outcomes)}"
    )


@pytest.mark.parametrize("how", ["once", "always"])
@pytest.mark.parametrize("request_", REQUESTS, ids=REQUEST_NAMES)
def test_no_memory(request_, how, record_property):
    try_requests(request_, "alloc", how, 6, (500, 503), record_property)


@pytest.mark.parametrize("how", ["once", "always"])
@pytest.mark.parametrize("request_", REQUESTS, ids=REQUEST_NAMES)
def test_sqlite_calls_fail(request_, how, record_property):
    try_requests(request_, "vfs", how, 3, (500, 503), record_property)


@pytest.mark.parametrize("how", ["once", "always"])
@pytest.mark.parametrize("request_", REQUESTS, ids=REQUEST_NAMES)
def test_system_calls_fail(request_, how, record_property):
    try_requests(request_, "file", how, 3, (500, 503), record_property)
