"""What the ten endpoints do when all is well: every field of `data` and its type, the
headers, HEAD, pages, updates, cleanup, the interval, and profiles kept apart."""

import calendar
import json
import re
import tempfile
import time

import pytest
from conftest import DAY, Site

ID = re.compile(r"asst_[A-Za-z0-9]{24}")
WHEN = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
GETS = ["/current", "/list", "/details", "/status"]

# A shape: a type, a pattern, a fixed value, a tuple of any of these, {name: shape}, or
# [shape] for a list of them. Booleans are no integers.
ASSISTANT = {
    "id": ID,
    "object": "assistant",
    "created_at": int,
    "name": (str, None),
    "description": (str, None),
    "model": str,
    "instructions": (str, None),
    "tools": list,
    "tool_resources": dict,
    "metadata": dict,
    "temperature": (int, float),
    "top_p": (int, float),
    "response_format": (str, dict),
}
STATUS = {
    "assistantId": (ID, None),
    "lastRefresh": (WHEN, None),
    "refreshInterval": int,
    "needsRefresh": bool,
    "profile": str,
    "previousAssistantId": (ID, None),
    "nextRefresh": (WHEN, None),
    "refreshing": bool,
    "stale": bool,
    "consecutiveFailures": int,
    "lastError": (str, None),
    "lastFailure": (WHEN, None),
    "published": bool,
    "publishError": (str, None),
    "hookError": (str, None),
    "lastHookFailure": (WHEN, None),
    "assistants": int,
    "keepCount": int,
    "environmentKey": str,
    "upstream": str,
}
BRIEF = {name: STATUS[name] for name in list(STATUS)[:4]}
CLEANUP = {
    "deletedAssistants": [ID],
    "deletedCount": int,
    "keepCount": int,
    "failed": [{"id": ID, "code": str, "message": str}],
    "dryRun": bool,
}

ANSWERS = [
    ("POST", "/initialize", {}, "Assistant initialized.",
     {"assistantId": ID, "status": BRIEF}),
    ("POST", "/initialize", None, "Assistant initialized.",
     {"assistantId": ID, "status": BRIEF}),
    ("GET", "/current", None, "Current assistant retrieved.",
     {"assistantId": ID, "status": BRIEF, "message": "Current assistant retrieved."}),
    ("POST", "/refresh", {"config": {"name": "X"}}, "Assistant refreshed.",
     {"newAssistantId": ID, "previousAssistantId": ID, "status": BRIEF,
      "message": "Assistant refreshed."}),
    ("POST", "/refresh", {}, "Assistant refreshed.",
     {"newAssistantId": ID, "previousAssistantId": ID, "status": BRIEF,
      "message": "Assistant refreshed."}),
    ("POST", "/refresh", None, "Assistant refreshed.",
     {"newAssistantId": ID, "previousAssistantId": ID, "status": BRIEF,
      "message": "Assistant refreshed."}),
    ("GET", "/list", None, "Assistants listed.", {"assistants": [ASSISTANT], "count": int}),
    ("GET", "/list?limit=1", None, "Assistants listed.",
     {"assistants": [ASSISTANT], "count": 1}),
    ("GET", "/details", None, "Assistant details retrieved.", ASSISTANT),
    ("GET", "/details/ID", None, "Assistant details retrieved.", ASSISTANT),
    ("PUT", "/update/ID", {"updates": {"name": "Y"}}, "Assistant updated.",
     {**ASSISTANT, "name": "Y"}),
    ("DELETE", "/delete/ID", None, "Assistant deleted.",
     {"id": ID, "object": "assistant.deleted", "deleted": True}),
    ("POST", "/cleanup", {"keepCount": 3}, "Cleanup finished.", {**CLEANUP, "keepCount": 3}),
    ("POST", "/cleanup", None, "Cleanup finished.", {**CLEANUP, "keepCount": 5}),
    ("GET", "/status", None, "Status retrieved.", STATUS),
    ("PUT", "/refresh-interval", {"intervalMs": DAY}, "Refresh interval updated.",
     {"newIntervalMs": DAY, "newIntervalHours": (int, float), "status": BRIEF}),
]  # fmt: skip


def fits(value, shape):
    if isinstance(shape, tuple):
        return any(fits(value, one) for one in shape)
    if isinstance(shape, type):
        return type(value) is shape
    if isinstance(shape, re.Pattern):
        return isinstance(value, str) and bool(shape.fullmatch(value))
    if isinstance(shape, dict):
        return value.keys() == shape.keys() and all(fits(value[k], shape[k]) for k in shape)
    if isinstance(shape, list):
        return isinstance(value, list) and all(fits(item, shape[0]) for item in value)
    return type(value) is type(shape) and value == shape


def current(site, query=""):
    return site.get("/current" + query).data["assistantId"]


def details(site, id):
    return site.get(f"/details/{id}").data


def listed(site, query=""):
    return [a["id"] for a in site.get("/list" + query).data["assistants"]]


def host(site, names, created_at=None):
    """Assistants that the store hosts but no profile owns: ids in the order of `names`."""
    ids = [f"asst_{n:024}" for n in range(len(names))]
    values = [
        f"('{id}', 'embedded', 'unmanaged', '{json.dumps({'name': name, 'model': 'm'})}', "
        f"{created_at or n + 1}, 1)"
        for n, (id, name) in enumerate(zip(ids, names, strict=True))
    ]
    site.sql(
        "INSERT INTO assistant (id, upstream, label, config, created_at, updated_at) VALUES "
        + ",".join(values)
    )
    return ids


def add_profile(site, name, config):
    site.sql(
        "INSERT INTO profile (name, config, env_key, made_at) VALUES (?, ?, ?, 0)",
        name,
        json.dumps(config),
        f"OPENAI_ASSISTANT_ID_{name.upper()}",
    )


# ---- what every answer is ----


@pytest.fixture(scope="module")
def ready(shared_site):
    """The shared site with an assistant: for tests that do not ask which."""
    shared_site.post("/initialize")
    return shared_site


@pytest.mark.parametrize("method, path, body, message, shape", ANSWERS)
def test_every_field(ready, method, path, body, message, shape):
    path = path.replace("ID", current(ready))
    reply = ready.request(method, path, body)
    assert reply.status == 200, reply.raw
    assert reply.json.keys() == {"success", "message", "data", "timestamp"}
    assert (reply.json["success"], reply.json["message"]) == (True, message)
    assert fits(reply.data, shape), reply.data


@pytest.mark.parametrize("path", [*GETS, "/nothing", "/details/asst_x", "/cleanup"])
def test_headers_good_or_bad(ready, path):
    one, two = ready.get(path), ready.get(path)
    assert one.headers["content-type"] == "application/json"
    assert one.headers["cache-control"] == "no-store"
    assert one.headers["x-content-type-options"] == "nosniff"
    assert int(one.headers["content-length"]) == len(one.raw)
    ids = {reply.headers["x-request-id"] for reply in (one, two)}
    assert len(ids) == 2 and all(re.fullmatch(r"[A-Za-z0-9._-]{16,64}", id) for id in ids)


@pytest.mark.parametrize("path", [*GETS, "/list?limit=1", "/details/asst_x", "/status?x=1"])
def test_head_is_get_without_the_body(ready, path):
    get, head = ready.get(path), ready.request("HEAD", path)
    assert (head.status, head.raw) == (get.status, b"")
    same = get.headers.keys() - {"date", "x-request-id"}
    assert head.headers.keys() - {"date", "x-request-id"} == same
    assert {k: head.headers[k] for k in same} == {k: get.headers[k] for k in same}


@pytest.mark.parametrize(
    "given, kept",
    [("a", True), ("abc-123_X.y", True), ("a" * 64, True), ("a" * 65, False), ("a b", False),
     ("a, b", False), ('x" status=200', False), ("x\tstatus=200", False), ("é", False),
     ("<script>", False), ("%0d%0aX: y", False), ("a" * 4000, False), ("", False)],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/status", "/nothing"])
def test_request_ids_are_echoed_when_harmless(ready, path, given, kept):
    came = ready.get(path, headers={"X-Request-Id": given.encode("latin-1")}).headers
    assert (came["x-request-id"] == given) is kept
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,64}", came["x-request-id"])


def test_an_error_has_its_own_fields_only(ready):
    reply = ready.get("/details/asst_x")
    assert reply.status == 404 and reply.headers["content-type"] == "application/json"
    assert reply.json.keys() == {"success", "message", "data", "error", "timestamp"}
    assert fits(reply.error, {"code": str, "param": (str, None), "details": (dict, None)})
    for secret in (str(ready.folder), "SELECT", "sqlite", ".c:"):
        assert secret not in reply.raw.decode()


# ---- initialize, current, refresh, delete, from an empty store on ----


def test_an_empty_store(site):
    assert site.get("/list").data == {"assistants": [], "count": 0}
    reply = site.get("/details")
    assert (reply.status, reply.error["code"]) == (404, "no_current_assistant")
    status = site.get("/status").data
    assert fits(status, STATUS)
    expected = {"assistantId": None, "lastRefresh": None, "refreshInterval": DAY,
                "needsRefresh": True, "profile": "default", "previousAssistantId": None,
                "stale": False, "consecutiveFailures": 0, "lastError": None, "assistants": 0,
                "keepCount": 5, "environmentKey": "OPENAI_ASSISTANT_ID"}  # fmt: skip
    assert {k: status[k] for k in expected} == expected
    assert site.post("/cleanup").data["deletedCount"] == 0
    assert site.sql("SELECT count(*) FROM assistant") == [(0,)]
    assert site.post("/refresh").data["previousAssistantId"] is None


def test_the_first_assistant_is_the_documented_one(site):
    before = time.time()
    made = details(site, site.post("/initialize").data["assistantId"])
    assert made["name"] == "Invoice Translation Assistant"
    assert made["description"] and made["instructions"]
    assert made["model"] == "gpt-4o-mini"
    assert made["tools"] == [{"type": "code_interpreter"}, {"type": "file_search"}]
    assert (made["temperature"], made["top_p"]) == (1, 1)
    assert (made["response_format"], made["tool_resources"]) == ("auto", {})
    metadata = made["metadata"]
    assert (metadata["created_by"], metadata["version"]) == ("estrella-backend", "1.0.0")
    assert WHEN.fullmatch(metadata["created_at"])
    assert before - 1 <= made["created_at"] <= time.time()
    stamp = time.strftime("%Y-%m-%dT%H:%M", time.gmtime(made["created_at"]))
    assert metadata["created_at"].startswith(stamp)


def test_one_life(site):
    """Each step sees what the one before left."""
    first = site.post("/initialize").data["assistantId"]
    assert site.post("/initialize").data["assistantId"] == first == current(site)
    status = site.get("/status").data
    assert (status["assistantId"], status["needsRefresh"]) == (first, False)
    assert abs(parse(status["nextRefresh"]) - parse(status["lastRefresh"]) - DAY / 1000) < 0.01

    reply = site.post("/refresh", {"config": {"name": "Two"}}).data
    second = reply["newAssistantId"]
    assert reply["previousAssistantId"] == first != second == current(site)
    status = site.get("/status").data
    assert (status["previousAssistantId"], status["assistants"]) == (first, 2)
    assert details(site, second)["name"] == "Two"

    third = site.post("/refresh").data["newAssistantId"]
    assert details(site, third)["name"] == "Two", "overrides are remembered"
    assert details(site, third)["metadata"]["created_by"] == "estrella-backend"

    assert site.delete(f"/delete/{third}").data == {
        "id": third, "object": "assistant.deleted", "deleted": True,
    }  # fmt: skip
    for gone in (
        site.get(f"/details/{third}"),
        site.delete(f"/delete/{third}"),
        site.put(f"/update/{third}", {"updates": {"name": "x"}}),
    ):
        assert (gone.status, gone.error["code"]) == (404, "assistant_not_found")
    status = site.get("/status").data
    assert (status["assistantId"], status["needsRefresh"]) == (None, True)
    assert site.get("/details").error["code"] == "no_current_assistant"
    assert third not in listed(site)
    fourth = current(site)
    assert fourth not in (first, second, third) and details(site, fourth)["name"] == "Two"


def parse(when):
    seconds, millis = when.rstrip("Z").split(".")
    return calendar.timegm(time.strptime(seconds, "%Y-%m-%dT%H:%M:%S")) + int(millis) / 1000


def test_deleting_another_than_the_current_leaves_it(ready):
    old = current(ready)
    new = ready.post("/refresh").data["newAssistantId"]
    ready.delete(f"/delete/{old}")
    assert current(ready) == new
    assert ready.get("/status").data["needsRefresh"] is False


def test_details_with_and_without_an_id(ready):
    old, new = current(ready), ready.post("/refresh").data["newAssistantId"]
    assert ready.get("/details").data == details(ready, new)
    assert details(ready, old)["id"] == old


# ---- list ----


@pytest.fixture(scope="module")
def pages():
    """130 assistants, named by their number; the first ten are of the same moment."""
    with tempfile.TemporaryDirectory(prefix="oam-test-") as folder:
        site = Site(folder).migrate().start()
        try:
            site.ids = host(site, [str(n) for n in range(130)])
            site.sql("UPDATE assistant SET created_at = 10 WHERE created_at <= 10")
            yield site
        finally:
            site.stop()


def names(site, query):
    return [int(a["name"]) for a in site.get("/list" + query).data["assistants"]]


UP, DOWN = list(range(130)), list(range(129, -1, -1))


@pytest.mark.parametrize(
    "query, expected",
    [
        ("", DOWN),
        ("?order=desc", DOWN),
        ("?order=asc", UP),
        ("?limit=1", [129]),
        ("?limit=100", DOWN[:100]),
        ("?limit=3&order=asc", [0, 1, 2]),
        ("?after={20}", DOWN[110:]),
        ("?after={20}&limit=2", [19, 18]),
        ("?after={20}&limit=2&order=asc", [21, 22]),
        ("?after={0}", []),
        ("?after={129}&order=asc", []),
        ("?before={129}", []),
        ("?before={127}", [129, 128]),
        ("?before={2}&order=asc", [0, 1]),
        ("?after={5}&before={1}", [4, 3, 2]),
        ("?after={1}&before={5}&order=asc", [2, 3, 4]),
        ("?after={1}&before={1}", []),
        ("?after={1}&before={5}", []),
        ("?limit=2&after={5}&before={1}", [4, 3]),
        ("?order=asc&limit=4&after={6}", [7, 8, 9, 10]),
        ("?%6Cimit=%31&order=as%63", [0]),
        ("?limit=2&", [129, 128]),
    ],
)
def test_pages(pages, query, expected):
    query = re.sub(r"\{(\d+)\}", lambda m: pages.ids[int(m[1])], query)
    reply = pages.get("/list" + query)
    assert [int(a["name"]) for a in reply.data["assistants"]] == expected
    assert reply.data["count"] == len(expected)


@pytest.mark.parametrize("order, cursor, expected", [("desc", 50, [52, 51]), ("asc", 50, [48, 49])])
def test_before_with_a_limit_is_the_page_before(pages, order, cursor, expected):
    """OpenAI's description of `before`: 'to fetch the previous page of the list'."""
    assert names(pages, f"?order={order}&limit=2&before={pages.ids[cursor]}") == expected


@pytest.mark.parametrize("order, whole", [("asc", UP), ("desc", DOWN)])
@pytest.mark.parametrize("limit", [7, 100])
def test_paging_meets_each_once(pages, order, whole, limit):
    seen, cursor = [], ""
    while page := names(pages, f"?order={order}&limit={limit}{cursor}"):
        assert len(page) <= limit
        seen += page
        cursor = f"&after={pages.ids[page[-1]]}"
    assert seen == whole


def test_a_cursor_survives_its_assistant(site):
    ids = host(site, [str(n) for n in range(5)])
    for n in (2, 3):
        site.delete(f"/delete/{ids[n]}")
    assert names(site, f"?after={ids[2]}") == [1, 0]
    assert names(site, f"?before={ids[2]}") == [4]
    assert names(site, f"?after={ids[3]}&limit=1") == [1]
    assert names(site, f"?order=asc&after={ids[2]}") == [4]
    assert names(site, "") == [4, 1, 0]


# ---- update ----

# Each field: what it is set to, and what it shows after null (OpenAI's defaults).
FIELDS = {
    "name": ("N", None),
    "description": ("D", None),
    "model": ("gpt-4o", ...),
    "instructions": ("I", None),
    "tools": ([{"type": "function", "function": {
        "name": "f-_9", "description": "d", "strict": None,
        "parameters": {"type": "object", "properties": {"x": {"const": [1e3, -1, 0.1, 2**53]}}},
    }}], ...),
    "tool_resources": ({"code_interpreter": {"file_ids": ["file-1", "file-2"]},
                        "file_search": {"vector_store_ids": ["vs_1"]}}, {}),
    "metadata": ({"a": "b", "": "", "ü": "ö"}, {}),
    "temperature": (0.2, 1),
    "top_p": (0, 1),
    "response_format": ({"type": "json_schema", "json_schema": {
        "name": "s", "description": "d", "schema": {"type": "object"}, "strict": True}}, "auto"),
    "reasoning_effort": ("high", None),
}  # fmt: skip


def shown(assistant, field):
    value = assistant.get(field)
    if field == "metadata":
        return {k: v for k, v in value.items() if not k.startswith("oam_")}
    return value


@pytest.mark.parametrize("field", FIELDS)
def test_update_of_one_field(ready, field):
    value, cleared = FIELDS[field]
    id = current(ready)
    before = details(ready, id)
    count, status = len(listed(ready)), ready.get("/status").data
    after = ready.put(f"/update/{id}", {"updates": {field: value}}).data
    assert shown(after, field) == value
    assert after == details(ready, id)
    assert {k: v for k, v in after.items() if k != field} == {
        k: v for k, v in before.items() if k != field
    }
    reserved = {k: v for k, v in before["metadata"].items() if k.startswith("oam_")}
    assert reserved and reserved.items() <= after["metadata"].items()
    # In place: no other assistant, no other refresh time, no other current id.
    assert (len(listed(ready)), current(ready)) == (count, id)
    assert ready.get("/status").data["lastRefresh"] == status["lastRefresh"]
    # Later refreshes keep it.
    made = details(ready, ready.post("/refresh").data["newAssistantId"])
    kept = shown(made, field)
    if field == "metadata":
        kept = {k: v for k, v in kept.items() if k != "created_at"}
    assert kept == value
    if cleared is ...:
        return
    id = made["id"]
    assert shown(ready.put(f"/update/{id}", {"updates": {field: None}}).data, field) == cleared
    assert shown(details(ready, id), field) == cleared


@pytest.mark.parametrize("field", [f for f in FIELDS if FIELDS[f][1] is not ...])
def test_refresh_with_null_clears(ready, field):
    value, cleared = FIELDS[field]
    ready.post("/refresh", {"config": {field: value}})
    made = details(ready, ready.post("/refresh", {"config": {field: None}}).data["newAssistantId"])
    if field == "metadata":
        made["metadata"].pop("created_at", None)
    assert shown(made, field) == cleared


@pytest.mark.parametrize("field", [f for f in FIELDS if FIELDS[f][1] is ...])
def test_what_cannot_be_null(ready, field):
    before = ready.get("/details").data
    for reply in (
        ready.put(f"/update/{before['id']}", {"updates": {field: None}}),
        ready.post("/refresh", {"config": {field: None}}),
    ):
        assert (reply.status, reply.error["details"]["reason"]) == (400, "invalid_type")
    assert ready.get("/details").data == before


def test_update_of_all_fields_and_of_another_than_the_current(ready):
    old = current(ready)
    current_now = details(ready, ready.post("/refresh").data["newAssistantId"])
    after = ready.put(f"/update/{old}", {"updates": {k: v[0] for k, v in FIELDS.items()}}).data
    assert {k: shown(after, k) for k in FIELDS} == {k: v[0] for k, v in FIELDS.items()}
    assert ready.put(f"/update/{old}", {"updates": {"tools": []}}).data["tools"] == []
    assert ready.get("/details").data == current_now
    made = details(ready, ready.post("/refresh").data["newAssistantId"])
    assert {k: shown(made, k) for k in FIELDS if k != "metadata"} == {
        k: shown(current_now, k) for k in FIELDS if k != "metadata"
    }


def test_metadata_may_be_sent_back_as_shown(ready):
    shown_now = ready.get("/details").data
    metadata = {**shown_now["metadata"], "more": "x"}
    reply = ready.put(f"/update/{shown_now['id']}", {"updates": {"metadata": metadata}})
    assert reply.data["metadata"] == metadata


# ---- cleanup ----


@pytest.fixture
def seven(make_site):
    """Seven assistants of the default profile, the newest current, and two only hosted.
    site.made are the seven ids, oldest first."""
    site = make_site({"OAM_KEEP_COUNT": "0"})
    site.hosted = host(site, ["a", "b"])
    site.made = [site.post("/refresh").data["newAssistantId"] for _ in range(7)]
    return site


@pytest.mark.parametrize(
    "body, keep, gone",
    [
        (None, 5, [0, 1]),
        ({}, 5, [0, 1]),
        ({"keepCount": 5}, 5, [0, 1]),
        ({"keepCount": 1}, 1, [0, 1, 2, 3, 4, 5]),
        ({"keepCount": 7}, 7, []),
        ({"keepCount": 1000}, 1000, []),
        ({"keepCount": 6, "dryRun": False, "all": False}, 6, [0]),
        ({"keepCount": 6, "all": True}, 6, ["a", "b", 0]),
        ({"keepCount": 1, "all": True}, 1, ["a", "b", 0, 1, 2, 3, 4, 5]),
        ({"all": True}, 5, ["a", "b", 0, 1]),
    ],
)
def test_cleanup(seven, body, keep, gone):
    ids = {seven.hosted["ab".index(g)] if g in ("a", "b") else seven.made[g] for g in gone}
    everything = set(listed(seven))
    dry = seven.post("/cleanup", {**(body or {}), "dryRun": True}).data
    assert (dry["dryRun"], set(listed(seven))) == (True, everything)
    reply = seven.post("/cleanup", body).data
    for came in (dry, reply):
        assert set(came["deletedAssistants"]) == ids
        assert (came["deletedCount"], came["keepCount"], came["failed"]) == (len(ids), keep, [])
    assert reply["dryRun"] is False
    assert set(listed(seven)) == everything - ids
    assert current(seven) == seven.made[-1]
    assert seven.post("/cleanup", body).data["deletedCount"] == 0


def test_cleanup_never_takes_a_current_one(seven):
    """Even when it is the oldest, and whosever it is."""
    seven.sql("UPDATE assistant SET created_at = 1 WHERE id = ?", seven.made[-1])
    add_profile(seven, "other", {"model": "m"})
    other = current(seven, "?profile=other")
    seven.sql("UPDATE assistant SET created_at = 0 WHERE id = ?", other)
    assert seven.made[-1] not in seven.post("/cleanup", {"keepCount": 1}).data["deletedAssistants"]
    seven.post("/cleanup", {"keepCount": 1, "all": True})
    assert {seven.made[-1], other} <= set(listed(seven))


# ---- interval ----


@pytest.mark.parametrize(
    "ms, hours",
    [(0, 0), (60_000, 1 / 60), (90_000, 0.025), (DAY, 24), (DAY + 1, 24 + 1 / 3_600_000),
     (365 * DAY, 8760), (2**31, 2**31 / 3_600_000), (100 * 365 * DAY, 876_000)],
)  # fmt: skip
def test_intervals(ready, ms, hours):
    before = ready.get("/status").data
    data = ready.put("/refresh-interval", {"intervalMs": ms}).data
    status = ready.get("/status").data
    ready.put("/refresh-interval", {"intervalMs": DAY})
    assert (data["newIntervalMs"], type(data["newIntervalMs"])) == (ms, int)
    assert data["newIntervalHours"] == pytest.approx(hours)
    assert data["status"] == {name: status[name] for name in BRIEF}
    assert (status["refreshInterval"], status["needsRefresh"]) == (ms, False)
    assert status["lastRefresh"] == before["lastRefresh"], "it does not restart the interval"
    if ms == 0:
        assert status["nextRefresh"] is None
    else:
        passed = parse(status["nextRefresh"]) - parse(status["lastRefresh"])
        assert passed == pytest.approx(ms / 1000, abs=0.01) or ms > 10**12


def test_due_means_that_the_interval_has_passed(site):
    site.put("/refresh-interval", {"intervalMs": 0})
    old = current(site)
    site.make_due()
    assert site.get("/status").data["needsRefresh"] is False
    site.put("/refresh-interval", {"intervalMs": DAY})
    assert site.get("/status").data["needsRefresh"] is True
    site.put("/refresh-interval", {"intervalMs": 2 * DAY})
    assert site.get("/status").data["needsRefresh"] is False
    assert current(site) == old
    site.put("/refresh-interval", {"intervalMs": DAY})
    assert site.post("/refresh").data["previousAssistantId"] == old
    assert site.get("/status").data["needsRefresh"] is False


# ---- profiles ----


def test_profiles_are_apart(site):
    add_profile(site, "support", {"name": "Help", "model": "gpt-4o"})
    default = current(site)
    query = "?profile=support"
    assert site.get("/details" + query).error["code"] == "no_current_assistant"
    help_id = site.post("/initialize" + query).data["assistantId"]
    assert help_id == current(site, query) != default == current(site, "?profile=default")
    assert site.get("/details" + query).data["name"] == "Help"
    assert site.get(f"/details/{default}{query}").data["id"] == default
    reply = site.post("/refresh" + query, {"config": {"name": "Help 2"}}).data
    assert reply["previousAssistantId"] == help_id
    site.put("/refresh-interval" + query, {"intervalMs": 60_000})
    for name, expected in (
        ("default", (default, None, DAY, 1, "OPENAI_ASSISTANT_ID")),
        ("support", (reply["newAssistantId"], help_id, 60_000, 2, "OPENAI_ASSISTANT_ID_SUPPORT")),
    ):
        status = site.get(f"/status?profile={name}").data
        keys = ["assistantId", "previousAssistantId", "refreshInterval", "assistants",
                "environmentKey"]  # fmt: skip
        assert (status["profile"], *(status[k] for k in keys)) == (name, *expected)
    cleaned = site.post("/cleanup" + query, {"keepCount": 1}).data
    assert cleaned["deletedAssistants"] == [help_id]
    assert set(listed(site, query)) == {default, reply["newAssistantId"]}
    site.delete(f"/delete/{reply['newAssistantId']}{query}")
    assert site.get("/status" + query).data["assistantId"] is None
    assert current(site) == default
