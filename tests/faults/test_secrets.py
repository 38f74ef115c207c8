"""Secrets that are planted in settings, tokens and bodies show up nowhere: not in a log at
any level, an error, the store's views, or the list of processes."""

import pathlib
import subprocess

from conftest import SECRET, make_token
from fake_upstream import Fault, FakeUpstream, envelope

KEY = "sk-planted-key-0123456789abcdef"
PASSWORD = "planted-proxy-password"
PREVIOUS = "8d41f0b6c27e95a3d80b64f1e7c35a92b06d4e8f17c3a950"
BODY = "planted words of a body"


def test_planted_secrets(make_site):
    upstream = FakeUpstream()
    env = {
        "OPENAI_BASE_URL": upstream.url,
        "OPENAI_API_KEY": KEY,
        "JWT_SECRET_PREVIOUS": PREVIOUS,
        "OAM_LOG_LEVEL": "debug",
        "OAM_JWT_MANAGE": "role=admin",
    }
    site = make_site(env)
    admin = make_token({"role": "admin"})
    reader = make_token()
    said = []

    def ask(method, path, body=None, token=admin):
        reply = site.request(method, path, body, token=token)
        said.append(reply.raw.decode() + str(reply.headers))

    ask("POST", "/initialize")
    for body in ({"config": {"instructions": BODY}}, {"config": {"instructions": BODY, "x": 1}}):
        ask("POST", "/refresh", body)
    assert any(a["instructions"] == BODY for a in upstream.assistants.values())
    for status in (400, 401, 403, 404, 408, 429, 500):
        # Servers quote what they were sent.
        words = envelope(f"Incorrect API key provided: {KEY}") if status == 401 else None
        options = {"status": status, "headers": {"x-should-retry": "false"}}
        upstream.faults.append(Fault("status", **options, **({"body": words} if words else {})))
        ask("POST", "/refresh", {"config": {"instructions": BODY}})
    upstream.faults.append(Fault("reset", times=9))
    ask("POST", "/refresh", {"config": {"instructions": BODY}})
    upstream.faults.clear()
    ask("POST", "/refresh", b'{"config":"' + BODY.encode())
    ask("POST", "/refresh", {}, token=reader)
    ask("GET", "/current", token=admin + "x")
    ask("GET", "/status")
    site.set_env({**env, "OAM_HTTP_PROXY": f"http://user:{PASSWORD}@127.0.0.1:1"})
    outputs = [site.oam(*words, check=False) for words in (["doctor"], ["status"])]
    outputs.append(site.oam_refresh("--force", "--verbose"))
    processes = [
        (pathlib.Path("/proc") / str(pid) / "cmdline").read_text() for pid in site.processes()
    ]
    assert processes
    views = "".join(
        subprocess.run(
            ["sqlite3", site.db, f"select * from {view}"], capture_output=True, text=True, check=True
        ).stdout
        for view in ("status", "history", "inventory")
    )
    site.stop()
    log = site.log.read_text()
    spoken = [log, views, *said, *processes, *(o.stdout + o.stderr for o in outputs)]
    for text in spoken:
        for secret in (SECRET, PREVIOUS, KEY, PASSWORD, admin, reader, admin.split(".")[2]):
            assert secret not in text, text
    for text in [log, views, *(o.stderr for o in outputs)]:
        assert BODY not in text
    # The store keeps no key either, and the files that it made only their owner can read.
    raw = site.db.read_bytes()
    assert KEY.encode() not in raw and SECRET.encode() not in raw
    upstream.close()
