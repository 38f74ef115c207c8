"""What is refused, with which status and which words; and that it changed nothing."""

import base64
import hashlib
import http.client
import json
import socket
import time

import pytest
from conftest import BASE, SECRET, b64url, make_token, sign

ENDPOINTS = {
    "/initialize": "POST",
    "/current": "GET",
    "/refresh": "POST",
    "/list": "GET",
    "/details": "GET",
    "/update/asst_x": "PUT",
    "/delete/asst_x": "DELETE",
    "/cleanup": "POST",
    "/status": "GET",
    "/refresh-interval": "PUT",
}
METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"]


def dump(site):
    tables = ["profile", "assistant", "rotation", "lease"]
    return {t: site.sql(f"SELECT * FROM {t} ORDER BY 1") for t in tables}


@pytest.fixture(scope="module")
def site(shared_site):
    shared_site.post("/initialize")
    return shared_site


@pytest.fixture(autouse=True)
def nothing_changes(site):
    before = dump(site)
    yield
    assert dump(site) == before
    assert site.get("/current").status == 200


# ---- tokens (RFC 7515, 7519, 8725; RFC 6750 for the answers) ----

NOW = int(time.time())


def part(value):
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return b64url(raw)


HEADER, CLAIMS = {"alg": "HS256", "typ": "JWT"}, {"sub": "x", "exp": NOW + 3600}


def raw_token(header=HEADER, claims=CLAIMS, secret=SECRET):
    return sign(f"{part(header)}.{part(claims)}", secret)


GOOD = raw_token()
H, P, S = GOOD.split(".")


def noncanonical(segment):
    """The same bytes, with a bit set that decoding drops."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    assert len(segment) % 4
    return segment[:-1] + alphabet[alphabet.index(segment[-1]) + 1]


BAD_TOKENS = {
    "empty": "",
    "word": "x",
    "two parts": f"{H}.{P}",
    "four parts": f"{GOOD}.{S}",
    "JWE": f"{GOOD}.{S}.{S}",
    "no signature": f"{H}.{P}.",
    "no claims": sign(f"{H}."),
    "no header": sign(f".{P}"),
    "other secret": raw_token(secret="another-secret-of-forty-two-characters-xyz"),
    "signature cut": GOOD[:-1],
    "signature padded": GOOD + "=",
    "signature noncanonical": f"{H}.{P}.{noncanonical(S)}",
    "claims padded": sign(f"{H}.{part({'exp': NOW + 7200})}=="),
    "plus and slash": sign(f"{H}.{base64.b64encode(b'{*exp*:>>>???}').decode()}"),
    "space inside": GOOD.replace(".", " .", 1),
    "second token": f"{GOOD}, Bearer {GOOD}",
    "trailing garbage": GOOD + "!",
    "alg none": f"{part({'alg': 'none'})}.{P}.",
    "alg none, signed": raw_token({"alg": "none"}),
    "alg hs256": raw_token({"alg": "hs256"}),
    "alg HS384": sign(f"{part({'alg': 'HS384'})}.{P}", digest=hashlib.sha384),
    "alg RS256": raw_token({"alg": "RS256"}),
    "alg missing": raw_token({"typ": "JWT"}),
    "alg a number": raw_token({"alg": 256}),
    "alg an array": raw_token({"alg": ["HS256"]}),
    "header an array": raw_token(["HS256"]),
    "header twice alg": raw_token(b'{"alg":"none","alg":"HS256"}'),
    "header not JSON": raw_token(b"{alg:HS256}"),
    "header invalid UTF-8": raw_token(b'{"alg":"HS256","x":"\xff"}'),
    "crit": raw_token({**HEADER, "crit": ["exp"]}),
    "crit empty": raw_token({**HEADER, "crit": []}),
    "typ other": raw_token({**HEADER, "typ": "dpop+jwt"}),
    "typ a number": raw_token({**HEADER, "typ": 1}),
    "jwk of its own": raw_token(
        {**HEADER, "jwk": {"kty": "oct", "k": b64url(b"k" * 32)}}, secret="k" * 32
    ),
    "claims an array": raw_token(claims=[CLAIMS]),
    "claims a string": raw_token(claims="exp"),
    "claims null": raw_token(claims=None),
    "claims with NUL behind": raw_token(claims=json.dumps(CLAIMS).encode() + b"\0"),
    "claims with garbage behind": raw_token(claims=json.dumps(CLAIMS).encode() + b"{}"),
    "exp twice": raw_token(claims=b'{"exp":1,"exp":%d}' % (NOW + 7200)),
    "exp missing": raw_token(claims={"sub": "x"}),
    "exp null": raw_token(claims={"exp": None}),
    "exp a string": raw_token(claims={"exp": str(NOW + 7200)}),
    "exp true": raw_token(claims={"exp": True}),
    "exp an object": raw_token(claims={"exp": {}}),
    "exp 0": raw_token(claims={"exp": 0}),
    "exp negative": raw_token(claims={"exp": -NOW}),
    "exp 1e400": raw_token(claims=b'{"exp":1e400}'),
    "exp past": raw_token(claims={"exp": NOW - 1}),
    "exp far past as float": raw_token(claims={"exp": NOW - 0.5}),
    "nbf future": raw_token(claims={"exp": NOW + 86400, "nbf": NOW + 7200}),
    "nbf a string": raw_token(claims={**CLAIMS, "nbf": "0"}),
    "iat a string": raw_token(claims={**CLAIMS, "iat": "0"}),
}


@pytest.mark.parametrize("name", BAD_TOKENS)
def test_a_bad_token_is_401(site, name):
    reply = site.post("/refresh", token=BAD_TOKENS[name])
    assert reply.status == 401, reply.raw
    assert reply.error["code"] in ("invalid_token", "missing_token")
    assert reply.headers["www-authenticate"].startswith('Bearer realm="oam"')


@pytest.mark.parametrize(
    "claims",
    [{"exp": NOW + 3600.5}, {"exp": 1e10}, {"exp": NOW + 7200, "nbf": NOW, "iat": NOW, "x": "é"}],
)
def test_a_good_token_is_taken(site, claims):
    assert site.get("/status", token=raw_token(claims=claims)).status == 200
    for typ in ({"alg": "HS256"}, {**HEADER, "typ": "jwt"}, {**HEADER, "kid": "../../x"}):
        assert site.get("/status", token=raw_token(typ, claims)).status == 200


@pytest.mark.parametrize("path", ENDPOINTS)
def test_nothing_works_without_a_token(site, path):
    for headers in ({}, {"Authorization": "Basic eDp5"}, {"Authorization": GOOD}):
        reply = site.request(ENDPOINTS[path], path, token=None, headers=headers)
        assert reply.status == 401 and reply.error["code"] == "missing_token"
        assert reply.headers["www-authenticate"] == 'Bearer realm="oam"'
    assert site.request(ENDPOINTS[path], f"{path}?access_token={GOOD}", token=None).status == 401


def test_the_scheme_is_case_insensitive(site):
    headers = {"Authorization": "bEaReR  " + GOOD}
    assert site.get("/status", token=None, headers=headers).status == 200


# ---- methods and paths ----


@pytest.mark.parametrize("path", ENDPOINTS)
def test_other_methods_are_405(site, path):
    allowed = ["GET", "HEAD"] if ENDPOINTS[path] == "GET" else [ENDPOINTS[path]]
    for method in set(METHODS) - set(allowed):
        reply = site.request(method, path, body=b"" if method == "POST" else None)
        assert reply.status == 405, (method, reply.raw)
        assert reply.headers["allow"] == ", ".join(allowed)


@pytest.mark.parametrize(
    "path",
    ["", "/", "/nothing", "/currentx", "/current/", "/current/asst_x", "/refresh-intervalx"]
    + ["/refresh-interval/", "/status/asst_x", "/update", "/update/", "/delete", "/delete/"]
    + ["/details/", "/details/a/b", "/details/asst_x/", "/details/" + "a" * 300, "/Current"]
    + ["//", "//x", "//api", "//api/openai-assistant/../x", "/details/%00", "/details/%ff"]
    + ["/details/asst_%2e%2e%2fx", "/details/asst_x%2fy"],
)
def test_other_paths_are_404(site, path):
    reply = site.get(path)
    assert reply.status in (400, 404), reply.raw
    if reply.status == 404:
        assert reply.error["code"] in ("not_found", "assistant_not_found")


@pytest.mark.parametrize("id", ["asst_unknown", "asst_", "x", "asst_../x", "asst_%20", "null"])
def test_unknown_ids_are_404(site, id):
    for reply in (
        site.get(f"/details/{id}"),
        site.put(f"/update/{id}", {"updates": {"name": "x"}}),
        site.delete(f"/delete/{id}"),
    ):
        assert reply.status == 404 and reply.error["code"].endswith("not_found")


# ---- queries ----


@pytest.mark.parametrize(
    "query, param",
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=-1", "limit"),
        ("limit=x", "limit"),
        ("limit=", "limit"),
        ("limit=1.0", "limit"),
        ("limit=99999999999999999999", "limit"),
        ("order=up", "order"),
        ("order=", "order"),
        ("after=", "after"),
        ("bogus=1", "bogus"),
        ("limit=1&limit=2", "limit"),
        ("profile=A", "profile"),
        ("profile=", "profile"),
        ("profile=" + "a" * 65, "profile"),
        ("x=" + "a" * 5000, "query"),
    ],
)
def test_bad_queries_are_400(site, query, param):
    reply = site.get(f"/list?{query}")
    assert reply.status == 400, reply.raw
    assert (reply.error["code"], reply.error["param"]) == ("invalid_parameter", param)


@pytest.mark.parametrize("query", ["profile=a%00b", "order=%zz", "order=%ff", "%=1"])
def test_bad_encodings_are_400(site, query):
    """Some of them lighttpd refuses by itself."""
    assert site.get(f"/list?{query}").status == 400


def test_an_unknown_profile_is_404(site):
    for path, method in ENDPOINTS.items():
        if path.startswith(("/list", "/update", "/delete")):
            continue  # these speak of ids, whatever the profile
        body = {"intervalMs": 60000} if path == "/refresh-interval" else None
        reply = site.request(method, f"{path}?profile=nobody", body)
        assert reply.status == 404 and reply.error["code"] == "profile_not_found"
        assert reply.error["param"] == "profile"


def test_an_unknown_cursor_is_404(site):
    reply = site.get("/list?after=asst_never")
    assert reply.status == 404 and reply.error["param"] == "after"


# ---- bodies ----

NOT_JSON = [
    b"{", b"}", b"nul", b"{]", b"[1,]", b'{"a":1,}', b"{'a':1}", b"{a:1}", b"\xef\xbb\xbf{}",
    b"{} {}", b"{}x", b'{"config":{}} // x', b"/**/{}", b"NaN", b"Infinity", b"-", b"+1", b"01",
    b"1.", b".5", b"1e", b"0x10", b'"\x01"', b'"\\x"', b'"\\u12"', b'"\xff"', b'"\xc0\xaf"',
    b'"\xed\xa0\x80"', b'"\xf4\x90\x80\x80"', b"\0", b"{}\0", b" ", b"\n\n", b"True",
]  # fmt: skip

# The grammar allows these.
UNSUPPORTED_JSON = [
    b'"\\ud800"', b'"\\udc00\\ud800"', b'{"a\\u0000b":1}', b'{"config":{},"config":{}}',
    b"1e400", b"[" * 65 + b"]" * 65, b'{"config":{"tools":[' + b"{}," * 200_000 + b"{}]}}",
    b'{"config":{"name":[' + b"1," * 300_000 + b"1]}}",
]  # fmt: skip


@pytest.mark.parametrize("body", NOT_JSON)
def test_what_is_not_json_is_400(shared_site, body):
    reply = shared_site.post("/refresh", body)
    assert reply.status == 400 and reply.error["code"] == "invalid_json", reply.raw


@pytest.mark.parametrize("body", UNSUPPORTED_JSON, ids=lambda body: body[:30])
def test_json_that_is_not_supported_is_400(shared_site, body):
    reply = shared_site.post("/refresh", body)
    assert reply.status == 400 and reply.error["code"] == "unsupported_json", reply.raw


def test_the_name_that_occurs_twice_is_said(shared_site):
    error = shared_site.post("/refresh", b'{"config":{"top_p":1,"top_p":2}}').error
    assert error["param"] == "top_p"


@pytest.mark.parametrize("body", [None, b"", b" \n"])
@pytest.mark.parametrize(
    "path, member", [("/update/asst_x", "updates"), ("/refresh-interval", "intervalMs")]
)
def test_a_body_of_nothing_is_said(shared_site, path, member, body):
    reply = shared_site.put(path, body)
    assert reply.status == 400 and reply.error["param"] == member
    assert reply.json["message"] == f"The request has no body. It needs one with '{member}'."
    assert reply.error["details"]["reason"] == "missing_required_parameter"


@pytest.mark.parametrize("body", [b"[]", b"1", b'"x"', b"true", b"null"])
def test_what_is_no_object_is_400(site, body):
    assert site.post("/refresh", body).error["param"] == "body"


@pytest.mark.parametrize(
    "type, status",
    [
        ("application/json", 200),
        ("application/json; charset=utf-8", 200),
        ('Application/JSON;charset="UTF-8"', 200),
        ("application/json; charset=latin1", 415),
        ("application/jsonx", 415),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("", 415),
    ],
)
def test_content_types(site, type, status):
    reply = site.post("/initialize", b"{}", headers={"Content-Type": type})
    assert reply.status == status, reply.raw


def test_the_body_limit(site):
    limit = 1024 * 1024
    assert site.post("/initialize", b"{}" + b" " * (limit - 2)).status == 200
    reply = site.post("/initialize", b"{}" + b" " * (limit - 1))
    assert reply.status == 413 and reply.error["code"] == "body_too_large"
    assert site.post("/initialize", b" " * 5 * limit).status == 413


def test_a_chunked_body(site):
    connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=30)
    fields = {"Authorization": f"Bearer {GOOD}", "Content-Type": "application/json"}
    for body, status in (([b"{", b"}"], 200), ([b"{", b"]"], 400)):
        connection.request("POST", BASE + "/initialize", iter(body), fields, encode_chunked=True)
        response = connection.getresponse()
        response.read()
        assert response.status == status
    connection.close()


def test_a_body_where_none_belongs(site):
    """With GET lighttpd refuses it by itself."""
    assert site.get("/current", body={"a": 1}).status == 400
    assert site.delete("/delete/asst_x", body={}).status == 404
    assert site.delete("/delete/asst_x", body={"force": True}).error["param"] == "force"


def test_a_client_that_leaves_early(site):
    for sent in (b"POST", b"POST /api/openai-assistant/refresh HTTP/1.1\r\nHost: x\r\n"):
        with socket.create_connection(("127.0.0.1", site.port)) as s:
            s.sendall(sent)
    with socket.create_connection(("127.0.0.1", site.port)) as s:
        head = f"POST {BASE}/refresh HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {GOOD}\r\n"
        s.sendall(head.encode() + b"Content-Length: 100\r\n\r\n{")


BAD_BODIES = [
    ("/initialize", {"x": 1}, "x", "unknown_parameter"),
    ("/refresh", {"config": {}, "x": 1}, "x", "unknown_parameter"),
    ("/refresh", {"config": None}, "config", "invalid_type"),
    ("/refresh", {"config": []}, "config", "invalid_type"),
    ("/refresh", {"config": {"bogus": None}}, "config.bogus", "unknown_parameter"),
    ("/refresh", {"config": {"model": None}}, "config.model", "invalid_type"),
    ("/refresh", {"config": {"model": ""}}, "config.model", "string_below_min_length"),
    ("/refresh", {"config": {"id": "asst_x"}}, "config.id", "unknown_parameter"),
    ("/cleanup", {"keepCount": 0}, "keepCount", "integer_below_min_value"),
    ("/cleanup", {"keepCount": -1}, "keepCount", "integer_below_min_value"),
    ("/cleanup", {"keepCount": 1.5}, "keepCount", "invalid_type"),
    ("/cleanup", {"keepCount": 1.0}, "keepCount", "invalid_type"),
    ("/cleanup", {"keepCount": "5"}, "keepCount", "invalid_type"),
    ("/cleanup", {"keepCount": True}, "keepCount", "invalid_type"),
    ("/cleanup", {"keepCount": None}, "keepCount", "invalid_type"),
    ("/cleanup", {"keepCount": 10**9}, "keepCount", "integer_above_max_value"),
    ("/cleanup", {"dryRun": 1}, "dryRun", "invalid_type"),
    ("/cleanup", {"all": "true"}, "all", "invalid_type"),
    ("/refresh-interval", {}, "intervalMs", "missing_required_parameter"),
    ("/refresh-interval", {"intervalMs": -1}, "intervalMs", "integer_below_min_value"),
    ("/refresh-interval", {"intervalMs": 1}, "intervalMs", "integer_below_min_value"),
    ("/refresh-interval", {"intervalMs": 59999}, "intervalMs", "integer_below_min_value"),
    ("/refresh-interval", {"intervalMs": 10**15}, "intervalMs", "integer_above_max_value"),
    ("/refresh-interval", {"intervalMs": "60000"}, "intervalMs", "invalid_type"),
    ("/refresh-interval", {"intervalMs": 60000.5}, "intervalMs", "invalid_type"),
    ("/update/ID", {}, "updates", "missing_required_parameter"),
    ("/update/ID", {"updates": {}}, "updates", "invalid_value"),
    ("/update/ID", {"updates": []}, "updates", "invalid_type"),
]

TOOL, FORMAT = "config.tools[0]", "config.response_format"
FUNCTION = {"type": "function", "function": {"name": "f"}}


def tool(**function):
    return {"tools": [{"type": "function", "function": {"name": "f", **function}}]}


def search(**options):
    return {"tools": [{"type": "file_search", "file_search": options}]}


BAD_FIELDS = [
    ({"name": "é" * 257}, "name", "string_above_max_length"),
    ({"name": 5}, "name", "invalid_type"),
    ({"description": "😀" * 513}, "description", "string_above_max_length"),
    ({"instructions": "x" * 256001}, "instructions", "string_above_max_length"),
    ({"temperature": 2.1}, "temperature", "decimal_above_max_value"),
    ({"temperature": -0.1}, "temperature", "decimal_below_min_value"),
    ({"temperature": "1"}, "temperature", "invalid_type"),
    ({"top_p": 1.01}, "top_p", "decimal_above_max_value"),
    ({"tools": [{"type": "file_search"}] * 129}, "tools", "array_above_max_length"),
    ({"tools": {}}, "tools", "invalid_type"),
    ({"tools": [5]}, "tools[0]", "invalid_type"),
    ({"tools": [{}]}, "tools[0].type", "missing_required_parameter"),
    ({"tools": [{"type": "retrieval"}]}, "tools[0].type", "invalid_value"),
    ({"tools": [{"type": "function"}]}, "tools[0].function", "missing_required_parameter"),
    ({"tools": [FUNCTION, {"type": "file_search", "x": 1}]}, "tools[1].x", "unknown_parameter"),
    (tool(name="a b"), "tools[0].function.name", "invalid_value"),
    (tool(name="a" * 65), "tools[0].function.name", "string_above_max_length"),
    (tool(name=""), "tools[0].function.name", "string_below_min_length"),
    (tool(description="x" * 1025), "tools[0].function.description", "string_above_max_length"),
    (tool(parameters=[]), "tools[0].function.parameters", "invalid_type"),
    (tool(strict="yes"), "tools[0].function.strict", "invalid_type"),
    (search(max_num_results=51), "tools[0].file_search.max_num_results", "integer_above_max_value"),
    (search(max_num_results=0), "tools[0].file_search.max_num_results", "integer_below_min_value"),
    (
        search(ranking_options={"ranker": "auto"}),
        "tools[0].file_search.ranking_options.score_threshold",
        "missing_required_parameter",
    ),
    ({"response_format": "json"}, "response_format", "invalid_value"),
    ({"response_format": {"type": "xml"}}, "response_format.type", "invalid_value"),
    (
        {"response_format": {"type": "json_schema"}},
        "response_format.json_schema",
        "missing_required_parameter",
    ),
    ({"reasoning_effort": "huge"}, "reasoning_effort", "invalid_value"),
    (
        {"tool_resources": {"code_interpreter": {"file_ids": ["f"] * 21}}},
        "tool_resources.code_interpreter.file_ids",
        "array_above_max_length",
    ),
    (
        {"tool_resources": {"file_search": {"vector_store_ids": ["a", "b"]}}},
        "tool_resources.file_search.vector_store_ids",
        "array_above_max_length",
    ),
    ({"metadata": []}, "metadata", "invalid_type"),
    ({"metadata": {"k": 1}}, "metadata.k", "invalid_type"),
    ({"metadata": {"k": "v" * 513}}, "metadata.k", "string_above_max_length"),
    ({"metadata": {"k" * 65: "v"}}, "metadata", "property_name_above_max_length"),
    ({"metadata": {str(n): "" for n in range(17)}}, "metadata", "object_above_max_properties"),
    ({"metadata": {str(n): "" for n in range(15)}}, "metadata", "object_above_max_properties"),
    ({"metadata": {"oam_nonce": "x"}}, "metadata.oam_nonce", "reserved_metadata"),
]


def check_refusal(reply, param, reason):
    assert reply.status == 400, reply.raw
    assert reply.error["code"] == "invalid_parameter"
    assert (reply.error["param"], reply.error["details"]["reason"]) == (param, reason)
    assert reply.json["message"]


@pytest.mark.parametrize("path, body, param, reason", BAD_BODIES)
def test_bad_bodies_are_400_and_named(site, path, body, param, reason):
    path = path.replace("ID", site.get("/current").data["assistantId"])
    method = ENDPOINTS.get(path, "PUT")
    check_refusal(site.request(method, path, body), param, reason)


@pytest.mark.parametrize("fields, param, reason", BAD_FIELDS)
def test_bad_fields_are_400_and_named(site, fields, param, reason):
    check_refusal(site.post("/refresh", {"config": fields}), f"config.{param}", reason)
    id = site.get("/current").data["assistantId"]
    check_refusal(site.put(f"/update/{id}", {"updates": fields}), f"updates.{param}", reason)
