"""Descriptors and disks that run out, a store that cannot be written, and a worker whose
memory ran out: what works goes on, and all of it does again afterwards."""

import json
import os
import pathlib
import pwd
import random
import resource
import shutil
import subprocess
import sys

import pytest
from conftest import BASE, BUILD, SANITIZER_FAULT, eventually, make_token
from exhaustion import HOW_MUCH, INJECT, SEED, Answer
from fastcgi import Program


@pytest.fixture
def site(make_site):
    return make_site(start=False)


@pytest.fixture
def make_program(site):
    """Starts programs: make_program(name, **environment)."""
    started = []

    def make(name, **extra):
        program = Program(
            name, site.environment(**extra), site.folder / f"socket-{len(started)}", site.log
        )
        started.append(program)
        return program

    yield make
    statuses = [program.stop() for program in started if program.process.poll() is None]
    assert set(statuses) <= {0}
    assert not SANITIZER_FAULT.search(site.log.read_text()), site.log.read_text()


def test_a_worker_without_descriptors(site, make_program):
    # Workers that end with few descriptors cannot be looked at for leaks.
    program = make_program("refresh", OAM_WORKERS="1", ASAN_OPTIONS="detect_leaks=0")
    token = make_token()
    acknowledged = []

    def refresh():
        answer = Answer(program.ask("POST", "/refresh", token))
        if answer.status == 200:
            acknowledged.append(answer.json["data"]["newAssistantId"])
        return answer.status

    assert refresh() == 200
    seen = set()
    for limit in [*range(3, 14), 3, 5]:
        (worker,) = eventually(lambda: (w := program.workers()) and len(w) == 1 and w)
        hard = resource.prlimit(worker, resource.RLIMIT_NOFILE)[1]
        resource.prlimit(worker, resource.RLIMIT_NOFILE, (limit, hard))
        seen.add(refresh())
        assert seen <= {None, 200, 500, 503}
        # A worker that cannot even accept ends, and another one takes its place.
        if program.workers() == [worker]:
            resource.prlimit(worker, resource.RLIMIT_NOFILE, (hard, hard))
        assert eventually(lambda: refresh() == 200)
    assert seen & {500, 503}
    known = {id for (id,) in site.sql("SELECT id FROM assistant")}
    assert set(acknowledged) <= known
    assert site.oam("current").stdout.strip() == acknowledged[-1]


def count_allocations(site, make_program, name, method):
    """(when the program started, when it was stopped)"""
    report = site.folder / "report"
    counts = []
    for asked in (0, 2):
        extra = preload("alloc,0") | {"INJECT_REPORT": str(report)}
        program = make_program(name, OAM_WORKERS="1", **extra)
        eventually(lambda: program.workers())
        for _ in range(asked):
            assert Answer(program.ask(method, f"/{name}", make_token())).status == 200
        assert program.stop() == 0
        counts.append(max(int(line.split()[0]) for line in report.read_text().splitlines()))
        report.unlink()
    return counts


def preload(inject):
    return {
        "LD_PRELOAD": str(INJECT),
        "INJECT": inject,
        "ASAN_OPTIONS": "verify_asan_link_order=0:detect_leaks=0",
    }


@pytest.mark.parametrize("name, method", [("current", "GET"), ("refresh", "POST")])
def test_a_worker_that_had_no_memory(site, make_program, name, method, record_property):
    """In one request; the next ones are as good as ever, by the same process."""
    site.oam("initialize")
    first, last = count_allocations(site, make_program, name, method)
    numbers = range(first + 1, last + 1)
    if HOW_MUCH != "all":
        size = min(len(numbers), 300 if HOW_MUCH else 12)
        numbers = random.Random(SEED).sample(numbers, size)
    token, bad, failed = make_token(), make_token(secret="x" * 48), 0
    for number in numbers:
        program = make_program(name, OAM_WORKERS="1", **preload(f"alloc,{number},once"))
        answers = [Answer(program.ask(method, f"/{name}", token)) for _ in range(4)]
        statuses = [answer.status for answer in answers]
        if None in statuses:
            # libfcgi ends the process then, between two requests, and another one comes.
            assert "Malloc: Assertion" in site.log.read_text()
            assert sorted(map(str, statuses)) == ["200", "200", "200", "None"]
        assert set(statuses) <= {200, 500, 503, None}, (number, statuses)
        assert statuses[2:] == [200, 200], (number, statuses)
        failed += statuses != [200] * 4
        assert Answer(program.ask(method, f"/{name}", bad)).status == 401
        assert program.stop() == 0
    assert failed
    record_property(
        "note", f"exhaustion: a worker of {name}: {failed} of {len(numbers)} faults failed one request"
    )


# ---- disks ----


def can_mount():
    done = subprocess.run(["unshare", "-m", "true"], capture_output=True)
    return os.geteuid() == 0 and done.returncode == 0


@pytest.mark.skipif(not can_mount(), reason="only root may mount a small disk")
def test_disk_full(tmp_path, record_property):
    done = subprocess.run(
        ["unshare", "-m", sys.executable, pathlib.Path(__file__).with_name("full_disk.py"), tmp_path],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    record_property("note", done.stdout.strip())


# ---- a store that cannot be written ----


@pytest.fixture
def reader(site):
    """Runs a program as somebody who is bound by the modes of files; root is not."""
    folder = site.folder / "programs"
    for name in ("cgi/status", "cgi/current", "cgi/refresh", "cgi/refresh-interval", "cli/oam"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(BUILD / name, folder / name)
    (folder / "cli/oam-refresh").symlink_to("oam")
    user = {}
    if os.geteuid() == 0:
        www = pwd.getpwnam("www-data")
        user = {"user": www.pw_uid, "group": www.pw_gid, "extra_groups": []}

    def own():
        if user:
            for path in [site.folder, *site.folder.rglob("*")]:
                os.chown(path, user["user"], user["group"], follow_symlinks=False)

    def run(program, *arguments, **extra):
        return subprocess.run(
            [folder / program, *arguments],
            env=site.environment(**extra),
            cwd=site.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=60,
            **user,
        )

    def ask(method, name, body=None):
        done = run(
            f"cgi/{name}",
            REQUEST_METHOD=method,
            SCRIPT_NAME=f"{BASE}/{name}",
            HTTP_AUTHORIZATION=f"Bearer {make_token()}",
        )
        assert done.returncode == 0 and not SANITIZER_FAULT.search(done.stderr.decode())
        return Answer(done.stdout)

    run.ask, run.own = ask, own
    return run


def protect_file(site):
    site.db.chmod(0o400)


def protect_folder(site):
    site.folder.chmod(0o500)


def protect_both(site):
    site.db.chmod(0o400)
    (site.folder / "oam.db.lock").unlink()
    site.folder.chmod(0o500)


@pytest.mark.parametrize("protect", [protect_file, protect_folder, protect_both])
def test_a_store_that_cannot_be_written(site, reader, protect):
    id = site.oam("initialize").stdout.strip()
    site.make_due()
    reader.own()
    protect(site)
    try:
        for _ in range(2):
            assert reader.ask("GET", "current").json["data"]["assistantId"] == id
            assert reader.ask("GET", "status").json["data"]["assistantId"] == id
            answer = reader.ask("POST", "refresh")
            assert (answer.status, answer.json["error"]["code"]) == (503, "store_failed")
            assert reader("cli/oam", "current").stdout.decode().strip() == id
            done = reader("cli/oam", "refresh")
            assert done.returncode == 1 and b"The store cannot be used now" in done.stderr
            done = reader("cli/oam", "interval", "12h")
            assert done.returncode == 1 and b"The store cannot be used now" in done.stderr
    finally:
        site.folder.chmod(0o700)
        site.db.chmod(0o600)
    assert site.sql("SELECT count(*) FROM rotation") == [(1,)]
    assert reader("cli/oam", "refresh").returncode == 0
    new = reader("cli/oam", "current").stdout.decode().strip()
    assert new != id and f"OPENAI_ASSISTANT_ID={new}\n" in site.env_file.read_text()
