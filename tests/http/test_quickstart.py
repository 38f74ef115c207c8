"""`make run`, as a person uses it: start, paste, stop, start again."""

import os
import pathlib
import re
import signal
import socket
import subprocess
import tempfile

import pytest
from conftest import BUILD, ROOT, SANITIZER_ENV, SANITIZER_FAULT, eventually, free_port


class Run:
    def __init__(self, state, **extra):
        self.port = free_port()
        state.parent.mkdir(exist_ok=True)
        self.out = open(state.parent / "out", "w+")
        self.process = subprocess.Popen(
            [ROOT / "deploy" / "quickstart"],
            env={
                "PATH": os.environ["PATH"],
                **SANITIZER_ENV,
                "PORT": str(self.port),
                "STATE_DIR": str(state),
                "TMPDIR": str(state.parent),
                "B": str(BUILD),
                **extra,
            },
            stdin=subprocess.DEVNULL,
            stdout=self.out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            # A shell starts what is in its background with SIGINT ignored, and a script cannot
            # trap what was ignored when it began.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    def text(self):
        self.out.seek(0)
        return self.out.read()

    def ready(self):
        eventually(lambda: self.process.poll() is not None or "Ctrl-C" in self.text(), 30)
        assert self.process.poll() is None, self.text()
        return self

    def stop(self, how=signal.SIGINT):
        os.killpg(self.process.pid, how)
        status = self.process.wait(30)
        assert not SANITIZER_FAULT.search(self.text()), self.text()
        return status


@pytest.fixture
def state():
    with tempfile.TemporaryDirectory(prefix="oam-test-") as folder:
        yield pathlib.Path(folder) / "state"


@pytest.fixture
def start(state):
    """Starts runs that end with the test, whatever becomes of it."""
    made = []

    def start(state=state, **extra):
        made.append(Run(state, **extra))
        return made[-1]

    yield start
    for run in made:
        if run.process.poll() is None:
            run.stop(signal.SIGTERM)
        run.out.close()


def paste(run, method):
    """Runs a printed curl line as the reader would."""
    text = run.text()
    token = re.search(r"^\s+(TOKEN=\S+)$", text, re.M).group(1)
    line = next(l for l in text.splitlines() if "curl" in l and method in l)
    done = subprocess.run(
        ["sh", "-c", f"{token}\n{line}"], capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_two_runs_on_one_state(start, state):
    run = start().ready()
    made = re.search(r"asst_\w+", paste(run, "initialize")).group()
    assert made in paste(run, "current")
    assert (state.stat().st_mode & 0o777) == 0o700
    assert ((state / ".env").stat().st_mode & 0o777) == 0o600
    env = (state / ".env").read_bytes()
    assert run.stop() == 0

    run = start().ready()
    assert made in paste(run, "status")
    assert (state / ".env").read_bytes() == env
    assert run.stop(signal.SIGTERM) == 0
    left = subprocess.run(["pgrep", "-f", str(state)], capture_output=True)
    assert left.returncode == 1, left.stdout


def family(state, server=False):
    """The processes that serve from a state: lighttpd alone, or all."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"OAM_ENV_FILE={state}/.env".encode() not in path.read_bytes():
                continue
            exe = os.readlink(path.parent / "exe")
        except OSError:
            continue
        if exe.endswith("/lighttpd") or (not server and "/cgi/" in exe):
            found.append(int(path.parent.name))
    return found


@pytest.mark.parametrize("who", ["the web server", "the script", "the group", "both"])
def test_a_kill_leaves_nobody(start, state, who):
    run = start().ready()
    (server,) = family(state, server=True)
    if who in ("the web server", "both"):
        os.kill(server, signal.SIGKILL)
    if who in ("the script", "both"):
        run.process.kill()
    if who == "the group":
        run.stop(signal.SIGINT)
    run.process.wait(30)
    eventually(lambda: not family(state))


def status_of(pid, field):
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return re.search(rf"^{field}:\s*(\w+)", text, re.M)[1]


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_leaves_nothing_undone(start, state, how):
    """make sends SIGTERM once more, and who is impatient presses Ctrl-C once more."""
    run = start().ready()
    (server,) = family(state, server=True)
    os.kill(server, signal.SIGSTOP)  # so that the script is not done before the second one
    try:
        eventually(lambda: status_of(server, "State") == "T")
        run.process.send_signal(how)
        eventually(lambda: int(status_of(server, "ShdPnd"), 16) >> (signal.SIGTERM - 1) & 1)
        run.process.send_signal(how)
    finally:
        os.kill(server, signal.SIGCONT)
    assert run.process.wait(30) == 0
    assert not list(state.parent.glob("oam-run.*"))
    eventually(lambda: not family(state))


def test_as_plain_cgi(start):
    run = start(CGI="1").ready()
    assert "asst_" in paste(run, "current")
    assert run.stop() == 0


def test_a_proxy_is_not_asked_for_this_machine(start):
    """Its answer, or that it cannot be reached, says nothing about the port."""
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        url = f"http://127.0.0.1:{proxy.getsockname()[1]}"
        run = start(http_proxy=url, all_proxy=url).ready()
        proxy.setblocking(False)
        with pytest.raises(BlockingIOError):
            proxy.accept()
    assert run.stop() == 0


def test_a_taken_port_is_named(start, state):
    first = start().ready()
    other = state.parent / "other"
    second = start(other / "state", PORT=str(first.port))
    assert second.process.wait(30) == 1
    assert f"port {first.port} already" in second.text()
    assert not (other / "state").exists()


@pytest.mark.parametrize("port", ["http", "-1", "80 80"])
def test_a_bad_port_is_named(start, port):
    run = start(PORT=port)
    assert run.process.wait(30) == 1
    assert "PORT must be a number" in run.text()
