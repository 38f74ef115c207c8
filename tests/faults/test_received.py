"""Nothing of an assistant on a server elsewhere is kept, published or shown unchecked; and
what OpenAI's own server answered passes."""

import json
import pathlib

import pytest
from fake_upstream import Fault, FakeUpstream

RECORDINGS = pathlib.Path(__file__).parents[3] / "shared/data/recordings/assistants"

ODD = {
    "instructions": 5,
    "name": {"a": 1},
    "metadata": "str",
    "metadata.a": {"a": 1},
    "created_at": 2**63 - 1,
    "tools[0].type": [{"type": None}],
    "temperature": "hot",
    "top_p": 7,
    "response_format": 1,
    "model": "x" * 300,
}


@pytest.fixture
def upstream():
    server = FakeUpstream()
    yield server
    server.close()


@pytest.fixture
def site(make_site, upstream):
    return make_site({"OPENAI_BASE_URL": upstream.url, "OPENAI_API_KEY": "k"})


def member(field):
    return field.split(".")[0].split("[")[0]


@pytest.mark.parametrize("field", ODD)
def test_an_odd_field_is_named_and_not_kept(site, upstream, field):
    id = upstream.create({"model": "m"})[1]["id"]
    good = dict(upstream.assistants[id])
    upstream.assistants[id][member(field)] = ODD[field]
    site.env_file.write_text(site.env_file.read_text() + f"OPENAI_ASSISTANT_ID={id}\n")
    for reply in [
        site.post("/initialize"),  # would adopt it
        site.get(f"/details/{id}"),
        site.get("/list"),
        site.get("/list?limit=1"),
    ]:
        assert (reply.status, reply.error["code"]) == (502, "upstream_failed"), reply.raw
        assert f"'{field}'" in reply.json["message"]
    # The answer to a change, too.
    reply = site.put(f"/update/{id}", {"updates": {"description": "d"}})
    assert reply.status == 502 and f"'{field}'" in reply.json["message"]
    assert site.sql("SELECT count(*) FROM assistant") == [(0,)]
    assert not (site.folder / "config").exists()
    done = site.oam("import", "--from", upstream.url, check=False)
    assert done.returncode != 0 and f"'{field}'" in done.stderr
    upstream.assistants[id] = good
    assert site.post("/initialize").data["assistantId"] == id


@pytest.mark.parametrize("field", ODD)
def test_an_odd_answer_to_a_creation_is_not_kept(site, upstream, field):
    """The assistant may be there all the same: its nonce finds it, with a good answer."""
    odd = {"id": "asst_odd", "object": "assistant", "created_at": 1, "model": "m"}
    odd[member(field)] = ODD[field]
    upstream.faults.append(Fault("garbage", "POST", "assistants$", after=True, body=odd))
    id = site.post("/initialize").data["assistantId"]
    assert list(upstream.assistants) == [id]


@pytest.mark.parametrize(
    "answer",
    [
        {"deleted": "yes"},
        {"deleted": 1},
        {"id": "asst_other", "deleted": True},
        {"deleted": False},
        {},
    ],
)
def test_an_odd_answer_to_a_deletion_confirms_nothing(site, upstream, answer):
    site.post("/initialize")
    old = site.post("/refresh").data["previousAssistantId"]
    upstream.faults.append(Fault("garbage", "DELETE", "", 2, body=answer))
    reply = site.delete(f"/delete/{old}")
    assert reply.error["code"] == "upstream_failed" and "confirm" in reply.json["message"]
    done = site.post("/cleanup", {"keepCount": 1}).data
    assert [f["id"] for f in done["failed"]] == [old] and done["deletedCount"] == 0
    assert site.delete(f"/delete/{old}").status == 200


def assistants_in(tree):
    if isinstance(tree, dict):
        if tree.get("object") == "assistant":
            yield tree
        tree = list(tree.values())
    if isinstance(tree, list):
        for value in tree:
            yield from assistants_in(value)


def test_what_openai_answered_passes(site, upstream):
    if not RECORDINGS.is_dir():
        pytest.skip("the recordings are not beside the project")
    for file in sorted(RECORDINGS.glob("*.json")):
        for assistant in assistants_in(json.loads(file.read_text())):
            upstream.assistants[assistant["id"]] = assistant
    assert len(upstream.assistants) > 20
    assert site.get("/list").data["count"] == len(upstream.assistants)
    for id, assistant in upstream.assistants.items():
        assert site.get(f"/details/{id}").data == assistant


def dense(count):
    return {"x": [1] * count}


def tools(parameters):
    return [{"type": "function", "function": {"name": "f", "parameters": parameters}}]


@pytest.mark.parametrize("count", [12000, 24000])
def test_no_configuration_makes_the_servers_lists_unreadable(site, upstream, count):
    """Each is within the bound of what is read; both in one assistant, or three assistants
    on one page, would not be."""
    schema = {"name": "s", "schema": dense(count)}
    fields = {
        "tools": tools(dense(count)),
        "response_format": {"type": "json_schema", "json_schema": schema},
    }
    id = site.post("/refresh").data["newAssistantId"]
    for name in fields:
        reply = site.post("/refresh", {"config": {name: fields[name]}})
        assert reply.status == 200 or reply.error["code"] == "unsupported_json"
    for name in fields:
        reply = site.put(f"/update/{id}", {"updates": {name: fields[name]}})
        assert reply.status == 200 or reply.error["code"] == "unsupported_json"
    for _ in range(3):
        assert site.post("/refresh").status == 200
    assert site.get("/list").data["count"] == len(upstream.assistants) > 3
    assert site.get("/list?limit=100").data["count"] == len(upstream.assistants)
    assert site.post("/cleanup", {"keepCount": 1}).data["failed"] == []


def test_a_list_may_be_deeper_than_an_assistant(site, upstream):
    deep = 1
    for _ in range(60):  # and four around it
        deep = {"a": deep}
    id = upstream.create({"model": "m", "tools": tools(deep)})[1]["id"]
    assert site.get(f"/details/{id}").status == 200
    assert site.get("/list").data["count"] == 1
    assert site.get("/list?limit=1").data["count"] == 1
