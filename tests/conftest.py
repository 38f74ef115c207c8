"""What the tests share: a running server with its own state, and tokens for it."""

import base64
import fcntl
import functools
import hashlib
import hmac
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile
import time

import pytest
from jsonschema import Draft202012Validator

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = pathlib.Path(os.environ.get("OAM_BUILD", ROOT / "build" / "check"))
SECRET = "f3b1c9d27e6a48509b8e1d6f4c7a2e905d8b3f6a1c4e7092"
BASE = "/api/openai-assistant"
DAY = 86_400_000

SANITIZER_FAULT = re.compile(r"AddressSanitizer|LeakSanitizer|runtime error:|SUMMARY: ")
SANITIZER_ENV = {
    "ASAN_OPTIONS": "detect_leaks=1:detect_stack_use_after_return=1",
    "UBSAN_OPTIONS": "print_stacktrace=1",
}


def b64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def make_token(claims=None, header=None, secret=SECRET, digest=hashlib.sha256):
    """A signed token. `claims` and `header` are merged over good defaults; None removes."""

    def merged(base, changes):
        out = {**base, **(changes or {})}
        return {k: v for k, v in out.items() if v is not None}

    now = int(time.time())
    parts = [
        merged({"alg": "HS256", "typ": "JWT"}, header),
        merged({"sub": "tests", "iat": now, "exp": now + 3600}, claims),
    ]
    signed = ".".join(b64url(json.dumps(p).encode()) for p in parts)
    return sign(signed, secret, digest)


def sign(signed, secret=SECRET, digest=hashlib.sha256):
    """Appends the HMAC of `signed` (header.payload, taken as it is)."""
    mac = hmac.new(secret.encode(), signed.encode(), digest).digest()
    return f"{signed}.{b64url(mac)}"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


OPENAPI = json.loads((ROOT / "cgi" / "openapi.json").read_text())


@functools.cache
def answer_schema(method, path, status):
    """What cgi/openapi.json says of an answer, or None where it does not speak of it."""
    status = str(status)
    for template, operations in OPENAPI["paths"].items():
        pattern = re.sub(r"\{\w+\}", "[^/]+", template)
        if re.fullmatch(pattern, path) and method.lower() in operations:
            responses = operations[method.lower()]["responses"]
            break
    else:
        responses = {}
    answer = responses.get(status) or OPENAPI["components"]["responses"]["Failure"]
    if "$ref" in answer:
        answer = OPENAPI["components"]["responses"]["Failure"]
    schema = answer["content"]["application/json"]["schema"]
    return Draft202012Validator({**schema, "components": OPENAPI["components"]})


def check_answer(method, target, reply):
    """Every answer of our programs is as the description says; others come from the web
    server itself."""
    if reply.headers.get("content-type") != "application/json" or method == "HEAD":
        return
    path = target.split("?")[0].removeprefix(BASE)
    if not target.startswith(BASE):
        return
    answer_schema(method, path, reply.status).validate(reply.json)


class Reply:
    """An HTTP answer: status, headers (lower case names), raw bytes and parsed JSON."""

    def __init__(self, response, raw):
        self.status = response.status
        self.headers = {k.lower(): v for k, v in response.getheaders()}
        self.raw = raw

    @property
    def json(self):
        return json.loads(self.raw)

    @property
    def data(self):
        assert self.status == 200, (self.status, self.raw)
        assert self.json["success"] is True
        return self.json["data"]

    @property
    def error(self):
        assert self.json["success"] is False, self.raw
        return self.json["error"]


class Site:
    """lighttpd with all programs from the shipped configuration, in a folder of its
    own. `env` are lines of the `.env`; JWT_SECRET is there unless given as None."""

    configuration = ROOT / "deploy" / "lighttpd" / "quickstart.conf"
    programs = BUILD / "cgi"

    def __init__(self, folder, env=None, configuration=None):
        self.folder = pathlib.Path(folder)
        self.env_file = self.folder / ".env"
        self.db = self.folder / "oam.db"
        self.log = self.folder / "stderr.log"
        self.run = self.folder / "run"
        self.run.mkdir(mode=0o700, exist_ok=True)
        self.configuration = configuration or self.configuration
        self.process = None
        self.set_env(env)

    def set_env(self, env=None):
        lines = {"JWT_SECRET": SECRET, **(env or {})}
        self.worker_count = int(lines.get("OAM_WORKERS") or 2)  # of each program
        self.env_file.write_text(
            "".join(f"{k}={v}\n" for k, v in lines.items() if v is not None)
        )

    def environment(self, **extra):
        keep = {k: os.environ[k] for k in ("PATH", "HOME", "TMPDIR") if k in os.environ}
        return {**keep, **SANITIZER_ENV, "OAM_ENV_FILE": str(self.env_file), **extra}

    def command(self, program, *arguments, input=None, **extra):
        """Runs a program of the command line; whatever its exit status."""
        done = subprocess.run(
            [BUILD / "cli" / program, *map(str, arguments)],
            env=self.environment(**extra),
            cwd=self.folder,
            input=input,
            stdin=None if input is not None else subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert not SANITIZER_FAULT.search(done.stderr), done.stderr
        return done

    def oam(self, *arguments, check=True, **extra):
        done = self.command("oam", *arguments, **extra)
        if check:
            assert done.returncode == 0, done.stderr
        return done

    def oam_refresh(self, *arguments, **extra):
        return self.command("oam-refresh", *arguments, **extra)

    def migrate(self):
        self.oam("migrate")
        return self

    def launch(self):
        """Starts the web server in the foreground."""
        return subprocess.Popen(
            ["lighttpd", "-D", "-f", self.configuration],
            env=self.environment(
                PORT=str(self.port), OAM_RUN=str(self.run), OAM_PROGRAMS=str(self.programs)
            ),
            stdout=self.log_file,
            stderr=self.log_file,
            stdin=subprocess.DEVNULL,
        )

    def start(self):
        self.port = free_port()
        self.log_file = open(self.log, "ab")
        self.process = self.launch()
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.log.read_text()
            try:
                # An answer, not only an open port: that opens before all programs run.
                self.get("/status", token=None)
                return self
            except OSError:
                time.sleep(0.05)
        raise AssertionError("the web server does not answer: " + self.log.read_text())

    def stop(self):
        if not self.process:
            return
        family = self.processes()
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        self.process = None
        self.log_file.close()
        deadline = time.monotonic() + 30
        while any(alive(pid) for pid in family) and time.monotonic() < deadline:
            time.sleep(0.05)
        left = [pid for pid in family if alive(pid)]
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        assert not left, f"processes outlived the web server: {left}"
        text = self.log.read_text(errors="replace")
        assert not SANITIZER_FAULT.search(text), text

    def restart(self):
        self.stop()
        return self.start()

    def processes(self, name=None):
        """Ids of the endpoint processes of this site, supervisors first."""
        found = []
        for stat in pathlib.Path("/proc").glob("[0-9]*/environ"):
            try:
                if f"OAM_ENV_FILE={self.env_file}".encode() not in stat.read_bytes():
                    continue
                exe = os.readlink(stat.parent / "exe")
            except OSError:
                continue
            if exe.startswith(f"{self.programs}/") and (
                name is None or exe.endswith("/" + name)
            ):
                found.append(int(stat.parent.name))
        return sorted(found)

    def workers(self, name):
        """The processes of one program without its supervisor."""
        family = self.processes(name)
        return [pid for pid in family if parent(pid) in family]

    def all_workers(self, name):
        """The same, once all of them run, and nothing beside them."""
        count = self.worker_count
        return eventually(lambda: len(found := self.workers(name)) == count and found)

    def request(self, method, path, body=None, token="good", headers=None, timeout=60):
        """`body`: bytes as they are, anything else as JSON. `path` from BASE on when it
        does not start with '//'; token None sends no Authorization."""
        target = path[1:] if path.startswith("//") else BASE + path
        fields = dict(headers or {})
        if token is not None:
            value = make_token() if token == "good" else token
            fields.setdefault("Authorization", f"Bearer {value}")
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        if body is not None:
            fields.setdefault("Content-Type", "application/json")
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(method, target, body=body, headers=fields)
            response = connection.getresponse()
            reply = Reply(response, response.read())
            check_answer(method, target, reply)
            return reply
        finally:
            connection.close()

    def get(self, path, **kw):
        return self.request("GET", path, **kw)

    def post(self, path, body=None, **kw):
        return self.request("POST", path, body, **kw)

    def put(self, path, body=None, **kw):
        return self.request("PUT", path, body, **kw)

    def delete(self, path, **kw):
        return self.request("DELETE", path, **kw)

    def sql(self, query, *values):
        with sqlite3.connect(self.db, timeout=30) as connection:
            rows = connection.execute(query, values).fetchall()
        connection.close()
        return rows

    def make_due(self, profile="default"):
        """As if the current assistant had been made a day and a minute ago."""
        self.sql(
            "UPDATE profile SET refreshed_at = refreshed_at - ? WHERE name = ?",
            DAY + 60_000,
            profile,
        )


def alive(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().split(") ")[1][0] != "Z"
    except OSError:
        return False


def parent(pid):
    try:
        return int(pathlib.Path(f"/proc/{pid}/stat").read_text().split(") ")[1].split()[1])
    except OSError:
        return 0


def eventually(check, timeout=20):
    """Waits until check() is true, and returns what it gave."""
    deadline = time.monotonic() + timeout
    while True:
        value = check()
        if value or time.monotonic() > deadline:
            assert value, "did not happen in time"
            return value
        time.sleep(0.05)


@pytest.fixture(scope="module")
def shared_site():
    """One migrated, running site for a whole file: for tests that leave nothing behind."""
    with tempfile.TemporaryDirectory(prefix="oam-test-") as folder:
        site = Site(folder).migrate().start()
        try:
            yield site
        finally:
            site.stop()


@pytest.fixture
def make_site():
    """Makes sites that end with the test: make_site(env={…}, migrate=True, start=True)."""
    made = []

    def make(env=None, migrate=True, start=True, configuration=None):
        folder = tempfile.TemporaryDirectory(prefix="oam-test-")
        site = Site(folder.name, env, configuration)
        made.append((site, folder))
        if migrate:
            site.migrate()
        if start:
            site.start()
        return site

    try:
        yield make
    finally:
        failures = []
        for site, folder in made:
            try:
                site.stop()
            except AssertionError as failure:
                failures.append(failure)
            folder.cleanup()
        if failures:
            raise failures[0]


@pytest.fixture
def site(make_site):
    return make_site()


@pytest.fixture(scope="session")
def node_packages():
    """The packages of tests/sdk/package-lock.json, installed once by whoever is first."""
    if not shutil.which("npm"):
        pytest.skip("npm is not installed")
    folder = ROOT / "tests" / "sdk"
    with open(folder / "package-lock.json") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        installed = folder / "node_modules" / ".package-lock.json"
        wanted = (folder / "package-lock.json").stat().st_mtime
        if installed.exists() and installed.stat().st_mtime >= wanted:
            return
        done = subprocess.run(
            ["npm", "ci", "--no-audit", "--no-fund"],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stdout + done.stderr


def pytest_terminal_summary(terminalreporter):
    """What tests recorded with record_property("note", …): the table of faults and such."""
    notes = [
        value
        for outcome in ("passed", "failed")
        for report in terminalreporter.stats.get(outcome, [])
        for name, value in report.user_properties
        if name == "note"
    ]
    if notes:
        terminalreporter.section("notes")
        for note in sorted(notes):
            terminalreporter.line(note)
