"""Web servers that speak FastCGI badly, hang, or tell 4 GiB: straight to the sockets, which
only a web server may do."""

import json
import os
import pathlib
import random
import select
import signal
import tempfile
from concurrent.futures import ThreadPoolExecutor

import fastcgi
import pytest
from conftest import SANITIZER_ENV, Site, alive, eventually, parent
from unharmed import WORKERS, check_store, fill, nothing_left, program_socket, serves, warm


class HostileSite(Site):
    """For what libfcgi does not stand: the reports about it go to files. Its leak of what
    it made for a record of unknown type is known."""

    def environment(self, **extra):
        rules = self.folder / "leaks"
        rules.write_text("leak:libfcgi\n")
        return super().environment(
            ASAN_OPTIONS=f"{SANITIZER_ENV['ASAN_OPTIONS']}:log_path={self.folder}/report",
            LSAN_OPTIONS=f"suppressions={rules}:print_suppressions=0",
            **extra,
        )

    def reports(self):
        return [path.read_text() for path in self.folder.glob("report.*")]


@pytest.fixture(scope="module")
def direct():
    with tempfile.TemporaryDirectory(prefix="oam-test-") as folder:
        site = HostileSite(folder).migrate().start()
        try:
            fill(site)
            warm(site)
            yield site
        finally:
            site.stop()
            # Only the process that was told of 4 GiB.
            assert all("allocation-size-too-big" in text for text in site.reports())


def speak(site, data, name="status"):
    return fastcgi.Connection(program_socket(site, name), data)


PARAMS = fastcgi.params("POST", "/refresh", CONTENT_LENGTH="0")


@pytest.mark.parametrize("data", {
    "garbage": b"GET / HTTP/1.0\r\n\r\n",
    "another version": fastcgi.record(fastcgi.BEGIN, bytes(8), version=9) + PARAMS,
    "another role": fastcgi.begin(role=9) + PARAMS,
    "no beginning": PARAMS + fastcgi.stream(b""),
    "aborted in the parameters": fastcgi.begin() + PARAMS[:-8] + fastcgi.record(fastcgi.ABORT),
    "a body before the parameters": fastcgi.begin() + fastcgi.stream(b"") + PARAMS,
    "a long beginning": fastcgi.record(fastcgi.BEGIN, bytes(9)) + PARAMS,
    "an unknown type": fastcgi.begin() + fastcgi.record(77) + PARAMS + fastcgi.stream(b""),
}.items(), ids=lambda item: item[0])  # fmt: skip
def test_bad_records(direct, data):
    rotations = direct.sql("SELECT count(*) FROM rotation")
    with nothing_left(direct):
        for _ in range(3 * WORKERS):
            connection = fastcgi.Connection(program_socket(direct, "refresh"))
            connection.send_all_that_is_wanted(data[1]).end()
            for kind, content in connection.records():
                assert kind != fastcgi.STDOUT or b"Status: 4" in content or content == b""
        serves(direct)
    assert direct.sql("SELECT count(*) FROM rotation") == rotations


@pytest.mark.parametrize("data", {
    "an aborted body": fastcgi.begin() + fastcgi.params("POST", "/refresh")
    + fastcgi.record(fastcgi.ABORT),
    "a body that ends early": fastcgi.begin()
    + fastcgi.params("POST", "/refresh", CONTENT_LENGTH="3") + fastcgi.stream(b"{}"),
    "a body without a type": fastcgi.begin()
    + fastcgi.params("POST", "/refresh", CONTENT_LENGTH="2") + fastcgi.stream(b"{}"),
}.items(), ids=lambda item: item[0])  # fmt: skip
def test_bad_requests(direct, data):
    rotations = direct.sql("SELECT count(*) FROM rotation")
    with nothing_left(direct):
        assert speak(direct, data[1], "refresh").answer()[0] in (400, 415)
    assert direct.sql("SELECT count(*) FROM rotation") == rotations


@pytest.mark.parametrize("data, first", [
    (fastcgi.record(fastcgi.GET_VALUES, fastcgi.pair("FCGI_MAX_REQS", ""), id=0),
     (fastcgi.GET_VALUES_RESULT, fastcgi.pair("FCGI_MAX_REQS", "1"))),
    (fastcgi.record(77, id=0), (fastcgi.UNKNOWN_TYPE, bytes([77]) + bytes(7))),
    (b"", None),
], ids=["values", "unknown", "nothing"])  # fmt: skip
def test_management_records(direct, data, first):
    """And padding, parameters without a name, a second request at one time, one value in
    many records."""
    empty = fastcgi.record(fastcgi.PARAMS, bytes(20), padding=200)
    second = fastcgi.begin(id=2)
    rest = fastcgi.params()
    parts = rest[8 : len(rest) - 8]
    parts = b"".join(fastcgi.record(fastcgi.PARAMS, parts[i : i + 1]) for i in range(len(parts)))
    more = fastcgi.record(fastcgi.PARAMS) + fastcgi.stream(b"")
    with nothing_left(direct):
        got = speak(direct, data + fastcgi.begin() + empty + second + parts + more).records()
        if first:
            assert got.pop(0) == first
        kinds = [kind for kind, _ in got]
        assert got[0] == (fastcgi.END, bytes([0, 0, 0, 0, 1, 0, 0, 0]))  # cannot multiplex
        assert kinds[1:] == [fastcgi.STDOUT, fastcgi.STDOUT, fastcgi.END]
        assert b"Status: 200" in got[1][1]


def test_parameters_that_break_off(direct):
    """At each byte: nothing is carried out with a part of them."""
    rotations = direct.sql("SELECT count(*) FROM rotation")
    path = program_socket(direct, "refresh")
    with nothing_left(direct):
        for i in range(len(PARAMS)):
            connection = fastcgi.Connection(path, fastcgi.begin() + PARAMS[:i])
            assert b"Status: 200" not in connection.end().read(), i
    assert direct.sql("SELECT count(*) FROM rotation") == rotations


def test_random_records(direct):
    """Good requests with a few bytes changed, cut or doubled."""
    chance = random.Random(7)
    good = fastcgi.request("POST", "/cleanup", b'{"dryRun":true}')
    path = program_socket(direct, "cleanup")
    with nothing_left(direct):
        for _ in range(300):
            bad = bytearray(good)
            for _ in range(chance.randrange(1, 4)):
                at = chance.randrange(len(bad))
                bad[at : at + chance.choice((1, 1, 9))] = chance.choice(
                    (b"", bytes([chance.randrange(128)]), bytes(bad[at : at + 20]))
                )
            connection = fastcgi.Connection(path).send_all_that_is_wanted(bytes(bad))
            connection.end().read()
        serves(direct)


@pytest.mark.parametrize("data", {
    "lengths of 4 GiB": fastcgi.begin() + fastcgi.record(fastcgi.PARAMS, b"\xff\xff\xff\xfe" * 2),
    # libfcgi answers into 64 bytes on its stack.
    "too many values": fastcgi.record(
        fastcgi.GET_VALUES, fastcgi.pair("FCGI_MAX_CONNS", "") * 20, id=0) + bytes(8),
}.items(), ids=lambda item: item[0])  # fmt: skip
def test_a_killed_worker_is_replaced(direct, data):
    for _ in range(WORKERS):
        before = direct.all_workers("details")
        assert speak(direct, data[1], "details").read()[:2] in (b"", b"\1\n")
        eventually(lambda: direct.all_workers("details") != before)
    assert "worker-died" in direct.log.read_text()
    assert direct.get("/details").status == 200
    check_store(direct)


HALVES = {
    "details": b"",
    "delete": fastcgi.begin()[:5],
    "update": fastcgi.begin() + PARAMS[:40],
    "refresh": fastcgi.begin() + fastcgi.params("POST", "/refresh", CONTENT_LENGTH="9")
    + fastcgi.record(fastcgi.STDIN, b"{"),
}  # fmt: skip


def test_a_web_server_that_hangs(direct):
    """It holds all workers of four programs with a part of a request, and of one by taking
    no answer. They come free by themselves."""
    before = {name: direct.all_workers(name) for name in ("list", *HALVES)}
    held = [speak(direct, fastcgi.request(path="/list"), "list") for _ in range(WORKERS)]
    for name, data in HALVES.items():
        held += [speak(direct, data, name) for _ in range(WORKERS)]
    assert direct.get("/status").status == 200
    with ThreadPoolExecutor(len(before)) as pool:
        replies = pool.map(lambda name: direct.get(f"/{name}", timeout=120), before)
        assert [reply.status for reply in replies] == [200, 200, 404, 404, 405]
    assert before == {name: direct.workers(name) for name in before}
    for connection in held:
        connection.close()
    check_store(direct)


def test_a_kept_connection(direct):
    """Many requests over one; it holds a worker while it is used, and not much longer."""
    asked = fastcgi.begin(flags=1) + fastcgi.params() + fastcgi.stream(b"")
    with nothing_left(direct):
        kept = [fastcgi.Connection(program_socket(direct, "status")) for _ in range(WORKERS)]
        for _ in range(3):
            for connection in kept:
                assert b"Status: 200" in connection.send(asked).read_one()
        assert direct.get("/status").status == 200
        for connection in kept:
            assert connection.read() == b""


@pytest.fixture
def alone():
    with tempfile.TemporaryDirectory(prefix="oam-test-") as folder:
        site = Site(folder, {"OAM_WORKERS": "1"}).migrate().start()
        try:
            yield site
        finally:
            site.stop()


@pytest.mark.parametrize("who", ["worker", "supervisor"])
def test_the_end_cuts_no_answer(alone, who):
    """A worker that is told to end, or to succeed its supervisor, first sends what it has
    in hand."""
    fill(alone)
    (worker,) = alone.all_workers("list")
    above = parent(worker)
    connection = speak(alone, fastcgi.request(path="/list"), "list")
    # More than a socket takes: once there is some of the answer, the rest waits.
    assert select.select([connection.socket], [], [], 60)[0]
    if who == "worker":
        os.kill(worker, signal.SIGTERM)
    else:
        os.kill(above, signal.SIGKILL)
        eventually(lambda: not alive(above))
    status, body = connection.answer()
    assert status == 200 and len(json.loads(body)["data"]["assistants"]) == 21
    eventually(lambda: alone.workers("list") not in ([], [worker]))
    assert alone.get("/list?limit=1").status == 200


def sockets(pid):
    """How many a process has open."""
    links = list(pathlib.Path(f"/proc/{pid}/fd").iterdir())
    return sum(os.readlink(link).startswith("socket:") for link in links)


def test_the_end_cuts_no_request(alone):
    """Nor does it lose the rest of one that is still coming."""
    head = fastcgi.begin() + fastcgi.params(
        "POST", "/initialize", CONTENT_LENGTH="2", CONTENT_TYPE="application/json"
    )
    for part in (head[:9], head[:50], head):
        (worker,) = alone.all_workers("initialize")
        before = sockets(worker)
        connection = speak(alone, part, "initialize")
        eventually(lambda: sockets(worker) > before)  # it has accepted it
        os.kill(worker, signal.SIGTERM)
        assert connection.send(head[len(part) :] + fastcgi.stream(b"{}")).answer()[0] == 200
        eventually(lambda: not alive(worker))
