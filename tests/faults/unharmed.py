"""What must be so before and after something was done badly to a running site: nobody
died, nothing stays open, nothing is half-done in the store, and others are served."""

import contextlib
import os
import pathlib
import time

import fastcgi
from conftest import eventually

WORKERS = 2  # of each program, as shipped
PROGRAMS = ("status", "list", "cleanup")


def program_socket(site, name):
    """Where the web server speaks to a program."""
    return next(p for p in site.run.iterdir() if p.name in (f"{name}-0", f"{name}.sock"))


def warm(site):
    """Each worker opens the store with the first request that it carries out."""

    def is_warm(pid):
        folder = pathlib.Path(f"/proc/{pid}/fd")
        return any(os.readlink(link) == str(site.db) for link in folder.iterdir())

    def warm_up(name):
        """All at one time, so that no worker takes two of them."""
        method = "POST" if name == "cleanup" else "GET"
        head = fastcgi.begin() + fastcgi.params(method, f"/{name}")
        held = [fastcgi.Connection(program_socket(site, name), head) for _ in range(WORKERS)]
        time.sleep(0.1)
        for connection in held:
            connection.send(fastcgi.stream(b""))
        for connection in held:
            assert connection.answer()[0] == 200
        return all(is_warm(pid) for pid in site.all_workers(name))

    for name in PROGRAMS:
        eventually(lambda: warm_up(name))


def descriptors(site):
    """What each process of a warm program has open."""
    found = {}
    for pid in (pid for name in PROGRAMS for pid in site.processes(name)):
        folder = pathlib.Path(f"/proc/{pid}/fd")
        found[pid] = sorted(os.readlink(link) for link in folder.iterdir())
    return found


def check_store(site):
    assert site.sql("PRAGMA integrity_check") == [("ok",)]
    assert site.sql("SELECT count(*) FROM rotation WHERE ended_at IS NULL") == [(0,)]
    labels = dict(site.sql("SELECT label, count(*) FROM assistant GROUP BY label"))
    assert labels["current"] == 1 and "pending" not in labels


@contextlib.contextmanager
def nothing_left(site):
    """Nobody dies meanwhile, and afterwards all is as before."""
    before = descriptors(site)
    yield
    with contextlib.suppress(AssertionError, OSError):
        eventually(lambda: descriptors(site) == before)
    assert descriptors(site) == before
    check_store(site)


def fill(site, count=20, size=200_000):
    """Old assistants, so that a list is a few megabytes."""
    site.post("/initialize")
    site.sql(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
        "INSERT INTO assistant (id, upstream, profile_id, label, config, created_at, updated_at)"
        "SELECT printf('asst_%024d', i), 'embedded', NULL, 'unmanaged', json_set(p.config, "
        "'$.instructions', ?), i, i FROM n, profile p WHERE p.name = 'default'",
        count,
        "x" * size,
    )


def serves(site):
    """Others do not notice anything."""
    for _ in range(5):
        assert site.get("/status").status == 200
        assert site.get("/list?limit=1").status == 200
        assert site.post("/cleanup", {"dryRun": True}).status == 200
