"""Whatever runs out, and at whatever moment: no crash, no leak, no answer to a stranger, and
nothing half-written. EXHAUSTION=places fails each place in the code once, =all each call;
SEED repeats a sample."""

import collections
import errno
import json
import sqlite3

import pytest
from conftest import b64url, make_token
from exhaustion import (
    EXIT_SANITIZER,
    Case,
    Folder,
    Request,
    check_state,
    choose_calls,
    count_calls,
    id_of,
    in_parallel,
    read_answer,
    remove_templates,
    template,
)
from fake_upstream import FakeUpstream


# ---- what is tried ----


@pytest.fixture(scope="module", autouse=True)
def no_templates_left():
    yield
    remove_templates()


def is_current(member):
    def promise(folder, data):
        assert folder.sql("SELECT label FROM assistant WHERE id = ?", data[member]) == [
            ("current",)
        ]

    return promise


def is_asked_for(folder, data):
    assert data["id"] == id_of("current")


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
        Request("details", "GET", "/details/{current}", None, is_asked_for),
        Request("update", "PUT", "/update/{current}", {"updates": {"name": "N"}}, config_has("N")),
        Request("delete", "DELETE", "/delete/{previous}", None, is_deleted),
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
        Request("v1-assistants", "POST", "/v1/assistants/{current}", {"name": "N"}, config_has("N")),
        Request("v1-assistants", "DELETE", "/v1/assistants/{previous}", None, is_deleted),
    ]


def prints_current(folder, output):
    ids = folder.sql("SELECT id FROM assistant WHERE label = 'current'")
    assert ids == [(output.decode().strip(),)]


def prints_all(folder, output):
    printed = [json.loads(line)["id"] for line in output.splitlines()]
    assert sorted(printed) == sorted(id for (id,) in folder.sql("SELECT id FROM assistant"))


def backup_is_whole(folder, output):
    copy = sqlite3.connect(folder.path / "copy.db")
    rows = copy.execute("SELECT id, label, config FROM assistant ORDER BY id").fetchall()
    copy.close()
    assert rows == folder.sql("SELECT id, label, config FROM assistant ORDER BY id")


def is_imported(folder, output):
    assert folder.sql("SELECT count(*) FROM assistant WHERE id GLOB 'asst_import*'") == [(3,)]


def is_migrated(folder, output):
    assert folder.sql("SELECT count(*) FROM installation") == [(1,)]


def is_renewed(folder, output):
    row = folder.sql("SELECT label FROM assistant WHERE id = ?", output.decode().split()[1])
    assert row == [("current",)]


def commands():
    lines = [{"id": f"asst_import{n}", "model": "m", "created_at": 1} for n in range(3)]
    dump = "".join(json.dumps(line) + "\n" for line in lines).encode()
    return [
        Case("initialize", ["cli/oam", "initialize"], prints_current, "fresh"),
        Case("current", ["cli/oam", "current"], prints_current),
        Case("refresh", ["cli/oam", "refresh", "--set", "name=N"], prints_current),
        Case("status", ["cli/oam", "status", "--json"], lambda f, out: json.loads(out)),
        Case("history", ["cli/oam", "history"]),
        Case("list", ["cli/oam", "list", "--json"], lambda f, out: json.loads(out)),
        Case("update", ["cli/oam", "update", "{current}", "--set", "name=N"]),
        Case("delete", ["cli/oam", "delete", "{previous}", "--yes"]),
        Case("cleanup", ["cli/oam", "cleanup", "1", "--yes"]),
        Case("profile", ["cli/oam", "profile", "set", "extra", "--interval", "12h"]),
        Case("backup", ["cli/oam", "backup", "copy.db"], backup_is_whole),
        Case("export", ["cli/oam", "export"], prints_all),
        Case("import", ["cli/oam", "import", "-"], is_imported, stdin=dump),
        Case("migrate", ["cli/oam", "migrate"], is_migrated, "none"),
        Case("doctor", ["cli/oam", "doctor"]),
        Case("oam-refresh", ["cli/oam-refresh"], is_renewed, "due"),
        Case("recovery", ["cli/oam-refresh"], None, "interrupted"),
    ]


REQUESTS = requests()
COMMANDS = commands()
COMMAND_NAMES = [c.name for c in COMMANDS]
REQUEST_NAMES = [f"{r.command[0][4:]}-{r.method}-{r.state}" for r in REQUESTS]


# ---- one fault ----


def data_of(answer):
    if isinstance(answer.json, dict) and "success" in answer.json:
        return answer.json["data"]
    return answer.json


EXIT_LIBFCGI = 256 - errno.ENOMEM  # its own way out when it finds no memory at all

# What does not free, or see, everything when it runs out of memory itself.
LIBRARIES = ["libcrypto.so", "libcurl.so", "json_object_object_add_ex"]


def is_of_library(stack, fault, inject):
    """True when the fault was in a library, and what leaks is that library's own. When all
    memory is gone the first fault may be elsewhere."""
    fault = fault.replace("lh_table_insert_w_hash", "json_object_object_add_ex")
    return any(
        name in stack and (name in fault or inject.endswith("always")) for name in LIBRARIES
    )


def check_reports(case, folder, inject, variables={}):
    """Leaks of libraries are told from ours by whole stacks, which take long to find. OpenSSL
    may crash while it is loaded, but only then: before there is a request."""
    if not folder.sanitizer_reports():
        return
    with Folder(template(case.state)) as again:
        again.variables = variables
        case.run(again, {"INJECT": inject}, slow_stacks=1, INJECT_TRACE="1")
        text = "\n".join(again.sanitizer_reports())
    fault = text.split("==ERROR: ")[0]
    for report in text.split("==ERROR: ")[1:]:
        if report.startswith("LeakSanitizer"):
            stacks = report.split("leak of ")[1:]
        else:
            stacks = [report if "in token_signature_prepare" in report else f"CRASH {report}"]
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
            assert done.returncode in (EXIT_SANITIZER, EXIT_LIBFCGI), str(said)
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


HOWS = ("once", "always")


def try_requests(request, kind, how_many, record_property, hows=HOWS):
    # All of them begin by loading OpenSSL, as for somebody without a token.
    start = 0
    if kind == "alloc" and request is not REQUESTS[0]:
        start = len(count_calls(request, kind, token=None))
    calls = count_calls(request, kind)
    outcomes = collections.Counter()
    injects = [
        f"{kind},{n},{how}"
        for how in hows
        for n in choose_calls(calls, how_many, f"{request.name} {kind} {how}", start)
    ]
    in_parallel(lambda inject: check_request(request, inject, (500, 503), outcomes), injects)
    record_property(
        "note", f"exhaustion: {request.name} ({request.state}), {kind}: {dict(outcomes)}"
    )


def test_a_refresh_that_is_done_is_answered_as_done():
    """When the store cannot be read after it: a failure would be a reason to do it again."""
    request = next(r for r in REQUESTS if r.name.endswith("/refresh"))
    end = len(count_calls(request, "vfs"))

    def check(inject):
        with Folder(template(request.state)) as folder:
            before = folder.sql("SELECT id FROM assistant WHERE label = 'current'")
            answer = read_answer(request, request.run(folder, {"INJECT": inject}))
            now = folder.sql("SELECT id FROM assistant WHERE label = 'current'")
            assert (answer.status == 200) is (now != before), answer.raw
            if answer.status == 200:
                status = answer.json["data"]["status"]
                assert status["assistantId"] == answer.json["data"]["newAssistantId"] == now[0][0]
                assert status["lastRefresh"] and not status["needsRefresh"]

    in_parallel(check, [f"vfs,{n},always" for n in range(end - 60, end, 4)])


def check_with_server(request, inject, outcomes):
    """The same with an upstream over HTTP, where nothing may be left that we do not know."""
    server = FakeUpstream()
    try:
        with Folder(template(request.state)) as folder:
            folder.variables = {"OPENAI_BASE_URL": server.url, "OPENAI_API_KEY": "k"}
            before = folder.env_file.read_bytes()
            done = request.run(folder, {"INJECT": inject})
            said = str((done.returncode, done.stdout, done.stderr))
            check_reports(request, folder, inject, folder.variables)
            assert done.returncode in (0, 1, EXIT_SANITIZER, EXIT_LIBFCGI), said
            answer = read_answer(request, done)
            outcomes[answer.status] += 1
            assert answer.status or done.returncode, said
            assert answer.status in (None, 200, 500, 502, 503), said
            if answer.status == 200:
                request.promise(folder, answer.json["data"])
            check_state(folder, before)
            rows = folder.sql("SELECT id FROM assistant WHERE label <> 'deleted'")
            assert set(server.assistants) == {id for (id,) in rows}
    finally:
        server.close()


@pytest.mark.parametrize("how", ["once", "always"])
@pytest.mark.parametrize("kind", ["alloc", "file"])
def test_with_a_server(kind, how, record_property):
    request = Request("initialize", "POST", "/initialize", {}, is_current("assistantId"), "fresh")
    server = FakeUpstream()
    variables = {"OPENAI_BASE_URL": server.url, "OPENAI_API_KEY": "k"}
    start = len(count_calls(request, kind, token=None))
    calls = choose_calls(count_calls(request, kind, **variables), 4, f"server {kind} {how}", start)
    server.close()
    outcomes = collections.Counter()
    injects = [f"{kind},{n},{how}" for n in calls]
    in_parallel(lambda inject: check_with_server(request, inject, outcomes), injects)
    record_property("note", f"exhaustion: with a server, {kind} {how}: {dict(outcomes)}")


def check_command(command, inject, outcomes):
    with Folder(template(command.state)) as folder:
        before = folder.env_file.read_bytes()
        done = command.run(folder, {"INJECT": inject})
        said = str((done.returncode, done.stdout, done.stderr))
        check_reports(command, folder, inject)
        if done.returncode != EXIT_SANITIZER:
            assert done.returncode in (0, 10, 1, 75), said
            assert done.returncode in (0, 10) or done.stderr, said
        outcomes[done.returncode] += 1
        if done.returncode in (0, 10):
            command.promise(folder, done.stdout)
        if command.state == "none":
            done = folder.run(["cli/oam", "migrate"])
            assert done.returncode == 0, done.stderr
        check_state(folder, before)


def try_commands(command, kind, how_many, record_property):
    calls = count_calls(command, kind)
    outcomes = collections.Counter()
    injects = [
        f"{kind},{n},{how}"
        for how in HOWS
        for n in choose_calls(calls, how_many, f"{command.name} {kind} {how}")
    ]
    in_parallel(lambda inject: check_command(command, inject, outcomes), injects)
    record_property("note", f"exhaustion: oam {command.name}, {kind}: {dict(outcomes)}")


@pytest.mark.parametrize("command", COMMANDS, ids=COMMAND_NAMES)
def test_commands(command, record_property):
    for kind, how_many in (("alloc", 2), ("vfs", 1), ("full", 1), ("file", 1)):
        try_commands(command, kind, how_many, record_property)


STRANGERS = {
    "no token": None,
    "no signature": make_token().rsplit(".", 1)[0] + ".",
    "algorithm none": b64url(b'{"alg":"none","typ":"JWT"}')
    + "."
    + make_token().split(".")[1]
    + ".",
    "none with a signature": b64url(b'{"alg":"none","typ":"JWT"}')
    + "."
    + ".".join(make_token().split(".")[1:]),
    "signed by others": make_token(secret="x" * 48),
    "zeros as the signature": make_token().rsplit(".", 1)[0] + "." + "A" * 43,
    # AddressSanitizer fills fresh memory with this.
    "what memory holds": make_token().rsplit(".", 1)[0] + "." + b64url(b"\xbe" * 32),
    "expired": make_token({"exp": 1}),
}


@pytest.mark.parametrize("how", ["once", "always"])
@pytest.mark.parametrize("token", STRANGERS.values(), ids=STRANGERS)
def test_strangers(token, how, record_property):
    """No lack of memory lets anybody in."""
    request = Request("delete", "DELETE", "/delete/{previous}")
    calls = choose_calls(count_calls(request, "alloc"), 2, f"stranger {token} {how}")
    outcomes = collections.Counter()

    def check(inject):
        with Folder(template("used")) as folder:
            done = request.run(folder, {"INJECT": inject}, token=token)
            answer = read_answer(request, done)
            outcomes[answer.status] += 1
            assert answer.status in (None, 401, 500), done.stdout
            assert answer.status or done.returncode != 0
            assert folder.sql("SELECT count(*) FROM assistant WHERE label = 'deleted'") == [(0,)]

    in_parallel(check, [f"alloc,{n},{how}" for n in calls])
    assert set(outcomes) - {None}
    record_property("note", f"exhaustion: strangers, {how}: {dict(outcomes)}")


@pytest.mark.parametrize("request_", REQUESTS, ids=REQUEST_NAMES)
def test_no_memory(request_, record_property):
    try_requests(request_, "alloc", 3, record_property)


@pytest.mark.parametrize("request_", REQUESTS, ids=REQUEST_NAMES)
def test_sqlite_calls_fail(request_, record_property):
    try_requests(request_, "vfs", 1, record_property)
    try_requests(request_, "full", 1, record_property, ("always",))


@pytest.mark.parametrize("request_", REQUESTS, ids=REQUEST_NAMES)
def test_system_calls_fail(request_, record_property):
    try_requests(request_, "file", 1, record_property)


@pytest.mark.parametrize("request_", REQUESTS, ids=REQUEST_NAMES)
def test_no_descriptors(request_, record_property):
    outcomes = collections.Counter()
    injects = [f"nofile,{limit},always" for limit in (3, 5, 20)]
    in_parallel(lambda inject: check_request(request_, inject, (500, 503), outcomes), injects)
    assert outcomes[200]
    record_property("note", f"exhaustion: {request_.name}, descriptors: {dict(outcomes)}")


def test_commands_without_descriptors():
    outcomes = collections.Counter()
    for command in COMMANDS:
        injects = [f"nofile,{limit},always" for limit in (3, 5, 20)]
        in_parallel(lambda inject: check_command(command, inject, outcomes), injects)
    assert outcomes[0] and outcomes[1]
