"""Clients that are slow, stop half-way, or leave early, behind each kind of web server.
Others are served meanwhile, and nothing is left behind: no process, no descriptor, nothing
half-done in the store."""

import contextlib
import http.client
import json
import random
import socket
import struct
import sys
import tempfile

import pytest
from conftest import BASE, ROOT, eventually, make_token
from fake_upstream import FakeUpstream
from unharmed import WORKERS, check_store, fill, nothing_left, serves, warm

sys.path.insert(0, str(ROOT / "tests" / "http"))
from test_front_ends import Apache, Lighttpd, Nginx  # noqa: E402

FRONT_ENDS = {"lighttpd": Lighttpd, "nginx": Nginx, "apache": Apache}
SLOW = 3 * WORKERS


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
