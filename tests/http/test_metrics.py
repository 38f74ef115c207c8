"""GET /metrics: Prometheus' text format, and the same tokens as everywhere."""

import re

from conftest import make_token

LINE = re.compile(r'(oam_\w+)\{profile="([a-z0-9_-]+)"(?:,(label|outcome)="(\w+)")?\} ([-\d.]+)$')


def read(reply):
    """{(name, profile, kind): value}, and that every line is as the format wants it."""
    assert reply.status == 200
    assert reply.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    values, typed = {}, set()
    for line in reply.raw.decode().splitlines():
        if line.startswith("# "):
            typed.add(re.match(r"# (?:HELP|TYPE) (\w+) ", line)[1])
            continue
        found = LINE.match(line)
        assert found and found[1] in typed, line
        values[found[1], found[2], found[4]] = float(found[5])
    assert reply.raw.endswith(b"\n")
    return values


def test_the_metrics_of_two_profiles(site):
    site.oam("profile", "set", "extra", "--interval", "off")
    for _ in range(3):
        site.post("/refresh")
    values = read(site.get("/metrics"))
    assert values["oam_assistants", "default", "current"] == 1
    assert values["oam_assistants", "default", "retired"] == 1
    assert values["oam_refreshes", "default", "done"] == 3
    assert values["oam_refresh_due", "default", None] == 0
    assert values["oam_refresh_due", "extra", None] == 1
    assert values["oam_refresh_interval_seconds", "default", None] == 86400
    assert values["oam_refresh_interval_seconds", "extra", None] == 0
    assert values["oam_last_refresh_timestamp_seconds", "extra", None] == 0
    assert 0 <= values["oam_assistant_age_seconds", "default", None] < 60
    assert values["oam_cleanup_pending", "default", None] == 0
    site.sql("UPDATE profile SET failures = 3, publish_failures = 2, keep_count = 1")
    values = read(site.get("/metrics"))
    assert values["oam_refresh_failures", "default", None] == 3
    assert values["oam_publish_failures", "default", None] == 2
    assert values["oam_cleanup_pending", "default", None] == 2


def test_an_empty_store_and_refusals(make_site):
    site = make_site()
    assert read(site.get("/metrics")) == {}
    assert site.get("/metrics", token=None).error["code"] == "missing_token"
    assert site.get("/metrics", token=make_token({"exp": 1})).status == 401
    assert site.post("/metrics").headers["allow"] == "GET, HEAD"
    head = site.request("HEAD", "/metrics")
    assert head.status == 200 and head.raw == b""
    assert site.get("/metrics?profile=default").status == 400
    assert site.get("/metrics/x").status == 404
