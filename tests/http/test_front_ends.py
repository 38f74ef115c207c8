"""The same requests behind every web server that we ship a configuration for. Each is
started from the shipped files as they are, but for the places in SHIPPED, and without
privileges: as root it would run as www-data."""

import http.client
import json
import os
import pathlib
import pwd
import re
import shlex
import shutil
import ssl
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import BASE, BUILD, ROOT, Site, eventually, free_port, make_token

sys.path.insert(0, str(ROOT / "tests"))
from fake_upstream import FakeUpstream  # noqa: E402

MIB = 1 << 20
SANITIZER_NAMES = {"ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS"}
MODULES = pathlib.Path("/usr/lib/apache2/modules")


class FrontEnd(Site):
    """A web server of `make install`'s, whose files were moved to a folder of the test."""

    with_starter = False  # whether deploy/oam-fcgi starts the programs
    is_cgi = False
    starter = None
    tls_port = None  # set: with what stands in the files as comments

    def __init__(self, folder, env=None):
        super().__init__(folder, env)
        self.programs = self.folder / "libexec"
        self.deploy = self.folder / "deploy"
        self.scratch = self.folder / "scratch"
        self.scratch.mkdir()
        shutil.copytree(BUILD / "cgi", self.programs, ignore=shutil.ignore_patterns("*.*"))
        shutil.copytree(ROOT / "deploy", self.deploy)

    @property
    def user(self):
        """For Popen: who the web server runs as."""
        if os.geteuid() != 0:
            return {}
        user = pwd.getpwnam("www-data")
        return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}

    def own(self):
        if self.user:
            for path in [self.folder, *self.folder.rglob("*")]:
                os.chown(path, self.user["user"], self.user["group"], follow_symlinks=False)

    def shipped(self, name, **changes):
        """A shipped file, and those that it includes, with our places for the real ones.
        Each of `changes` must be there."""
        for path in (self.deploy / name).parent.iterdir():
            text = path.read_text()
            if self.tls_port:  # prose has a space behind its '#', directives have none
                text = re.sub(r"^(\s*)#(?=\S)", r"\1", text, flags=re.M)
            for old, new in {
                "/etc/letsencrypt/live/oam.example.org": self.scratch,
                "listen 443": f"listen 127.0.0.1:{self.tls_port}",
                '":443"': f'"127.0.0.1:{self.tls_port}"',
                "/usr/local/libexec/oam": self.programs,
                "/usr/local/share/oam/deploy": self.deploy,
                "/var/lib/oam/.env": self.env_file,
                "/run/oam": self.run,
                "/run/lighttpd": self.run,
            }.items():
                text = text.replace(old, str(new))
            path.write_text(text)
        path = self.deploy / name
        text = path.read_text()
        for old, new in changes.values():
            assert old in text, old
            text = text.replace(old, str(new))
        path.write_text(text)
        return path

    def popen(self, command, **extra):
        return subprocess.Popen(
            command,
            env=self.environment(**extra),
            stdout=self.log_file,
            stderr=self.log_file,
            stdin=subprocess.DEVNULL,
            cwd=self.folder,
            **self.user,
        )

    def started_programs(self):
        """The folder for deploy/oam-fcgi, and more for its environment."""
        return self.programs, {}

    def launch(self):
        self.own()
        if self.with_starter:
            programs, more = self.started_programs()
            self.starter = self.popen(
                [self.deploy / "oam-fcgi"],
                OAM_PROGRAMS=str(programs),
                OAM_RUN=str(self.run),
                **more,
            )
            programs = len(list(self.programs.iterdir()))
            eventually(lambda: len(list(self.run.glob("*.sock"))) == programs)
        return self.popen(self.server())

    def stop(self):
        try:
            if self.starter:
                self.starter.terminate()
                self.starter.wait(60)
                assert list(self.run.iterdir()) == []
        finally:
            self.starter = None
            super().stop()


class Lighttpd(FrontEnd):
    include = "oam.conf"

    def server(self):
        site = self.shipped(
            "lighttpd/oam-site.conf", include=("lighttpd/oam.conf", f"lighttpd/{self.include}")
        )
        main = self.folder / "lighttpd.conf"
        main.write_text(
            f'server.bind = "127.0.0.1"\n'
            f"server.port = {self.port}\n"
            f'server.document-root = "{self.scratch}"\n'
            f'server.upload-dirs = ( "{self.scratch}" )\n'
            f'include "{site}"\n'
        )
        return ["lighttpd", "-D", "-f", main]


class LighttpdCgi(Lighttpd):
    include = "oam-cgi.conf"
    is_cgi = True


class Nginx(FrontEnd):
    with_starter = True

    def server(self):
        site = self.shipped(
            "nginx/oam-site.conf", listen=("listen 80;", f"listen 127.0.0.1:{self.port};")
        )
        temporary = "".join(
            f"    {kind}_temp_path {self.scratch}/{kind};\n"
            for kind in ("client_body", "fastcgi", "proxy", "scgi", "uwsgi")
        )
        main = self.folder / "nginx.conf"
        main.write_text(
            "daemon off;\n"
            f"pid {self.scratch}/pid;\n"
            "error_log stderr;\n"
            "events {}\n"
            "http {\n"
            f"    access_log off;\n{temporary}"
            f"    include {site};\n"
            "}\n"
        )
        return ["nginx", "-e", "stderr", "-c", main]


class NginxConfined(Nginx):
    """As oam.target has it, as far as that goes without systemd: see tests/confine.py."""

    unit = ROOT / "deploy/systemd/oam@.service"
    # LeakSanitizer wants ptrace at the end of a process.
    asan = {"ASAN_OPTIONS": "detect_leaks=0:detect_stack_use_after_return=1"}

    def confined(self, program, *arguments):
        """A command line for it."""
        self.confine = self.folder / "confine.py"
        shutil.copy(ROOT / "tests/confine.py", self.confine)
        shutil.copy(self.unit, self.folder / "unit")
        confine = ["/usr/bin/python3", "-B", self.confine, self.folder / "unit", self.folder]
        return [*map(str, confine), str(program), *arguments]

    def started_programs(self):
        wrappers = self.folder / "confined"
        wrappers.mkdir(exist_ok=True)
        for program in self.programs.iterdir():
            wrapper = wrappers / program.name
            wrapper.write_text(f"#!/bin/sh\nexec env -u PWD {shlex.join(self.confined(program))}\n")
            wrapper.chmod(0o755)
        self.own()
        return wrappers, self.asan

    def start(self):
        command = self.confined("/bin/true")
        self.own()
        tried = self.try_to_run(command)
        assert (tried.returncode, tried.stderr) == (0, "")
        return super().start()

    def try_to_run(self, command):
        """Containers may forbid the namespaces that it takes."""
        done = subprocess.run(
            command, capture_output=True, text=True, env=self.environment(**self.asan), **self.user
        )
        if "confine: unshare" in done.stderr:
            pytest.skip("no user namespaces here: " + done.stderr)
        return done


class Apache(FrontEnd):
    include = "oam-proxy.conf"
    modules = ["proxy", "proxy_fcgi"]
    with_starter = True
    more = ""

    def server(self):
        site = self.shipped(
            "apache/oam-site.conf",
            port=("*:80>", f"127.0.0.1:{self.port}>"),
            include=("apache/oam-proxy.conf", f"apache/{self.include}"),
        )
        modules = ["mpm_event", "authz_core", "alias", "env", *self.modules]
        modules += ["ssl"] if self.tls_port else []
        main = self.folder / "apache.conf"
        main.write_text(
            "".join(f"LoadModule {m}_module {MODULES}/mod_{m}.so\n" for m in modules)
            + f"ServerRoot {self.folder}\n"
            f"DefaultRuntimeDir {self.scratch}\n"
            f"PidFile {self.scratch}/pid\n"
            f"DocumentRoot {self.scratch}\n"
            f"Listen 127.0.0.1:{self.port}\n"
            "ServerName oam.test\n"
            "ErrorLog /dev/stderr\n"
            # As Debian's apache2.conf has it.
            "<Directory />\n\tAllowOverride None\n\tRequire all denied\n</Directory>\n"
            f"{self.more.format(self=self)}"
            f"Include {site}\n"
        )
        return ["apache2", "-D", "FOREGROUND", "-f", main]


class ApacheFcgid(Apache):
    include = "oam-fcgid.conf"
    modules = ["fcgid"]
    with_starter = False
    more = "FcgidIPCDir {self.scratch}\nFcgidProcessTableFile {self.scratch}/fcgid_shm\n"


class ApacheCgid(Apache):
    include = "oam-cgid.conf"
    is_cgi = True
    modules = ["cgid"]
    with_starter = False
    more = "ScriptSock {self.scratch}/cgisock\n"


FRONT_ENDS = {
    "lighttpd-fastcgi": Lighttpd,
    "lighttpd-cgi": LighttpdCgi,
    "nginx-fastcgi": Nginx,
    "nginx-confined": NginxConfined,
    "apache-proxy_fcgi": Apache,
    "apache-fcgid": ApacheFcgid,
    "apache-cgid": ApacheCgid,
}


@pytest.fixture(scope="module", params=FRONT_ENDS.values(), ids=list(FRONT_ENDS))
def site(request):
    with tempfile.TemporaryDirectory(prefix="oam-test-") as folder:
        site = request.param(folder).migrate()
        try:
            site.start()
            yield site
        finally:
            site.stop()


def test_the_ten_requests(site):
    id = site.post("/initialize", b"").data["assistantId"]
    assert site.get("/current").data["status"]["assistantId"] == id
    reply = site.post("/refresh", {"config": {"name": "N"}}).data
    new = reply["newAssistantId"]
    assert reply["previousAssistantId"] == id and reply["status"]["assistantId"] == new
    assert [a["id"] for a in site.get("/list").data["assistants"]] == [new, id]
    assert site.get("/details").data["id"] == new
    assert site.get(f"/details/{id}").data["id"] == id
    assert site.put(f"/update/{new}", {"updates": {"name": "M"}}).data["name"] == "M"
    assert site.delete(f"/delete/{id}").data["deleted"] is True
    assert site.get(f"/details/{id}").error["code"] == "assistant_not_found"
    assert site.post("/cleanup", {"keepCount": 3}).data["deletedCount"] == 0
    assert site.get("/status").data["assistantId"] == new
    interval = site.put("/refresh-interval", {"intervalMs": 7_200_000}).data
    assert interval["newIntervalHours"] == 2.0


def test_headers(site):
    reply = site.get("/status", headers={"X-Request-Id": "abc-123"})
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["cache-control"] == "no-store"
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert reply.headers["x-request-id"] == "abc-123"
    assert site.get("/status").headers["x-request-id"].startswith("req_")


def test_tokens(site):
    hour = int(time.time()) - 3600
    for token, code in {
        None: "missing_token",
        "x.y.z": "invalid_token",
        make_token({"exp": hour}): "invalid_token",
        make_token(secret="0" * 48): "invalid_token",
    }.items():
        for reply in (site.get("/current", token=token), site.post("/refresh", token=token)):
            assert reply.status == 401
            assert reply.error["code"] == code
            assert reply.headers["www-authenticate"].startswith('Bearer realm="oam"')


def test_head(site):
    for path in ("/status", "/current"):
        get, head = site.get(path), site.request("HEAD", path)
        assert (head.status, head.raw) == (200, b"")
        assert head.headers["content-type"] == get.headers["content-type"]
        # A server may leave it away (RFC 9110, 8.6), but not say another one.
        length = head.headers.get("content-length", str(len(get.raw)))
        assert length == str(len(get.raw))


def test_queries(site):
    assert site.get("/list?limit=1&order=asc").data["count"] <= 1
    assert site.get("/list?limit=0").error["param"] == "limit"
    assert site.get("/current?profile=nobody").error["code"] == "profile_not_found"
    assert site.get("/current?profile=%C3%A4").error["param"] == "profile"
    assert site.get("/list?x=%zz").status == 400


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_other_methods(site, method):
    reply = site.request(method, "/refresh")
    assert reply.status == 405
    assert reply.headers["allow"] == "POST"
    assert reply.error["code"] == "method_not_allowed"


@pytest.mark.parametrize(
    "path",
    ["", "/", "/nothing", "/refresh-intervals", "/currently", "/status/", "/details/a/b",
     "/initialize/x", "/nothing/asst_x?y=z", "/update", "/a%20b", "/%C3%A4"],
)  # fmt: skip
def test_other_paths(site, path):
    reply = site.get(path)
    assert (reply.status, reply.headers["content-type"]) == (404, "application/json")
    assert reply.error["code"] == "not_found"


@pytest.mark.parametrize("id", ["asst_x", "%C3%A4%F0%9F%98%80", "a%20b", "a%2Bb", "a+b", "a;b=c"])
def test_ids(site, id):
    reply = site.get(f"/details/{id}")
    assert reply.status == 404, reply.raw
    assert reply.error["code"] == "assistant_not_found"


def test_an_encoded_slash_finds_nothing(site):
    reply = site.get("/details/a%2Fb")
    assert reply.status == 404 and reply.error["code"].endswith("not_found")


def test_unicode(site):
    name = "Ürgüp 発票 🧾 \u2028 \"'"
    new = site.post("/refresh", {"config": {"name": name}}).data["newAssistantId"]
    assert site.get(f"/details/{new}").data["name"] == name
    assert site.put(f"/update/{new}", json.dumps(
        {"updates": {"name": name + "é"}}, ensure_ascii=False).encode()).data["name"] == name + "é"
    assert site.post("/refresh", b'{"config":{"name":"\xff"}}').error["code"] == "invalid_json"


def test_the_largest_body(site):
    for size, status in ((MIB, 200), (MIB + 1, 413), (4 * MIB, 413)):
        body = b"{" + b" " * (size - 2) + b"}"
        reply = site.post("/initialize", body)
        assert reply.status == status, (size, reply.raw)
        if status == 413:
            assert reply.error["code"] == "body_too_large"
        # The same from somebody without a token.
        reply = site.post("/initialize", body, token=None)
        assert reply.status == 401


def test_a_body_in_chunks(site):
    """Servers may refuse a body without a length, but not lose it."""
    body = iter([b'{"keepCount"', b":2", b"}"])
    headers = {"Authorization": f"Bearer {make_token()}", "Content-Type": "application/json"}
    connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=60)
    connection.request(
        "POST", f"{BASE}/cleanup", body=body, headers=headers, encode_chunked=True
    )
    response = connection.getresponse()
    raw = response.read()
    connection.close()
    assert response.status in (200, 411), raw
    if response.status == 200:
        assert json.loads(raw)["data"]["keepCount"] == 2


def test_a_due_refresh_does_not_hold_the_answer(site):
    old = site.get("/current").data["assistantId"]
    site.put("/refresh-interval", {"intervalMs": 86_400_000})
    site.make_due()
    assert site.get("/current").data["assistantId"] == old
    eventually(lambda: site.get("/current").data["assistantId"] != old)


def test_at_one_time(site):
    with ThreadPoolExecutor(12) as pool:
        replies = list(pool.map(lambda _: site.get("/current"), range(48)))
    assert {r.status for r in replies} == {200}
    assert len({r.data["assistantId"] for r in replies}) == 1


def test_openais_own_protocol(site):
    made = site.post("//v1/assistants", {"model": "m", "name": "é"})
    id = made.json["id"]
    assert site.get("//v1/assistants?limit=1").json["data"][0]["id"] == id
    assert site.post(f"//v1/assistants/{id}", {"name": "N"}).json["name"] == "N"
    assert site.get(f"//v1/assistants/{id}").json["name"] == "N"
    assert site.delete(f"//v1/assistants/{id}").json["deleted"] is True
    for path in (f"//v1/assistants/{id}", "//v1/threads", "//v1/"):
        reply = site.get(path)
        assert reply.status == 404
        assert reply.json["error"]["type"] == "invalid_request_error"
    assert site.get("//v1/assistants", token=None).status == 401


def test_metrics(site):
    reply = site.get("/metrics")
    assert reply.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert b"oam_assistants" in reply.raw


def test_a_missing_program_does_no_harm(site):
    """One that somebody did not install; the rest goes on."""
    if not site.is_cgi:
        pytest.skip("FastCGI: the programs run already")
    (site.programs / "metrics").rename(site.scratch / "metrics")
    try:
        assert site.get("/metrics").status >= 400
        assert site.get("/status").status == 200
    finally:
        (site.scratch / "metrics").rename(site.programs / "metrics")


def test_the_environment_is_clean(site):
    """Nothing of whoever started the web server reaches a program but what ours name."""
    if site.is_cgi:
        pytest.skip("plain CGI: no program runs between requests")
    for pid in site.processes():
        try:
            text = pathlib.Path(f"/proc/{pid}/environ").read_text()
        except OSError:
            continue
        names = {v.split("=", 1)[0] for v in text.split("\0") if v}
        assert names <= {
            "ENDPOINT_END_WITH_PARENT", "OAM_ENV_FILE", "OAM_WORKERS", "PATH",
            "PHP_FCGI_CHILDREN", *SANITIZER_NAMES,
        }  # fmt: skip


@pytest.mark.parametrize("kind", [Lighttpd, Nginx, Apache])
def test_the_comments(kind):
    """TLS, and limits of requests: they are right once the '#' is gone."""
    with tempfile.TemporaryDirectory(prefix="oam-test-") as folder:
        site = kind(folder).migrate()
        make_certificate(site.scratch)
        # Apache's comment turns its only port to TLS.
        site.tls_port = "the same" if kind is Apache else free_port()
        try:
            site.start()
            port = site.port if kind is Apache else site.tls_port
            context = ssl.create_default_context(cafile=site.scratch / "fullchain.pem")
            connection = http.client.HTTPSConnection("127.0.0.1", port, context=context)
            connection.request(
                "GET", f"{BASE}/current", headers={"Authorization": f"Bearer {make_token()}"}
            )
            assert connection.getresponse().status == 200
            assert connection.sock.version() in ("TLSv1.2", "TLSv1.3")
            connection.close()
            if kind is Nginx:
                with ThreadPoolExecutor(20) as pool:  # one after the other may be slow enough
                    statuses = set(pool.map(lambda _: site.get("/status").status, range(60)))
                assert statuses == {200, 429}
        finally:
            site.stop()


def make_certificate(folder):
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
        + ["-nodes", "-subj", "/CN=oam.test", "-addext", "subjectAltName=IP:127.0.0.1"]
        + ["-keyout", folder / "privkey.pem", "-out", folder / "fullchain.pem"],
        check=True,
        capture_output=True,
    )


def test_the_sockets_are_the_web_servers_alone(site):
    sockets = list(site.run.glob("*"))
    assert sockets or site.is_cgi or isinstance(site, ApacheFcgid)
    for path in sockets:
        assert path.is_socket()
        others = path.stat().st_mode & 0o007 and site.run.stat().st_mode & 0o007
        assert not others, path


# Run within the restrictions, and without: each is true when it could be done.
ATTEMPTS = """
import ctypes, json, mmap, os, pathlib, socket, sys
libc = ctypes.CDLL(None, use_errno=True)
state, outside, secret = sys.argv[1:]

def write(folder):
    path = pathlib.Path(folder, "made")
    path.write_text("")
    path.unlink()

def chmod(mode):
    path = pathlib.Path(state, "changed")
    path.write_text("")
    try:
        path.chmod(mode)
    finally:
        path.unlink()

def call(name, *arguments):
    if getattr(libc, name)(*arguments) < 0:
        raise OSError(ctypes.get_errno(), name)

def can(action):
    try:
        action()
        return True
    except OSError:
        return False

print(json.dumps({name: can(action) for name, action in {
    "write the state": lambda: write(state),
    "keep the owner of a file": lambda: os.chown(state, os.getuid(), os.getgid()),
    "use UNIX sockets": lambda: socket.socket(socket.AF_UNIX).close(),
    "use the network": lambda: socket.socket(socket.AF_INET6).close(),
    "start processes": lambda: os.waitpid(os.posix_spawn("/bin/true", ["true"], {}), 0),
    "write elsewhere": lambda: write(outside),
    "read the /tmp of others": lambda: open(secret).close(),
    "read of the kernel": lambda: open("/proc/sys/kernel/ostype").close(),
    "see devices": lambda: os.stat("/dev/ptmx"),
    "use other sockets": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW).close(),
    "write code": lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_WRITE | mmap.PROT_EXEC),
    "make namespaces": lambda: call("unshare", 0x10000000),
    "change personality": lambda: call("personality", 0x0040000),
    "set priorities": lambda: os.setpriority(os.PRIO_PROCESS, 0, 19),
    "trace": lambda: call("ptrace", 0, 0, 0, 0),
    "make a file set-user-id": lambda: chmod(0o4700),
}.items()}))
"""
NEEDED = {"write the state", "keep the owner of a file", "use UNIX sockets", "use the network",
          "start processes"}  # fmt: skip


def test_the_restrictions_are_live():
    """What they forbid can be done without them, and what the programs need with them."""
    with tempfile.TemporaryDirectory(prefix="oam-test-") as outside:
        os.chmod(outside, 0o777)
        (pathlib.Path(outside) / "secret").write_text("")
        with tempfile.TemporaryDirectory(prefix="oam-test-") as folder:
            site = NginxConfined(folder)
            arguments = ["-c", ATTEMPTS, folder, outside, f"{outside}/secret"]
            program = ["/usr/bin/python3", *arguments]
            found = []
            for command in program, site.confined(*program):
                site.own()
                done = site.try_to_run(command)
                assert done.returncode == 0, done.stderr
                found.append(json.loads(done.stdout))
            free, confined = found
            assert [name for name, could in free.items() if not could] == []
            assert {name for name, could in confined.items() if could} == NEEDED


def test_a_pass_within_its_restrictions():
    """oam-refresh as oam-refresh.service has it: creates, publishes and runs a hook."""
    with tempfile.TemporaryDirectory(prefix="oam-test-") as folder:
        site = NginxConfined(folder, {"OAM_HOOKS_DIR": f"{folder}/hooks"}).migrate()
        site.unit = ROOT / "deploy/systemd/oam-refresh.service"
        id = site.oam("initialize", "--quiet").stdout.strip()
        site.make_due()
        hook = site.folder / "hooks/deploy.d/note"
        hook.parent.mkdir(parents=True)
        hook.write_text(f'#!/bin/sh\necho "$OAM_ASSISTANT_ID" >{folder}/noted\n')
        hook.chmod(0o755)
        for name in ("oam", "oam-refresh"):  # where they are may be hidden then
            shutil.copy(BUILD / "cli" / name, site.folder)
        command = site.confined(site.folder / "oam-refresh")
        site.own()
        done = site.try_to_run(command)
        assert done.returncode == 10, done.stderr
        new = (site.folder / "noted").read_text().strip()
        assert new.startswith("asst_") and new != id
        assert f"OPENAI_ASSISTANT_ID={new}\n" in site.env_file.read_text()
        assert f'"{new}"' in (site.folder / "config/openai-assistant.json").read_text()


def test_the_programs_are_confined(site):
    if not isinstance(site, NginxConfined):
        pytest.skip("only one of them is")
    statuses = [pathlib.Path(f"/proc/{pid}/status").read_text() for pid in site.processes()]
    assert len(statuses) >= len(list(site.programs.iterdir()))
    for text in statuses:
        fields = dict(line.split(":\t", 1) for line in text.splitlines())
        assert (fields["Seccomp"], fields["NoNewPrivs"], fields["Umask"]) == ("2", "1", "0077")
        for name in ("CapEff", "CapPrm", "CapInh", "CapBnd", "CapAmb"):
            assert int(fields[name], 16) == 0


def slow_refresh(kind):
    upstream = FakeUpstream()
    with tempfile.TemporaryDirectory(prefix="oam-test-") as folder:
        site = kind(
            folder,
            {"OPENAI_BASE_URL": upstream.url, "OPENAI_API_KEY": "k", "OAM_WORKERS": "1"},
        ).migrate()
        try:
            site.start()
            upstream.delay = 12
            began = time.monotonic()
            reply = site.post("/refresh", timeout=90)
            return reply.status, reply.raw, time.monotonic() - began
        finally:
            upstream.delay = 0
            site.stop()
            upstream.close()


def test_a_slow_upstream():
    """A refresh is a creation and a look at what was made, 12 s each here: no server gives
    up. All of them wait at one time."""
    with ThreadPoolExecutor(len(FRONT_ENDS)) as pool:
        answers = dict(zip(FRONT_ENDS, pool.map(slow_refresh, FRONT_ENDS.values())))
    for name, (status, raw, seconds) in answers.items():
        assert status == 200 and seconds > 20, (name, status, raw, seconds)


# ---- systemd, cron ----

UNITS = sorted((ROOT / "deploy/systemd").glob("*.service"))


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd-analyze")
@pytest.mark.parametrize("unit", UNITS, ids=lambda u: u.name)
def test_services_are_confined(unit):
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", unit],
        capture_output=True,
        text=True,
    )
    exposure = re.search(r"exposure level for \S+: ([\d.]+)", done.stdout)
    assert exposure, done.stdout + done.stderr
    assert float(exposure.group(1)) <= 2.0, done.stdout


# ---- deploy/oam-fcgi ----

SLOW_TO_END = """#!/bin/sh
trap 'touch asked; while [ ! -e may-end ]; do sleep 0.05; done; exit' TERM
touch runs
while :; do sleep 0.05; done
"""


def test_a_second_signal_leaves_no_socket():
    """While a program finishes its request."""
    with tempfile.TemporaryDirectory(prefix="oam-test-") as name:
        site = FrontEnd(name)
        folder, programs = site.folder, site.folder / "programs"
        programs.mkdir()
        (programs / "slow").write_text(SLOW_TO_END)
        (programs / "slow").chmod(0o755)
        site.own()
        site.log_file = open(site.log, "ab")
        starter = site.popen(
            [ROOT / "deploy" / "oam-fcgi"], OAM_PROGRAMS=str(programs), OAM_RUN=str(site.run)
        )
        try:
            eventually(lambda: (folder / "runs").exists())
            starter.terminate()
            eventually(lambda: (folder / "asked").exists())
            starter.terminate()
            time.sleep(0.2)  # a script that it ends is gone by then
        finally:
            (folder / "may-end").touch()
        assert starter.wait(30) == 0, site.log.read_text()
        assert list(site.run.iterdir()) == []
