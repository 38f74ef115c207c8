"""Clients and web servers that are slow, stop half-way, or leave early. Others are served
meanwhile, and nothing is left behind: no process, no descriptor, nothing half-done in the
store."""

import contextlib
import http.client
import json
import os
import pathlib
import random
import signal
import socket
import struct
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

import fastcgi
import pytest
from conftest import BASE, ROOT, SANITIZER_ENV, Site, alive, eventually, make_token
from fake_upstream import FakeUpstream

sys.path.insert(0, str(ROOT / "tests" / "http"))
from test_front_ends import Apache, Lighttpd, Nginx  # noqa: E402

FRONT_ENDS = {"lighttpd": Lighttpd, "nginx": Nginx, "apache": Apache}
WORKERS = 2  # of each program, as shipped
SLOW = 3 * WORKERS
PROGRAMS = ("status", "list", "cleanup")


# ---- what must be so before and after ----


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
        return all(is_warm(pid) for pid in site.workers(name))

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


# ---- clients ----


def head(site, method, path, length=None, **fields):
    fields = {"Host": "oam.test", "Authorization": f"Bearer {make_token()}", **fields}
    if length is not None:
        fields |= {"Content-Type": "application/json", "Content-Length": length}
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"{method} {BASE}{path} HTTP/1.1\r\n{lines}\r\n".encode()


def connect(site, sent=b""):
    client = socket.create_connection(("127.0.0.1", site.port), timeout=60)
    client.sendall(sent)
    return client


def answer(client):
    """Status and body."""
    response = http.client.HTTPResponse(client)
    response.begin()
    return response.status, response.read()


def reset(client):
    """Away without a farewell."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def serves(site):
    """Others do not notice anything."""
    for _ in range(5):
        assert site.get("/status").status == 200
        assert site.get("/list?limit=1").status == 200
        assert site.post("/cleanup", {"dryRun": True}).status == 200


def slow(site):
    """How many at once. lighttpd and nginx take a whole body before a worker hears of it,
    and a whole answer off its hands. Apache hands on what comes: each slow client holds a
    worker there."""
    return WORKERS - 1 if isinstance(site, Apache) else SLOW


@pytest.fixture(scope="module", params=FRONT_ENDS.values(), ids=list(FRONT_ENDS))
def site(request):
    with tempfile.TemporaryDirectory(prefix="oam-test-") as folder:
        site = request.param(folder).migrate()
        try:
            site.start()
            fill(site)
            warm(site)
            yield site
        finally:
            site.stop()


def test_headers_byte_by_byte(site):
    with nothing_left(site):
        request = head(site, "GET", "/status")
        clients = [connect(site) for _ in range(SLOW)]
        for i in range(len(request)):
            for client in clients:
                client.sendall(request[i : i + 1])
            if i % 40 == 0:
                serves(site)
        assert {answer(client)[0] for client in clients} == {200}
        for client in clients:
            client.close()


def test_bodies_byte_by_byte(site):
    body = b'{"dryRun":true}'
    with nothing_left(site):
        request = head(site, "POST", "/cleanup", len(body))
        clients = [connect(site, request) for _ in range(slow(site))]
        for i in range(len(body)):
            serves(site)
            for client in clients:
                client.sendall(body[i : i + 1])
        for client in clients:
            status, raw = answer(client)
            assert status == 200, raw
            assert json.loads(raw)["data"]["dryRun"] is True
            client.close()


def end_shutdown(client):
    client.shutdown(socket.SHUT_WR)
    return client


def end_hang(client):
    return client


@pytest.mark.parametrize("end", [socket.socket.close, reset, end_shutdown, end_hang])
def test_half_a_body(site, end):
    """What was announced as longer is not carried out."""
    body = b'{"config":{"name":"never"}}'
    rotations = site.sql("SELECT count(*) FROM rotation")
    with nothing_left(site):
        request = head(site, "POST", "/refresh", len(body) + 1) + body
        clients = [connect(site, request) for _ in range(slow(site))]
        left = [end(client) for client in clients]
        serves(site)
        for client in filter(None, left):
            if end is end_shutdown:
                with contextlib.suppress(ConnectionError, http.client.HTTPException):
                    assert answer(client)[0] >= 400
            client.close()
        serves(site)
    assert site.sql("SELECT count(*) FROM rotation") == rotations


@pytest.mark.parametrize("part", [b"", b"GET /ap", b"GET / HTTP/1.1\r\nHost: a\r\nX-"])
def test_idle_connections(site, part):
    with nothing_left(site):
        clients = [connect(site, part) for _ in range(200)]
        serves(site)
        for client in clients:
            client.close()


def test_resets(site):
    """Before, in and after a request, and in a long answer."""
    list_all = head(site, "GET", "/list")
    moments = random.Random(1)
    with nothing_left(site):
        for i in range(60):
            client = connect(site, list_all[: moments.randrange(len(list_all))])
            reset(client)
            client = connect(site, list_all)
            if i % 2:
                client.recv(moments.randrange(1, 200_000))
            reset(client)
        serves(site)


def test_readers_that_stop(site):
    """Long answers that nobody takes."""
    with nothing_left(site):
        clients = []
        for _ in range(slow(site)):
            client = socket.socket()
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect(("127.0.0.1", site.port))
            client.sendall(head(site, "GET", "/list"))
            clients.append(client)
        assert all(client.recv(1000).startswith(b"HTTP/1.1 200") for client in clients)
        serves(site)
        for client in clients:
            reset(client)
        serves(site)


def test_pipelined_requests(site):
    with nothing_left(site):
        last = head(site, "GET", "/status", Connection="close")
        client = connect(site, head(site, "GET", "/status") * 19 + last)
        with client, client.makefile("rb") as stream:
            raw = stream.read()
        assert raw.count(b"HTTP/1.1 200") == raw.count(b'"success":true') == 20


# ---- an early leave in a refresh ----


@pytest.mark.parametrize("kind", FRONT_ENDS.values(), ids=list(FRONT_ENDS))
def test_leaving_in_a_refresh(kind):
    """What was begun comes to its end, and what is published is what is hosted."""
    upstream = FakeUpstream()
    env = {"OPENAI_BASE_URL": upstream.url, "OPENAI_API_KEY": "k"}
    with tempfile.TemporaryDirectory(prefix="oam-test-") as folder:
        site = kind(folder, env).migrate()
        try:
            site.start()
            site.post("/initialize")
            upstream.delay = 0.2
            for i in range(4):
                client = connect(site, head(site, "POST", "/refresh", 0))
                eventually(lambda: upstream.serial == i + 2)
                reset(client)
                eventually(lambda: site.get("/status").data["refreshing"] is False)
            check_store(site)
            assert set(upstream.by_nonce().values()) == {1}
            current = site.get("/current").data["assistantId"]
            assert list(upstream.assistants)[-1] == current
            eventually(lambda: f"OPENAI_ASSISTANT_ID={current}\n" in site.env_file.read_text())
        finally:
            upstream.delay = 0
            site.stop()
            upstream.close()


# ---- a web server that misbehaves ----


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
        for _ in range(SLOW):
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
        before = direct.workers("details")
        assert len(before) == WORKERS
        assert speak(direct, data[1], "details").read()[:2] in (b"", b"\1\n")
        eventually(lambda: len(direct.workers("details")) == WORKERS
                   and direct.workers("details") != before)  # fmt: skip
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
    before = {name: direct.workers(name) for name in ("list", *HALVES)}
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
        site = HostileSite(folder, {"OAM_WORKERS": "1"}).migrate().start()
        try:
            yield site
        finally:
            site.stop()


@pytest.mark.parametrize("who", ["worker", "supervisor"])
def test_the_end_cuts_no_answer(alone, who):
    """A worker that is told to end, or to succeed its supervisor, first sends what it has
    in hand."""
    fill(alone)
    (worker,) = alone.workers("list")
    (above,) = set(alone.processes("list")) - {worker}
    connection = speak(alone, fastcgi.request(path="/list"), "list")
    time.sleep(1)  # it fills what the socket takes, and waits
    if who == "worker":
        os.kill(worker, signal.SIGTERM)
    else:
        os.kill(above, signal.SIGKILL)
    time.sleep(0.2)
    status, body = connection.answer()
    assert status == 200 and len(json.loads(body)["data"]["assistants"]) == 21
    eventually(lambda: alone.workers("list") not in ([], [worker]))
    assert alone.get("/list?limit=1").status == 200


def test_the_end_cuts_no_request(alone):
    """Nor does it lose the rest of one that is still coming."""
    head = fastcgi.begin() + fastcgi.params(
        "POST", "/initialize", CONTENT_LENGTH="2", CONTENT_TYPE="application/json"
    )
    for part in (head[:9], head[:50], head):
        eventually(lambda: alone.workers("initialize"))
        (worker,) = alone.workers("initialize")
        connection = speak(alone, part, "initialize")
        time.sleep(0.3)
        os.kill(worker, signal.SIGTERM)
        time.sleep(0.2)
        assert connection.send(head[len(part) :] + fastcgi.stream(b"{}")).answer()[0] == 200
        eventually(lambda: not alive(worker))
