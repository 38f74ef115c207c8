"""The same binaries as plain CGI programs (RFC 3875): one process a request."""

import signal
import socket
import subprocess
import time

import pytest
from conftest import BUILD, ROOT, eventually, make_token

CONFIGURATION = ROOT / "deploy" / "lighttpd" / "quickstart-cgi.conf"


@pytest.fixture
def cgi_site(make_site):
    return make_site(configuration=CONFIGURATION)


def test_the_ten_requests(cgi_site):
    site = cgi_site
    id = site.post("/initialize").data["assistantId"]
    assert site.get("/current").data["assistantId"] == id
    new = site.post("/refresh", {"config": {"name": "N"}}).data["newAssistantId"]
    assert site.get("/list").data["count"] == 2
    assert site.get(f"/details/{new}").data["name"] == "N"
    assert site.put(f"/update/{new}", {"updates": {"name": "M"}}).data["name"] == "M"
    assert site.delete(f"/delete/{id}").data["deleted"] is True
    assert site.post("/cleanup", {"keepCount": 3}).data["deletedCount"] == 0
    assert site.get("/status").data["assistantId"] == new
    assert site.put("/refresh-interval", {"intervalMs": 60000}).data["newIntervalHours"] > 0
    assert site.get("/current", token=None).status == 401
    assert site.request("HEAD", "/status").raw == b""


def test_openai_clients(cgi_site):
    site = cgi_site
    id = site.post("//v1/assistants", {"model": "m"}).json["id"]
    assert site.get("//v1/assistants").json["data"][0]["id"] == id
    assert site.post(f"//v1/assistants/{id}", {"name": "N"}).json["name"] == "N"
    assert site.delete(f"//v1/assistants/{id}").json["deleted"] is True
    assert site.get(f"//v1/assistants/{id}").json["error"]["type"] == "invalid_request_error"


def test_a_refused_head_has_no_body(make_site):
    site = make_site(start=False)
    done = subprocess.run(
        [BUILD / "cgi" / "status"],
        env=site.environment(REQUEST_METHOD="HEAD", SCRIPT_NAME="/api/openai-assistant/status"),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=30,
    )
    head, body = done.stdout.split(b"\r\n\r\n", 1)
    assert head.startswith(b"Status: 401 ")
    assert body == b""


def test_a_due_refresh_does_not_hold_the_answer(cgi_site):
    site = cgi_site
    old = site.get("/current").data["assistantId"]
    site.make_due()
    assert site.get("/current").data["assistantId"] == old
    eventually(lambda: site.get("/current").data["assistantId"] != old)
    assert site.sql("SELECT count(*) FROM assistant") == [(2,)]


def run(site, program, stdin=b"", **variables):
    return subprocess.run(
        [BUILD / "cgi" / program],
        env=site.environment(HTTP_AUTHORIZATION=f"Bearer {make_token()}", **variables),
        input=stdin,
        capture_output=True,
        timeout=60,
    )


def test_without_content_length_there_is_no_body(make_site):
    """RFC 3875, 4.1.2: then standard input must not be read, even if it stays open."""
    site = make_site(start=False)
    process = subprocess.Popen(
        [BUILD / "cgi" / "initialize"],
        env=site.environment(
            HTTP_AUTHORIZATION=f"Bearer {make_token()}",
            REQUEST_METHOD="POST",
            SCRIPT_NAME="/api/openai-assistant/initialize",
        ),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        answer = process.stdout.read()
        assert process.wait(30) == 0
    finally:
        process.stdin.close()
    assert answer.startswith(b"Status: 200 ")


@pytest.mark.parametrize(
    "length, body, status",
    [
        ("2", b"{}", b"200"),
        ("5", b"{}", b"400"),
        ("-1", b"{}", b"400"),
        ("2x", b"{}", b"400"),
        ("99999999999999999999", b"{}", b"400"),
        ("1048577", b"{}", b"413"),
    ],
)
def test_content_length(make_site, length, body, status):
    done = run(
        make_site(start=False),
        "initialize",
        body,
        REQUEST_METHOD="POST",
        SCRIPT_NAME="/api/openai-assistant",
        PATH_INFO="/initialize",
        CONTENT_TYPE="application/json",
        CONTENT_LENGTH=length,
    )
    assert done.stdout.startswith(b"Status: " + status), done.stdout


def test_a_chunked_body_ends_with_standard_input(make_site):
    """As Apache's mod_cgid hands it on: without CONTENT_LENGTH."""
    done = run(
        make_site(start=False),
        "cleanup",
        b'{"keepCount":2,"dryRun":true}',
        REQUEST_METHOD="POST",
        SCRIPT_NAME="/api/openai-assistant/cleanup",
        CONTENT_TYPE="application/json",
        HTTP_TRANSFER_ENCODING="chunked",
    )
    assert done.stdout.startswith(b"Status: 200 "), done.stdout
    assert b'"keepCount":2,' in done.stdout


def test_a_refused_body_is_read_to_its_end(make_site):
    """A server that cannot write all of it may give up, and not hear the answer."""
    size = 2 << 20
    process = subprocess.Popen(
        [BUILD / "cgi" / "initialize"],
        env=make_site(start=False).environment(
            REQUEST_METHOD="POST",
            SCRIPT_NAME="/api/openai-assistant/initialize",
            CONTENT_LENGTH=str(size),
        ),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    process.stdin.write(b" " * size)
    process.stdin.flush()  # and stays open: no more than CONTENT_LENGTH is read
    answer = process.stdout.read()
    process.stdin.close()
    assert process.wait(30) == 0
    assert answer.startswith(b"Status: 401 ")


def test_on_a_terminal_it_says_what_it_is(make_site):
    done = subprocess.run(
        [BUILD / "cgi" / "status"],
        env=make_site(start=False).environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 2 and "CGI program" in done.stderr


def test_sigterm_ends_a_request_in_hand(make_site):
    """A web server ends a program that takes too long, here one whose upstream is mute."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        base = f"http://127.0.0.1:{mute.getsockname()[1]}/v1"
        site = make_site({"OPENAI_BASE_URL": base}, start=False)
        process = subprocess.Popen(
            [BUILD / "cgi" / "list"],
            env=site.environment(
                HTTP_AUTHORIZATION=f"Bearer {make_token()}",
                REQUEST_METHOD="GET",
                SCRIPT_NAME="/api/openai-assistant/list",
            ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        )
        mute.accept()
        process.send_signal(signal.SIGTERM)
        assert process.communicate(timeout=10)[0] == b""
        assert process.returncode == -signal.SIGTERM
