"""Only a token that RFC 7515, 7519, 7518 and 8725 allow opens anything: everything else is
401 (or 403 without the claim that managing needs), says so as RFC 6750 asks, and changes
nothing in the store."""

import base64
import hashlib
import json
import re
import socket
import subprocess
import time

import pytest
from conftest import BASE, BUILD, SANITIZER_FAULT, SECRET, b64url, make_token, sign
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

READING = ["/current", "/list", "/details", "/status"]
MANAGING = [
    ("POST", "/initialize", None),
    ("POST", "/refresh", {"config": {"name": "changed"}}),
    ("PUT", "/update/ID", {"updates": {"name": "changed"}}),
    ("DELETE", "/delete/ID", None),
    ("POST", "/cleanup", {"keepCount": 1}),
    ("PUT", "/refresh-interval", {"intervalMs": 60_000}),
]
EVERY = [*(("GET", path, None) for path in READING), *MANAGING]

NOW = int(time.time())
PAST, LATER = NOW - 1, NOW + 3600
HEADER, CLAIMS = {"alg": "HS256", "typ": "JWT"}, {"sub": "x", "exp": LATER}


def label(value):
    """The name of a case: the same in every process that collects it."""
    text = repr(value)
    for name, time in (("LATER", LATER), ("NOW", NOW), ("PAST", PAST)):
        text = text.replace(str(time), name)
    return text


def segment(value):
    return b64url(value if isinstance(value, bytes) else json.dumps(value).encode())


def token(header=HEADER, claims=CLAIMS, **how):
    """Signed with the right secret, however bad the rest. bytes are taken as they are."""
    return sign(f"{segment(header)}.{segment(claims)}", **how)


def header(**more):
    return token({**HEADER, **more})


def claim(**more):
    return token(claims={**CLAIMS, **more})


GOOD = token()
H, P, S = GOOD.split(".")
DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def loose(text):
    """Another spelling of the same bytes: a bit set that decoding drops (RFC 4648, 3.5)."""
    assert len(text) % 4 in (2, 3)
    twin = text[:-1] + DIGITS[DIGITS.index(text[-1]) + 1]
    assert base64.urlsafe_b64decode(twin + "==") == base64.urlsafe_b64decode(text + "==")
    return twin


def uneven(value):
    """A segment whose last character has bits to spare."""
    raw = json.dumps(value).encode()
    return b64url(raw if len(raw) % 3 else raw + b" ")


def standard(value):
    """A segment in the other alphabet: '+' and '/' in it."""
    text = base64.b64encode(json.dumps(value, ensure_ascii=False).encode()).decode().rstrip("=")
    assert "+" in text and "/" in text
    return text


ODD = {**CLAIMS, "x": "~~~???~~~>>>>"}
OWN = "the-attackers-own-secret-0987654321-xyz"
OWN_JWK = {"kty": "oct", "alg": "HS256", "k": b64url(OWN.encode())}


def own_key(**more):
    return token({**HEADER, **more}, secret=OWN)


BAD = {
    # RFC 7515, 7.1: three segments of base64url, nothing else.
    "word": "x",
    "only dots": "..",
    "1 segment": H,
    "2 segments": f"{H}.{P}",
    "4 segments": f"{GOOD}.{S}",
    "4 segments, last empty": f"{GOOD}.",
    "5 segments": f"{GOOD}.{S}.{S}",
    "first segment empty": f".{GOOD}",
    "100 segments": ".".join([H] * 100),
    "header empty": sign(f".{P}"),
    "claims empty": sign(f"{H}."),
    "signature empty": f"{H}.{P}.",
    "signature cut by 1": GOOD[:-1],
    "signature cut by 4": GOOD[:-4],
    "signature longer": f"{GOOD}AAAA",
    "signature of 1 character": f"{H}.{P}.A",
    "signature of zeros": f"{H}.{P}.{b64url(bytes(32))}",
    "signature in hexadecimal": f"{H}.{P}.{base64.urlsafe_b64decode(S + '=').hex()}",
    "signature padded": f"{GOOD}=",
    "signature padded twice": f"{GOOD}==",
    "signature not canonical": f"{H}.{P}.{loose(S)}",
    "header padded": sign(f"{uneven(HEADER)}==.{P}"),
    "claims padded": sign(f"{H}.{uneven(CLAIMS)}="),
    "header not canonical": sign(f"{loose(uneven(HEADER))}.{P}"),
    "claims not canonical": sign(f"{H}.{loose(uneven(CLAIMS))}"),
    "header of impossible length": sign(f"{H}A.{P}" if len(H) % 4 == 0 else f"{H}AAA.{P}"),
    "header in + and /": sign(f"{standard({**HEADER, 'x': '~~~???>>>'})}.{P}"),
    "claims in + and /": sign(f"{H}.{standard(ODD)}"),
    "signature in +": f"{H}.{P}.+{S[1:]}",
    "signature in /": f"{H}.{P}./{S[1:]}",
    "space before a dot": f"{H} .{P}.{S}",
    "space inside": f"{H}.{P[:4]} {P[4:]}.{S}",
    "tab inside": f"{H}.{P[:4]}\t{P[4:]}.{S}",
    "percent": f"{H}.{P}.{S[:-3]}%41",
    "garbage behind": f"{GOOD}!",
    "comma behind": f"{GOOD},",
    "in quotes": f'"{GOOD}"',
    "two tokens": f"{GOOD} {GOOD}",
    "two tokens with a comma": f"{GOOD}, {GOOD}",
    "two tokens with the scheme": f"{GOOD}, Bearer {GOOD}",
    "good behind bad": f"x, Bearer {GOOD}",
    "Bearer twice": f"Bearer {GOOD}",
    "huge": "A" * 7000,
    # The signature (RFC 8725, 3.1 and 3.2).
    "other secret": token(secret=OWN),
    "empty secret": token(secret=""),
    "secret in other case": token(secret=SECRET.upper()),
    "secret with newline": token(secret=SECRET + "\n"),
    "claims of another token": f"{H}.{segment({**CLAIMS, 'sub': 'y'})}.{S}",
    "header of another token": f"{segment({'alg': 'HS256'})}.{P}.{S}",
    "HMAC-SHA384 as HS256": sign(f"{H}.{P}", digest=hashlib.sha384),
    **{
        f"alg {alg!r}": token({"alg": alg, "typ": "JWT"})
        for alg in ("none", "None", "NONE", "nOnE", "hs256", "Hs256", "HS256 ", " HS256", "HS",
                    "HS2567", "HS512", "RS256", "ES256", "PS256", "EdDSA", "", "HS256\0",
                    None, True, 256, ["HS256"], {"HS256": 1})
    },
    "alg HS384": sign(f"{segment({'alg': 'HS384'})}.{P}", digest=hashlib.sha384),
    "alg HS512": sign(f"{segment({'alg': 'HS512'})}.{P}", digest=hashlib.sha512),
    **{
        f"alg {alg} unsigned": f"{segment({'alg': alg, 'typ': 'JWT'})}.{P}."
        for alg in ("none", "None", "NONE", "HS256")
    },
    "alg none, no last dot": f"{segment({'alg': 'none'})}.{P}",
    "alg missing": token({"typ": "JWT"}),
    "ALG": token({"ALG": "HS256"}),
    "header {}": token({}),
    # The key never comes from the token (RFC 8725, 3.10).
    "own jwk": own_key(jwk=OWN_JWK),
    "own jwk and kid": own_key(jwk={**OWN_JWK, "kid": "1"}, kid="1"),
    "own jku": own_key(jku="http://127.0.0.1:9/jwks.json"),
    "own x5u": own_key(x5u="http://127.0.0.1:9/x.pem"),
    "own x5c": own_key(x5c=["AAAA"]),
    "kid path": token({**HEADER, "kid": "/dev/null"}, secret=""),
    "kid .env": token({**HEADER, "kid": ".env"}, secret=f"JWT_SECRET={SECRET}\n"),
    "kid SQL": own_key(kid=f"x' UNION SELECT '{OWN}"),
    # RFC 7515, 4.1.11; RFC 8725, 3.11.
    "crit": header(crit=["exp"]),
    "crit b64": token({**HEADER, "crit": ["b64"], "b64": False}),
    "crit empty": header(crit=[]),
    "crit null": header(crit=None),
    "crit false": header(crit=False),
    "typ dpop+jwt": header(typ="dpop+jwt"),
    "typ JWE": header(typ="JWE"),
    "typ text/jwt": header(typ="text/jwt"),
    "typ application/": header(typ="application/"),
    "kid number": header(kid=1),
    "kid null": header(kid=None),
    "typ empty": header(typ=""),
    "typ number": header(typ=1),
    "typ null": header(typ=None),
    "typ array": header(typ=["JWT"]),
    # Header and claims are JSON objects in UTF-8 (RFC 7515, 5.2; RFC 7519, 7.2), and names
    # in them are unique (RFC 7515, 4; RFC 7519, 4).
    **{
        f"{what} {label(value)}": token(**{what: value})
        for what in ("header", "claims")
        for value in ([], [HEADER, CLAIMS], "x", "", 1, None, True, b"", b" ", b"null x",
                      b"{", b"\xff", b"\xef\xbb\xbf{}", b"{'a':1}", b'{"a":1,}', b"{} {}")
    },
    "header with a BOM": token(b"\xef\xbb\xbf" + json.dumps(HEADER).encode()),
    "claims with a BOM": token(claims=b"\xef\xbb\xbf" + json.dumps(CLAIMS).encode()),
    "header in UTF-16": token(json.dumps(HEADER).encode("utf-16")),
    "header, NUL behind": token(json.dumps(HEADER).encode() + b"\0"),
    "claims, NUL behind": token(claims=json.dumps(CLAIMS).encode() + b"\0"),
    "claims, NUL and more behind": token(claims=json.dumps(CLAIMS).encode() + b'\0{"exp":1}'),
    "claims, more behind": token(claims=json.dumps(CLAIMS).encode() + b"{}"),
    "header with bad UTF-8": token(b'{"alg":"HS256","x":"\xff"}'),
    "claims with bad UTF-8": token(claims=b'{"exp":%d,"x":"\xff"}' % LATER),
    "claims with overlong UTF-8": token(claims=b'{"exp":%d,"x":"\xc0\xaf"}' % LATER),
    "claims with a raw surrogate": token(claims=b'{"exp":%d,"x":"\xed\xa0\x80"}' % LATER),
    "claims with a lone surrogate": token(claims=b'{"exp":%d,"x":"\\ud800"}' % LATER),
    "claims nested deeply": token(claims=b'{"exp":%d,"x":%s}' % (LATER, b"[" * 999 + b"]" * 999)),
    "alg twice": token(b'{"alg":"none","alg":"HS256"}'),
    "alg twice, the same": token(b'{"alg":"HS256","alg":"HS256"}'),
    "alg twice, once escaped": token(b'{"alg":"HS256","\\u0061lg":"none"}'),
    "typ twice": token(b'{"alg":"HS256","typ":"JWT","typ":"JWT"}'),
    "exp twice": token(claims=b'{"exp":1,"exp":%d}' % LATER),
    "exp twice, the same": token(claims=b'{"exp":%d,"exp":%d}' % (LATER, LATER)),
    "exp twice, once escaped": token(claims=b'{"\\u0065xp":1,"exp":%d}' % LATER),
    "sub twice": token(claims=b'{"exp":%d,"sub":"a","sub":"b"}' % LATER),
    # Times (RFC 7519, 2 and 4.1.4 to 4.1.6).
    "claims {}": token(claims={}),
    "exp missing": token(claims={"sub": "x"}),
    "EXP": token(claims={"EXP": LATER}),
    "exp as header": token({**HEADER, "exp": LATER}, {"sub": "x"}),
    **{
        f"exp {label(exp)}": claim(exp=exp)
        for exp in (None, str(LATER), "", "never", True, False, [], [LATER], {}, {"exp": LATER},
                    0, -1, -LATER, 1, 0.5, PAST, NOW, NOW - 0.001, -1e300)
    },
    **{
        f"exp {exp[:20].decode()}": token(claims=b'{"exp":%s}' % exp)
        for exp in (b"1e400", b"-1e400", b"NaN", b"Infinity", b"0x7fffffff", b"99999999999999.",
                    b"+9999999999", b"09999999999", b"1e", b"9" * 400, b"2e-9", b"9999999999e-9")
    },
    **{
        f"nbf {label(nbf)}": claim(nbf=nbf)
        for nbf in (LATER, LATER + 0.5, 1e300, "0", str(NOW), None, True, [], {})
    },
    **{f"iat {label(iat)}": claim(iat=iat) for iat in ("0", str(NOW), None, True, [], {})},
}  # fmt: skip

ACCEPTED = {
    "plain": GOOD,
    "typ missing": token({"alg": "HS256"}),
    "typ jwt": header(typ="jwt"),
    **{
        f"typ {typ}": header(typ=typ)
        for typ in ("at+jwt", "AT+JWT", "application/at+jwt", "application/jwt", "Application/JWT")
    },
    "kid": header(kid="../../etc/passwd"),
    "own jwk beside a good signature": header(jwk=OWN_JWK),
    "unknown header": header(x={"y": [1]}),
    "exp float": claim(exp=LATER + 0.5),
    "exp far": claim(exp=99_999_999_999),
    "exp 4e9": token(claims=b'{"exp":4e9}'),
    "nbf now": claim(nbf=NOW),
    "nbf float": claim(nbf=NOW - 0.5),
    "nbf 0": claim(nbf=0),
    "iat": claim(iat=NOW),
    "iat float": claim(iat=NOW - 1.5),
    "- and _": token(claims=ODD),
    "Unicode": claim(name="Zoë 👩🏽‍🚀"),
    "space around": token(b" \n{\t\"alg\" : \"HS256\" } ", b' {"exp":%d}\r\n' % LATER),
    "escaped names": token(b'{"\\u0061lg":"\\u0048S256"}', b'{"\\u0065xp":%d}' % LATER),
    "uneven segments": sign(f"{uneven(HEADER)}.{uneven(CLAIMS)}"),
    "long": token(claims={**CLAIMS, "x": "x" * 3000}),
}  # fmt: skip


def dump(site):
    """All of the store and the .env: what nothing refused may change."""
    tables = site.sql("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
    return {
        ".env": site.env_file.read_bytes(),
        **{name: site.sql(f'SELECT * FROM "{name}" ORDER BY 1') for (name,) in tables},
    }


def refused(reply, code="invalid_token"):
    """A 401 as RFC 6750, 3 wants it."""
    assert reply.status == 401, (reply.status, reply.raw)
    assert reply.error.keys() == {"code", "param", "details"} and reply.json["message"]
    assert reply.error["code"] == code
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["cache-control"] == "no-store"
    challenge = reply.headers["www-authenticate"]
    if code == "missing_token":
        assert challenge == 'Bearer realm="oam"'
    else:
        text = r'[ !#-\[\]-~]+'
        assert re.fullmatch(
            f'Bearer realm="oam", error="invalid_token", error_description="{text}"', challenge
        )


@pytest.fixture(scope="module")
def ready(shared_site):
    shared_site.post("/initialize")
    shared_site.id = shared_site.get("/current").data["assistantId"]
    return shared_site


@pytest.fixture
def unchanged(ready):
    before = dump(ready)
    yield ready
    assert dump(ready) == before
    assert ready.get("/current").data["assistantId"] == ready.id


# ---- the token ----


@pytest.mark.parametrize("name", BAD)
def test_a_bad_token_opens_nothing(unchanged, name):
    refused(unchanged.post("/refresh", token=BAD[name]))
    refused(unchanged.get("/status", token=BAD[name]))


@pytest.mark.parametrize("name", ACCEPTED)
def test_a_good_token_opens(ready, name):
    assert ready.get("/status", token=ACCEPTED[name]).status == 200


def test_it_expires_at_its_exp_and_starts_at_its_nbf(ready):
    """RFC 7519, 4.1.4: not accepted 'on or after' exp."""
    refused(ready.get("/status", token=make_token({"exp": int(time.time())})))
    exp = time.time() + 0.8
    soon, not_yet = make_token({"exp": exp}), make_token({"nbf": exp})
    assert ready.get("/status", token=soon).status == 200
    refused(ready.get("/status", token=not_yet))
    time.sleep(max(0, exp - time.time()) + 0.01)
    refused(ready.get("/status", token=soon))
    assert ready.get("/status", token=not_yet).status == 200


def test_no_refusal_tells_more_than_it_must(ready):
    for name in ("other secret", "alg 'none'", "exp missing", "kid .env"):
        raw = ready.get("/status", token=BAD[name]).raw.decode()
        assert SECRET not in raw and str(ready.folder) not in raw and BAD[name] not in raw


# ---- the header that carries it ----

CARRIERS = {
    "no header": ([], "missing_token"),
    "empty": ([""], "missing_token"),
    "Bearer alone": (["Bearer"], None),
    "Bearer and spaces": (["Bearer   "], None),
    "no scheme": ([GOOD], "missing_token"),
    "Basic": ([f"Basic {GOOD}"], "missing_token"),
    "Basic user": ([f"Basic {base64.b64encode(f'x:{GOOD}'.encode()).decode()}"], "missing_token"),
    "Digest": ([f'Digest username="{GOOD}"'], "missing_token"),
    "Bearerx": ([f"Bearerx {GOOD}"], "missing_token"),
    "xBearer": ([f"xBearer {GOOD}"], "missing_token"),
    "Bearer=": ([f"Bearer={GOOD}"], "missing_token"),
    "Bearer:": ([f"Bearer: {GOOD}"], "missing_token"),
    "tab for space": ([f"Bearer\t{GOOD}"], "missing_token"),
    "token=": ([f"Bearer token={GOOD}"], "invalid_token"),
    "two good": ([f"Bearer {GOOD}"] * 2, "invalid_token"),
    "two, first good": ([f"Bearer {GOOD}", "Bearer x"], "invalid_token"),
    "two, last good": (["Bearer x", f"Bearer {GOOD}"], "invalid_token"),
    "Basic and Bearer": (["Basic eDp5", f"Bearer {GOOD}"], "missing_token"),
    "Bearer and Basic": ([f"Bearer {GOOD}", "Basic eDp5"], "invalid_token"),
    "a byte over 0x7f": ([f"Bearer {GOOD}\xe9"], "invalid_token"),
    "UTF-8 digits": ([f"Bearer {GOOD[:-1]}\xef\xbc\xa1"], "invalid_token"),
    "no-break space": ([f"Bearer\xa0{GOOD}"], "missing_token"),
    "NUL behind": ([f"Bearer {GOOD}\0"], None),
    "NUL inside": ([f"Bearer {H}.{P}\0.{S}"], None),
    "over 8 KiB": ([f"Bearer {token(claims={**CLAIMS, 'x': 'x' * 9000})}"], None),
}


def raw_request(site, lines, method="POST", target="/refresh"):
    """One request with the header lines as they are: status, header block, body."""
    head = [f"{method} {BASE}{target} HTTP/1.1", "Host: x", "Connection: close", *lines]
    with socket.create_connection(("127.0.0.1", site.port), timeout=30) as s:
        s.sendall("\r\n".join([*head, "Content-Length: 0", "", ""]).encode("latin-1"))
        answer = b"".join(iter(lambda: s.recv(65536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), head.decode("latin-1").lower(), body


@pytest.mark.parametrize("name", CARRIERS)
def test_a_bad_header_opens_nothing(unchanged, name):
    values, code = CARRIERS[name]
    status, head, body = raw_request(unchanged, [f"Authorization: {v}" for v in values])
    if code is None:  # lighttpd may refuse by itself what is no header at all
        assert status in (400, 401, 431), body
    else:
        assert (status, json.loads(body)["error"]["code"]) == (401, code)
    if status == 401:
        assert 'www-authenticate: bearer realm="oam"' in head


@pytest.mark.parametrize("scheme", ["Bearer ", "bearer ", "BEARER ", "bEaReR   "])
def test_the_scheme_is_case_insensitive(ready, scheme):
    """RFC 9110, 11.1."""
    assert raw_request(ready, [f"authorization: {scheme}{GOOD}"], "GET", "/status")[0] == 200


@pytest.mark.parametrize(
    "query, headers",
    [
        (f"?access_token={GOOD}", {}),
        (f"?token={GOOD}", {}),
        (f"?Authorization=Bearer%20{GOOD}", {}),
        ("", {"Cookie": f"token={GOOD}; Authorization=Bearer {GOOD}"}),
        ("", {"X-Authorization": f"Bearer {GOOD}", "Proxy-Authorization": f"Bearer {GOOD}"}),
        ("", {"X-Access-Token": GOOD, "Api-Key": GOOD, "Http-Authorization": f"Bearer {GOOD}"}),
    ],
    ids=["access_token", "token", "Authorization", "cookie", "X-Authorization", "Api-Key"],
)
def test_a_token_elsewhere_is_not_read(unchanged, query, headers):
    for method, path in (("GET", "/status"), ("POST", "/refresh"), ("DELETE", "/delete/ID")):
        path = path.replace("ID", unchanged.id)
        refused(unchanged.request(method, path + query, token=None, headers=headers),
                "missing_token")  # fmt: skip


def test_a_token_in_the_body_is_not_read(unchanged):
    """RFC 6750, 2.2, which is not offered."""
    form = f"access_token={GOOD}".encode()
    for type in ("application/x-www-form-urlencoded", "application/json"):
        refused(
            unchanged.post("/refresh", form, token=None, headers={"Content-Type": type}),
            "missing_token",
        )


# ---- every endpoint ----


@pytest.mark.parametrize("method, path, body", EVERY)
def test_every_endpoint_asks(unchanged, method, path, body):
    path = path.replace("ID", unchanged.id)
    refused(unchanged.request(method, path, body, token=None), "missing_token")
    for name in ("alg none unsigned", "other secret", "exp missing", "exp PAST"):
        refused(unchanged.request(method, path, body, token=BAD[name]))
    if method == "GET":
        head = unchanged.request("HEAD", path, token=None)
        assert (head.status, head.raw) == (401, b"") and "www-authenticate" in head.headers


@pytest.mark.parametrize(
    "method, path, body",
    [("GET", "/nothing", None), ("GET", "//", None), ("PATCH", "/current", None),
     ("GET", "/current?bogus=1", None), ("GET", "/status?profile=nobody", None),
     ("GET", "/details/asst_x", None), ("POST", "/refresh", b"{"), ("POST", "/cleanup", b"\xff"),
     pytest.param("POST", "/refresh", b" " * (1024 * 1024 + 1), id="too large"),
     ("OPTIONS", "/refresh", None)],
)  # fmt: skip
def test_the_token_comes_first(unchanged, method, path, body):
    """Nobody without one learns what is there."""
    refused(unchanged.request(method, path, body, token=None), "missing_token")
    refused(unchanged.request(method, path, body, token=BAD["other secret"]))


# ---- settings ----


def status(site, claims):
    """Of a read with these claims; what is refused is refused well."""
    reply = site.get("/status", token=token(claims={**CLAIMS, **claims}))
    if reply.status != 200:
        refused(reply)
    return reply.status


def test_leeway(make_site):
    site = make_site({"OAM_JWT_LEEWAY": "60"})
    now = int(time.time())
    for claims, expected in (
        ({"exp": now - 30}, 200), ({"exp": now - 61}, 401), ({"exp": now - 30.5}, 200),
        ({"nbf": now + 30}, 200), ({"nbf": now + 120}, 401), ({"exp": 0}, 401),
        ({"exp": None}, 401), ({"exp": str(now + 30)}, 401), ({"nbf": str(now)}, 401),
    ):  # fmt: skip
        assert status(site, claims) == expected, claims


def test_issuer_and_audience(make_site):
    site = make_site({"OAM_JWT_ISSUER": "https://issuer/ü", "OAM_JWT_AUDIENCE": "oam"})
    good = {"iss": "https://issuer/ü", "aud": "oam"}
    for aud in ("oam", ["oam"], ["x", "oam", "y"]):
        assert status(site, {**good, "aud": aud}) == 200
    for iss in (None, "", "https://issuer/ü/", "HTTPS://issuer/ü", "https://issuer/u\u0308", 1,
                ["https://issuer/ü"], {"https://issuer/ü": 1}, "https://issuer/ü\0", True):
        assert status(site, {**good, "iss": iss}) == 401, iss
    for aud in (None, "", "OAM", "oam ", "oam\0", "oamx", "x oam", "x,oam", 1, True, [], ["x"],
                ["OAM"], ["oam\0"], [["oam"]], [None], {"oam": 1}, {"0": "oam"}):
        assert status(site, {**good, "aud": aud}) == 401, aud
    assert status(site, {}) == status(site, {"iss": good["iss"]}) == 401
    assert status(site, {"aud": "oam"}) == 401
    refused(site.get("/status", token=token({**HEADER, **good})))  # fmt: skip


@pytest.mark.parametrize(
    "rule, good, bad",
    [
        ("role=admin",
         [{"role": "admin"}, {"role": ["admin"]}, {"role": ["x", "admin", 1]}],
         [{}, {"role": None}, {"role": ""}, {"role": "Admin"}, {"role": "administrator"},
          {"role": "x admin"}, {"role": "admin "}, {"role": True},
          {"role": 1}, {"role": {"admin": True}}, {"role": []}, {"role": ["x"]},
          {"role": [["admin"]]}, {"role": ["x admin"]}, {"roles": "admin"}, {"Role": "admin"},
          {"sub": "role=admin"}, {"scope": "admin"}]),
        ("scope=oam:manage",
         [{"scope": "oam:manage"}, {"scope": "openid oam:manage"}, {"scope": "oam:manage x"},
          {"scope": ["x", "oam:manage"]}],
         [{}, {"scope": "oam:manage2"}, {"scope": "xoam:manage"}, {"scope": ""}, {"scope": " "},
          {"scope": "oam"}, {"scope": "oam:Manage"}, {"scope": "x,oam:manage"},
          {"scope": {"oam:manage": 1}}, {"scp": "oam:manage"}]),
    ],
)  # fmt: skip
def test_managing_needs_its_claim(make_site, rule, good, bad):
    site = make_site({"OAM_JWT_MANAGE": rule, "OAM_KEEP_COUNT": "0"})
    reader = token()
    id = site.get("/current", token=reader).data["assistantId"]
    before = dump(site)
    for claims in bad:
        reader = token(claims={**CLAIMS, **claims})
        for method, path, body in MANAGING:
            reply = site.request(method, path.replace("ID", id), body, token=reader)
            assert reply.status == 403, (claims, path, reply.raw)
            assert reply.error["code"] == "forbidden"
            assert reply.headers["www-authenticate"] == (
                'Bearer realm="oam", error="insufficient_scope"'
            )
    # RFC 8259, 9 lets an implementation refuse NUL in strings; nothing may cut them there.
    for name, value in good[0].items():
        cut = token(claims={**CLAIMS, name: f"{value}\0"})
        assert site.post("/refresh", token=cut).status in (401, 403)
    for path in READING:
        assert site.get(path, token=reader).status == 200
        assert site.request("HEAD", path, token=reader).status == 200
    refused(site.post("/refresh", token=token(claims={**CLAIMS, **good[0]}, secret=OWN)))
    assert dump(site) == before
    for claims in good:
        manager = token(claims={**CLAIMS, **claims})
        id = site.post("/initialize", token=manager).data["assistantId"]
        for method, path, body in MANAGING:
            reply = site.request(method, path.replace("ID", id), body, token=manager)
            assert reply.status == 200, (claims, path, reply.raw)


@pytest.mark.parametrize("alg, other", [("HS384", "HS512"), ("HS512", "HS256")])
def test_one_hash_is_accepted(make_site, alg, other):
    digests = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}
    secret = SECRET + SECRET[::-1]
    site = make_site({"OAM_JWT_ALG": alg, "JWT_SECRET": secret})

    def by(name, digest):
        return token({"alg": name}, secret=secret, digest=digests[digest])

    assert site.get("/status", token=by(alg, alg)).status == 200
    for name, digest in ((other, other), (alg, other), (other, alg), ("none", alg)):
        refused(site.get("/status", token=by(name, digest)))


# ---- public keys ----

SIGNERS = {
    "RS256": lambda key, data: key.sign(data, padding.PKCS1v15(), hashes.SHA256()),
    "RS384": lambda key, data: key.sign(data, padding.PKCS1v15(), hashes.SHA384()),
    "PS256": lambda key, data: key.sign(
        data, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256()
    ),
    "ES256": lambda key, data: raw_ecdsa(key.sign(data, ec.ECDSA(hashes.SHA256())), key),
    "ES256 in DER": lambda key, data: key.sign(data, ec.ECDSA(hashes.SHA256())),
    "ES384": lambda key, data: raw_ecdsa(key.sign(data, ec.ECDSA(hashes.SHA384())), key),
    "EdDSA": lambda key, data: key.sign(data),
}
MAKERS = {
    "RS256": lambda: rsa.generate_private_key(65537, 2048),
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
}


def raw_ecdsa(der, key):
    """RFC 7518, 3.4: R and S, of the size of the curve each."""
    size = (key.curve.key_size + 7) // 8
    return b"".join(n.to_bytes(size, "big") for n in decode_dss_signature(der))


def signed_by(key, signer, alg=None, claims=CLAIMS, **more):
    data = f"{segment({'alg': alg or signer, 'typ': 'JWT', **more})}.{segment(claims)}"
    return f"{data}.{b64url(SIGNERS[signer](key, data.encode()))}"


def pem(key, format="SubjectPublicKeyInfo"):
    return key.public_key().public_bytes(
        serialization.Encoding.PEM, getattr(serialization.PublicFormat, format)
    )


def keyed(make_site, alg, text, **how):
    site = make_site(
        {"OAM_JWT_ALG": alg, "OAM_JWT_PUBLIC_KEY": "key.pem"}, start=False, **how
    )  # fmt: skip
    (site.folder / "key.pem").write_bytes(text)
    return site


@pytest.mark.parametrize("alg", MAKERS)
def test_a_public_key(make_site, alg):
    key, other = MAKERS[alg](), MAKERS[alg]()
    text = pem(key)
    site = keyed(make_site, alg, text).start()
    good = signed_by(key, alg)
    head, body, signature = good.split(".")
    assert site.get("/current", token=good).status == 200
    assert site.post("/initialize", token=good).status == 200
    before = dump(site)

    def jwk(of):
        n = of.public_key().public_numbers()
        if alg == "ES256":
            return {"kty": "EC", "crv": "P-256", "x": b64url(n.x.to_bytes(32, "big")),
                    "y": b64url(n.y.to_bytes(32, "big"))}  # fmt: skip
        return {"kty": "RSA", "e": "AQAB", "n": b64url(n.n.to_bytes(256, "big"))}

    half = len(signature) // 2
    der = {"ES256": "ES256 in DER", "RS256": "PS256"}[alg]
    bad = {
        "other key": signed_by(other, alg),
        "other key in jwk": signed_by(other, alg, jwk=jwk(other)),
        "other form of signature": signed_by(key, der, alg),
        "other hash": signed_by(key, {"ES256": "ES384", "RS256": "RS384"}[alg]),
        "other hash, same name": signed_by(key, {"ES256": "ES384", "RS256": "RS384"}[alg], alg),
        "PS256 by name": signed_by(key, alg, "PS256"),
        "expired": signed_by(key, alg, claims={"exp": NOW - 1}),
        "no exp": signed_by(key, alg, claims={}),
        "crit": signed_by(key, alg, crit=["exp"]),
        "unsigned": f"{head}.{body}.",
        "none": f"{segment({'alg': 'none'})}.{body}.",
        "none, signed": signed_by(key, alg, "none"),
        "zero signature": f"{head}.{body}.{b64url(bytes(64 if alg == 'ES256' else 256))}",
        "short signature": f"{head}.{body}.{signature[:half]}",
        "long signature": f"{good}AAAA",
        "changed signature": f"{head}.{body}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}",
        "other claims": f"{head}.{segment({**CLAIMS, 'sub': 'root'})}.{signature}",
        "HS256 with JWT_SECRET": GOOD,
        # RFC 8725, 2.1: the public key's text as an HMAC secret.
        **{
            f"{name} with the key as secret, {what}": sign(
                f"{segment({'alg': name, 'typ': 'JWT'})}.{body}", secret
            )
            for name in ("HS256", alg)
            for what, secret in (
                ("as it is", text.decode()),
                ("without the last newline", text.decode().rstrip()),
                ("one line", "".join(text.decode().split("\n")[1:-2])),
            )
        },
    }
    for name, value in bad.items():
        reply = site.get("/current", token=value)
        assert reply.status == 401, name
        refused(reply)
        refused(site.post("/refresh", token=value))
    assert dump(site) == before
    assert site.get("/current", token=good).status == 200


def as_cgi(site, value):
    """The status of one GET /status by a program that starts for it."""
    done = subprocess.run(
        [BUILD / "cgi" / "status"],
        env=site.environment(
            REQUEST_METHOD="GET", SCRIPT_NAME=f"{BASE}/status", QUERY_STRING="",
            HTTP_AUTHORIZATION=f"Bearer {value}",
        ),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )  # fmt: skip
    assert not SANITIZER_FAULT.search(done.stderr), done.stderr
    return int(re.match(r"Status: (\d+)", done.stdout)[1]), done.stderr


@pytest.mark.parametrize(
    "alg, make, signer",
    [
        ("RS256", lambda: rsa.generate_private_key(65537, 1024), "RS256"),  # RFC 7518, 3.3
        ("ES256", lambda: ec.generate_private_key(ec.SECP384R1()), "ES256"),  # RFC 7518, 3.4
        ("ES256", lambda: ec.generate_private_key(ec.SECP256K1()), "ES256"),
        ("ES384", lambda: ec.generate_private_key(ec.SECP256R1()), "ES384"),
        ("ES256", lambda: rsa.generate_private_key(65537, 2048), "RS256"),
        ("RS256", lambda: ec.generate_private_key(ec.SECP256R1()), "ES256"),
        ("ES256", ed25519.Ed25519PrivateKey.generate, "EdDSA"),
    ],
    ids=["RSA of 1024 bits", "P-384 for ES256", "secp256k1 for ES256", "P-256 for ES384",
         "RSA for ES256", "EC for RS256", "Ed25519 for ES256"],
)  # fmt: skip
def test_a_key_that_is_not_for_the_algorithm(make_site, alg, make, signer):
    """A weak or wrong key stops the program; in any case nothing is accepted with it."""
    key = make()
    site = keyed(make_site, alg, pem(key))
    status, log = as_cgi(site, signed_by(key, signer, alg))
    assert status == 500 and "OAM_JWT_PUBLIC_KEY" in log, (status, log)


@pytest.mark.parametrize(
    "text",
    [b"", b"x", b"-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n",
     b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
     pem(ec.generate_private_key(ec.SECP256R1()))[:-40]],
    ids=["empty", "x", "nothing inside", "AAAA inside", "cut"],
)  # fmt: skip
def test_a_file_that_is_no_key_stops_the_program(make_site, text):
    site = keyed(make_site, "ES256", text)
    for value in (GOOD, f"{segment({'alg': 'ES256'})}.{P}.{S}", sign(f"{H}.{P}", text.decode())):
        status, log = as_cgi(site, value)
        assert status == 500 and "OAM_JWT_PUBLIC_KEY" in log, (status, log)
