"""cgi/openapi.json describes what the programs do. Every answer that any test gets through
Site.request() is validated against it; here is what remains."""

import re

import pytest
from conftest import OPENAPI, ROOT, answer_schema
from jsonschema import ValidationError


def test_every_endpoint_is_described_and_nothing_else():
    described = {path.split("/")[1] for path in OPENAPI["paths"]}
    programs = {p.stem for p in (ROOT / "cgi").glob("*.c")} - {"v1-assistants", "metrics"}
    assert described == programs
    for path, operations in OPENAPI["paths"].items():
        source = (ROOT / "cgi" / (path.split("/")[1] + ".c")).read_text()
        (method,) = operations
        assert f'.method = "{method.upper()}"' in source


def test_every_error_code_is_described():
    rows = re.findall(r'^X\(\w+, +\d+, "(\w+)"', (ROOT / "common/error.h").read_text(), re.M)
    described = OPENAPI["components"]["schemas"]["Failure"]["properties"]["error"]
    only_inside = {
        "usage",
        "unhealthy",
        "file_busy",
        "refresh_interrupted",
        "not_published",
        "hook_failed",
        "not_hosted_here",  # of /v1 alone
    }
    assert set(described["properties"]["code"]["enum"]) == set(rows) - only_inside


def test_the_checks_of_every_field_agree():
    """The bodies' and the query's names are those of the programs' tables."""
    for path, operations in OPENAPI["paths"].items():
        source = (ROOT / "cgi" / (path.split("/")[1] + ".c")).read_text()
        for operation in operations.values():
            fields = re.findall(r'^\t\{ "(\w+)", SHAPE', source, re.M)
            query = [p["name"] for p in operation["parameters"] if p.get("in") == "query"]
            body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
            described = query + list(body.get("schema", {}).get("properties", {}))
            assert sorted(fields) == sorted(described), path


def test_the_validation_is_strict():
    now = "2026-11-26T12:00:00.000Z"
    success = {"success": True, "message": "Assistants listed.", "timestamp": now,
               "data": {"assistants": [], "count": 0}}  # fmt: skip
    failure = {"success": False, "message": "", "timestamp": now, "data": "",
               "error": {"code": "conflict", "param": None, "details": None}}  # fmt: skip
    for answer, status, change in (
        (success, 200, {"data": {}}),
        (success, 200, {"timestamp": "today"}),
        (failure, 404, {"data": None}),
        (failure, 404, {"error": {"code": "conflict", "param": None}}),
        (failure, 404, {"error": {**failure["error"], "code": "x"}}),
    ):
        schema = answer_schema("GET", "/list", status)
        schema.validate(answer)
        with pytest.raises(ValidationError):
            schema.validate({**answer, **change})
