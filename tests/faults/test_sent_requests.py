"""Every request that we send to a server over HTTP is one that OpenAI's published
description of the protocol allows."""

import json
import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from fake_upstream import Fault, FakeUpstream
from jsonschema import Draft202012Validator

DESCRIPTION = Path(__file__).parents[3] / "shared/data/assistants-v2.openapi.json"

CONFIG = {
    "name": "N",
    "description": "D",
    "instructions": "I",
    "model": "gpt-4o",
    "tools": [
        {"type": "code_interpreter"},
        {"type": "file_search", "file_search": {"max_num_results": 5}},
        {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}},
    ],
    "tool_resources": {"code_interpreter": {"file_ids": ["file-1"]}},
    "metadata": {"a": "b"},
    "temperature": 0.5,
    "top_p": 1,
    "response_format": {"type": "json_object"},
}


def find_operation(description, method, path):
    path = path.removeprefix("/v1")
    for template, operations in description["paths"].items():
        pattern = re.sub(r"\{[^}]*\}", "[^/]+", template)
        if re.fullmatch(pattern, path) and method.lower() in operations:
            return operations[method.lower()]
    raise AssertionError(f"{method} {path} is not described")


def check(description, method, target, body):
    url = urlsplit(target)
    operation = find_operation(description, method, url.path)
    schemas = {"components": description["components"]}
    allowed = {p["name"]: p for p in operation.get("parameters", []) if p["in"] == "query"}
    for name, (value,) in parse_qs(url.query, keep_blank_values=True).items():
        schema = allowed[name]["schema"]  # KeyError: not described
        value = int(value) if schema["type"] == "integer" else value
        Draft202012Validator({**schema, **schemas}).validate(value)
    if "requestBody" not in operation:
        assert body == b""
        return operation["operationId"]
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    tree = json.loads(body)
    Draft202012Validator({**schema, **schemas}).validate(tree)
    # The description does not close its objects: also every name must be in it.
    known = description["components"]["schemas"][schema["$ref"].split("/")[-1]]["properties"]
    assert set(tree) <= set(known)
    return operation["operationId"]


def test_what_we_send_is_what_the_description_allows(make_site):
    if not DESCRIPTION.exists():
        pytest.skip(f"{DESCRIPTION.name} is not beside the project")
    description = json.loads(DESCRIPTION.read_text())
    upstream = FakeUpstream()
    site = make_site({"OPENAI_BASE_URL": upstream.url, "OPENAI_API_KEY": "k"})
    first = site.post("/initialize").data["assistantId"]
    new = site.post("/refresh", {"config": CONFIG}).data["newAssistantId"]
    cleared = {"name": None, "tools": [], "temperature": None, "metadata": {}}
    assert site.put(f"/update/{new}", {"updates": cleared}).status == 200
    assert site.put(f"/update/{new}", {"updates": CONFIG}).status == 200
    upstream.faults.append(Fault("reset", after=True))  # look for the nonce
    assert site.post("/refresh", {"config": {"top_p": None}}).status == 200
    for query in ["", "?limit=1", f"?limit=2&order=asc&after={first}", f"?before={first}"]:
        assert site.get("/list" + query).status == 200
    assert site.get(f"/details/{new}").status == 200
    assert site.post("/cleanup", {"keepCount": 1, "all": True}).status == 200
    operations = {check(description, m, path, body) for m, path, _, body in upstream.requests}
    assert operations == {
        "createAssistant",
        "getAssistant",
        "modifyAssistant",
        "deleteAssistant",
        "listAssistants",
    }
    upstream.close()
