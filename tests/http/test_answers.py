"""What every answer carries, and the pages of a list."""

import pytest

GETS = ["/current", "/list", "/details", "/status"]


@pytest.fixture(scope="module")
def site(shared_site):
    shared_site.put("/refresh-interval", {"intervalMs": 0})
    for n in range(5):
        shared_site.post("/refresh", {"config": {"name": str(n)}})
    return shared_site


def names(reply):
    return "".join(a["name"] for a in reply.data["assistants"])


@pytest.mark.parametrize("path", [*GETS, "/nothing", "/details/asst_x"])
def test_headers(site, path):
    reply = site.get(path)
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["cache-control"] == "no-store"
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert reply.headers["x-request-id"].startswith("req_")
    assert int(reply.headers["content-length"]) == len(reply.raw)
    assert site.get(path).headers["x-request-id"] != reply.headers["x-request-id"]


@pytest.mark.parametrize("path", GETS)
def test_head(site, path):
    get, head = site.get(path), site.request("HEAD", path)
    assert (head.status, head.raw) == (200, b"")
    for name in ("content-type", "content-length", "cache-control"):
        assert head.headers[name] == get.headers[name]


@pytest.mark.parametrize(
    "given, kept",
    [("abc-123_X.y", True), ("a" * 64, True), ("a" * 65, False), ("a b", False),
     ('x" status=200', False), ("é", False)],
)  # fmt: skip
def test_request_ids(site, given, kept):
    reply = site.get("/status", headers={"X-Request-Id": given.encode("latin-1")})
    assert (reply.headers["x-request-id"] == given) is kept


def test_pages(site):
    ids = {a["name"]: a["id"] for a in site.get("/list").data["assistants"]}
    assert names(site.get("/list")) == "43210"
    assert names(site.get("/list?order=asc")) == "01234"
    assert names(site.get("/list?limit=2")) == "43"
    assert names(site.get(f"/list?limit=2&after={ids['3']}")) == "21"
    assert names(site.get(f"/list?before={ids['2']}")) == "43"
    assert names(site.get(f"/list?order=asc&after={ids['1']}&before={ids['4']}")) == "23"
    assert names(site.get(f"/list?after={ids['0']}")) == ""
    assert site.get("/list?limit=3").data["count"] == 3


def test_a_page_behind_a_deleted_assistant(site):
    ids = {a["name"]: a["id"] for a in site.get("/list").data["assistants"]}
    site.delete(f"/delete/{ids['2']}")
    assert names(site.get(f"/list?after={ids['2']}")) == "10"


def test_what_an_error_shows(site):
    reply = site.get("/details/asst_x")
    said = "No assistant found with id 'asst_x'."
    assert reply.json == {
        "success": False,
        "message": said,
        "data": said,
        "error": {"code": "assistant_not_found", "param": None, "details": None},
        "timestamp": reply.json["timestamp"],
    }
    assert str(site.folder) not in reply.raw.decode()


def test_every_field_of_an_assistant_can_be_set_and_cleared(site):
    fields = {
        "name": "N",
        "description": "D",
        "model": "gpt-4o",
        "instructions": "I",
        "tools": [
            {"type": "code_interpreter"},
            {
                "type": "file_search",
                "file_search": {
                    "max_num_results": 50,
                    "ranking_options": {"ranker": "auto", "score_threshold": 0.5},
                },
            },
            {
                "type": "function",
                "function": {
                    "name": "f-_9",
                    "description": "d" * 1024,
                    "parameters": {"type": "object", "properties": {"x": {"const": 1e3}}},
                    "strict": None,
                },
            },
        ],
        "tool_resources": {
            "code_interpreter": {"file_ids": ["file-1"] * 20},
            "file_search": {"vector_store_ids": ["vs_1"]},
        },
        "temperature": 2,
        "top_p": 0.25,
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "s", "schema": {"type": "object"}, "strict": True},
        },
        "reasoning_effort": "high",
    }
    new = site.post("/refresh", {"config": fields}).data["newAssistantId"]
    made = site.get(f"/details/{new}").data
    assert {k: made[k] for k in fields} == fields
    changed = site.put(f"/update/{new}", {"updates": {**fields, "name": "M"}}).data
    assert {k: changed[k] for k in fields} == {**fields, "name": "M"}
    nullable = [k for k in fields if k not in ("model", "tools")]
    cleared = site.put(f"/update/{new}", {"updates": {"tools": [], **dict.fromkeys(nullable)}})
    assert {k: cleared.data.get(k) for k in fields if k != "model"} == {
        "name": None,
        "description": None,
        "instructions": None,
        "tools": [],
        "tool_resources": {},
        "temperature": 1.0,
        "top_p": 1.0,
        "response_format": "auto",
        "reasoning_effort": None,
    }
