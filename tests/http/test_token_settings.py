"""The settings that say which tokens are good, and what they may do."""

import base64
import json
import time

import pytest
from conftest import SECRET, b64url, make_token, sign
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

MANAGING = [
    ("POST", "/initialize", None),
    ("POST", "/refresh", None),
    ("PUT", "/update/asst_x", {"updates": {"name": "x"}}),
    ("DELETE", "/delete/asst_x", None),
    ("POST", "/cleanup", None),
    ("PUT", "/refresh-interval", {"intervalMs": 60000}),
]


def status(site, **claims):
    return site.get("/status", token=make_token(claims)).status


def test_leeway(make_site):
    now = int(time.time())
    site = make_site({"OAM_JWT_LEEWAY": "60"})
    assert status(site, exp=now - 30) == 200
    assert status(site, exp=now - 90) == 401
    assert status(site, nbf=now + 30) == 200
    assert status(site, nbf=now + 90) == 401


def test_issuer_and_audience(make_site):
    site = make_site({"OAM_JWT_ISSUER": "https://issuer", "OAM_JWT_AUDIENCE": "oam"})
    good = {"iss": "https://issuer", "aud": "oam"}
    assert status(site, **good) == 200
    assert status(site, **{**good, "aud": ["x", "oam"]}) == 200
    for iss in (None, "https://issuer/", "HTTPS://issuer", ["https://issuer"], 1, ""):
        assert status(site, **{**good, "iss": iss}) == 401
    for aud in (None, "OAM", "oam ", [], ["x"], [["oam"]], {"oam": 1}, 1, "oam\0"):
        assert status(site, **{**good, "aud": aud}) == 401
    assert site.get("/status", token=site.oam("token").stdout.strip()).status == 200


@pytest.mark.parametrize(
    "rule, good, bad",
    [
        ("role=admin", [{"role": "admin"}, {"role": ["x", "admin"]}],
         [{}, {"role": "Admin"}, {"role": "administrator"}, {"role": "x admin"}, {"role": True},
          {"role": {"admin": 1}}, {"role": [["admin"]]}, {"roles": "admin"}]),
        ("scope=oam:manage", [{"scope": "openid oam:manage"}, {"scope": "oam:manage"}],
         [{"scope": "oam:manage2"}, {"scope": "xoam:manage"}, {"scope": ""}, {"scope": "oam"}]),
    ],
)  # fmt: skip
def test_managing_needs_its_claim(make_site, rule, good, bad):
    site = make_site({"OAM_JWT_MANAGE": rule})
    site.get("/current")
    before = site.sql("SELECT * FROM profile"), site.sql("SELECT * FROM assistant")
    for claims in bad:
        token = make_token(claims)
        for method, path, body in MANAGING:
            reply = site.request(method, path, body, token=token)
            assert reply.status == 403 and reply.error["code"] == "forbidden", (claims, path)
            assert "insufficient_scope" in reply.headers["www-authenticate"]
        assert site.get("/status", token=token).status == 200
    assert (site.sql("SELECT * FROM profile"), site.sql("SELECT * FROM assistant")) == before
    for claims in good:
        assert site.post("/refresh", token=make_token(claims)).status == 200


NEW = "0b7e55d1c9a24f3e8d6610f7a3b28c94e1d05f7c6a9b3e28"


def test_a_secret_is_changed_while_its_tokens_are_in_use(make_site):
    site = make_site()
    old = site.oam("token", "--ttl", "1d").stdout.strip()
    assert site.get("/status", token=old).status == 200

    site.set_env({"JWT_SECRET": NEW, "JWT_SECRET_PREVIOUS": SECRET})
    site.restart()
    new = site.oam("token").stdout.strip()
    for token in (old, new, make_token(secret=NEW), make_token(secret=SECRET)):
        assert site.get("/status", token=token).status == 200
    assert site.get("/status", token=make_token(secret=NEW + "x")).status == 401

    site.set_env({"JWT_SECRET": NEW})
    site.restart()
    assert site.get("/status", token=new).status == 200
    assert site.get("/status", token=old).status == 401
    site.set_env()
    site.restart()
    assert site.get("/status", token=new).status == 401, "it was signed with the new one"


def test_one_token_is_revoked(make_site):
    site = make_site()
    made = [json.loads(site.oam("token", "--json").stdout)["token"] for _ in range(2)]
    claims = [json.loads(base64.urlsafe_b64decode(t.split(".")[1] + "==")) for t in made]
    assert claims[0]["jti"] != claims[1]["jti"] and len(claims[0]["jti"]) == 22
    assert [site.get("/status", token=t).status for t in made] == [200, 200]
    site.set_env({"OAM_JWT_REVOKED": f"other, {claims[0]['jti']}"})
    site.restart()
    reply = site.get("/status", token=made[0])
    assert reply.status == 401 and "it was revoked" in reply.json["message"]
    assert site.get("/status", token=made[1]).status == 200
    own = site.oam("token", "--claim", "jti=mine").stdout.strip()
    assert json.loads(base64.urlsafe_b64decode(own.split(".")[1] + "=="))["jti"] == "mine"


def signed_by(key, alg, **header):
    """A token by an asymmetric key: RS256 or ES256."""
    head = b64url(json.dumps({"alg": alg, "typ": "JWT", **header}).encode())
    body = b64url(json.dumps({"sub": "x", "exp": int(time.time()) + 600}).encode())
    data = f"{head}.{body}".encode()
    if alg == "RS256":
        signature = key.sign(data, padding.PKCS1v15(), hashes.SHA256())
    else:
        r, s = decode_dss_signature(key.sign(data, ec.ECDSA(hashes.SHA256())))
        signature = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    return f"{head}.{body}.{b64url(signature)}"


def pem_of(key):
    return key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def test_several_public_keys(make_site):
    """The old key and the new one, side by side: by their ids, or tried one after another."""
    old, new, other = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
    site = make_site(
        {"JWT_SECRET": None, "OAM_JWT_ALG": "ES256", "OAM_JWT_PUBLIC_KEY": "keys.pem"}, start=False
    )
    text = b"kid: 2025\n" + pem_of(old) + b"\nthe next one\nkid: 2026\n" + pem_of(new)
    (site.folder / "keys.pem").write_bytes(text)
    site.start()
    for key, header, status in [
        (old, {"kid": "2025"}, 200),
        (new, {"kid": "2026", "typ": "at+jwt"}, 200),
        (new, {}, 200),
        (old, {}, 200),
        (old, {"kid": "2026"}, 401),
        (new, {"kid": "2027"}, 401),
        (other, {"kid": "2026"}, 401),
        (other, {}, 401),
    ]:
        assert site.get("/status", token=signed_by(key, "ES256", **header)).status == status
    reply = site.get("/status", token=signed_by(new, "ES256", kid="2027"))
    assert "there is no key with its 'kid'" in reply.json["message"]
    (site.folder / "keys.pem").write_bytes(pem_of(new))
    site.restart()
    assert site.get("/status", token=signed_by(old, "ES256", kid="2025")).status == 401
    assert site.get("/status", token=signed_by(new, "ES256", kid="2027")).status == 200


@pytest.mark.parametrize("alg", ["RS256", "ES256"])
def test_public_keys(make_site, alg):
    make = {
        "RS256": lambda: rsa.generate_private_key(65537, 2048),
        "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    }
    key, other = make[alg](), make[alg]()
    pem = pem_of(key)
    site = make_site(
        {"JWT_SECRET": None, "OAM_JWT_ALG": alg, "OAM_JWT_PUBLIC_KEY": "key.pem"}, start=False
    )
    (site.folder / "key.pem").write_bytes(pem)
    site.start()
    token = signed_by(key, alg)
    assert site.get("/current", token=token).status == 200
    assert site.get("/current", token=signed_by(other, alg)).status == 401
    assert site.get("/current", token=token[:-4] + "AAAA").status == 401
    # The classic confusion: the public key's text as an HMAC secret.
    head, body, _ = token.split(".")
    hs = b64url(b'{"alg":"HS256","typ":"JWT"}')
    for first in (hs, head):
        forged = sign(f"{first}.{body}", pem.decode())
        assert site.get("/current", token=forged).status == 401
    assert site.get("/current", token=make_token(secret=SECRET)).status == 401
    refused = site.oam("token", check=False)
    assert refused.returncode == 1 and "private key" in refused.stderr
