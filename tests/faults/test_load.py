"""A short load from many clients while cron refreshes; `make soak` is the long one."""

import sys

import pytest
from conftest import ROOT
from fake_upstream import FakeUpstream

sys.path.insert(0, str(ROOT / "tests" / "bench"))
import soak  # noqa: E402


@pytest.mark.parametrize("upstream", ["http", "embedded"])
def test_a_load_while_cron_refreshes(make_site, upstream, record_property):
    server = FakeUpstream()
    paths = soak.PATHS if upstream == "http" else soak.EMBEDDED_PATHS
    env = {"OPENAI_BASE_URL": server.url, "OPENAI_API_KEY": "k"} if upstream == "http" else {}
    try:
        load = soak.Soak(make_site(env), 10_000, 200, paths, seconds=3).run()
        load.check()
        record_property(
            "note",
            f"load: {load.sent} requests from 200 clients, upstream {upstream}, "
            f"{load.errors} errors; refreshes meanwhile {load.rotations()}",
        )
    finally:
        server.close()
