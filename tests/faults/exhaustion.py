"""Runs one program whose memory, files or SQLite calls fail at a chosen moment (inject.c),
and checks what came of it."""

import concurrent.futures
import json
import os
import pathlib
import random
import re
import shutil
import sqlite3
import subprocess
import tempfile
import threading
import time
import traceback

from conftest import BASE, BUILD, SANITIZER_ENV, SECRET, answer_schema, make_token

INJECT = BUILD / "tests/faults/inject.so"

# "": a sample; "places": each place in the code once; "all": each call.
HOW_MUCH = os.environ.get("EXHAUSTION", "")
SEED = int(os.environ.get("SEED", time.time()))
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None

EXIT_SANITIZER = 99


class Folder:
    """The state of one run: a copy of a prepared one."""

    def __init__(self, template=None):
        self.temporary = tempfile.TemporaryDirectory(prefix="oam-test-", dir=MEMORY)
        self.top = pathlib.Path(self.temporary.name)
        self.path = self.top / "state"
        self.reports = self.top / "reports"
        self.env_file = self.path / ".env"
        self.config = self.path / "config/openai-assistant.json"
        self.db = self.path / "oam.db"
        self.variables = {}  # of the environment of all that runs here
        self.reports.mkdir()
        if template:
            shutil.copytree(template.path, self.path)
        else:
            self.path.mkdir(mode=0o700)
            self.env_file.write_text(f"JWT_SECRET={SECRET}\nOTHER='kept as it is'\n")
            self.env_file.chmod(0o600)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.temporary.cleanup()

    def sql(self, query, *values):
        connection = sqlite3.connect(self.db, timeout=30)
        try:
            with connection:
                return connection.execute(query, values).fetchall()
        finally:
            connection.close()

    def run(self, command, inject=None, stdin=b"", slow_stacks=0, **extra):
        """`command`: path below build/, and arguments. Waits for all of its processes."""
        options = f"fast_unwind_on_malloc={1 - slow_stacks}:"
        options += f"verify_asan_link_order=0:log_path={self.reports}/asan:exitcode=99"
        if inject and "count" in inject:
            inject, options = {"INJECT": inject["count"]}, options + ":detect_leaks=0"
        else:
            options += ":detect_leaks=1"
        reading, writing = os.pipe()
        try:
            done = subprocess.run(
                [BUILD / command[0], *command[1:]],
                env={
                    "PATH": os.environ["PATH"],
                    **SANITIZER_ENV,
                    "ASAN_OPTIONS": options,
                    "UBSAN_OPTIONS": f"print_stacktrace=1:log_path={self.reports}/ubsan",
                    "OAM_ENV_FILE": str(self.env_file),
                    **({"LD_PRELOAD": str(INJECT), **inject} if inject else {}),
                    **self.variables,
                    **extra,
                },
                cwd=self.path,
                input=stdin,
                capture_output=True,
                timeout=120,
                pass_fds=[writing],
            )
        finally:
            os.close(writing)
        os.read(reading, 1)  # the end, when the last process of it has ended
        os.close(reading)
        return done

    def sanitizer_reports(self):
        return [p.read_text(errors="replace") for p in self.reports.glob("*san*")]


def id_of(label, state="used"):
    query = "SELECT id FROM assistant WHERE label = ?"
    return template(state).sql(query, label)[0][0]


def fill_in(text):
    """{current} and {previous} are ids of the prepared state."""
    for label in ("current", "previous"):
        if "{%s}" % label in text:
            text = text.replace("{%s}" % label, id_of(label))
    return text


class Case:
    """One command or request, and what its success promises."""

    def __init__(self, name, command, promise=None, state="used", stdin=b"", **variables):
        self.name, self.command, self.state = name, command, state
        self.promise = promise or (lambda folder, answer: None)
        self.method, self.target = None, None
        self.stdin, self.variables = stdin, variables

    def run(self, folder, inject=None, **extra):
        command = [fill_in(word) for word in self.command]
        variables = {name: fill_in(value) for name, value in self.variables.items()}
        return folder.run(command, inject, self.stdin, **variables, **extra)


class Request(Case):
    """The same for an endpoint, run as a plain CGI program."""

    def __init__(self, name, method, path, body=None, promise=None, state="used", query=""):
        super().__init__(f"{method} {path}", [f"cgi/{name}"], promise, state)
        self.method, self.target = method, path
        self.stdin = b"" if body is None else json.dumps(body).encode()
        self.variables = {
            "REQUEST_METHOD": method,
            "SCRIPT_NAME": path if path.startswith("/v1") else BASE + path,
            "QUERY_STRING": query,
        }
        if body is not None:
            self.variables |= {
                "CONTENT_TYPE": "application/json",
                "CONTENT_LENGTH": str(len(self.stdin)),
            }

    def run(self, folder, inject=None, token="good", **extra):
        if token == "good":
            token = make_token()
        if token is not None:
            extra["HTTP_AUTHORIZATION"] = f"Bearer {token}"
        return super().run(folder, inject, **extra)


class Answer:
    """What a CGI program wrote; None of it when it wrote nothing."""

    def __init__(self, output):
        self.status, self.json, self.raw = None, None, output
        if not output:
            return
        head, self.body = output.split(b"\r\n\r\n", 1)
        self.fields = dict(
            line.split(": ", 1) for line in head.decode("ascii").split("\r\n")
        )
        self.status = int(self.fields["Status"][:3])
        if "Content-Length" in self.fields:
            assert int(self.fields["Content-Length"]) == len(self.body), output
        if self.fields["Content-Type"] == "application/json":
            self.json = json.loads(self.body)


def read_answer(case, done):
    answer = Answer(done.stdout)
    if answer.status and answer.json is not None and not case.target.startswith("/v1"):
        path = fill_in(case.target)
        answer_schema(case.method, path, answer.status).validate(answer.json)
    return answer


templates = {}
templates_lock = threading.RLock()


def template(state):
    """A prepared state: "fresh" has only a schema, "used" has had some refreshes, "due" is
    that after a day and "interrupted" after a kill in a refresh; "none" has no store. Made
    once; remove_templates() is for the end."""
    with templates_lock:
        if state not in templates:
            templates[state] = prepare(state)
        return templates[state]


def remove_templates():
    while templates:
        templates.popitem()[1].temporary.cleanup()


def prepare(state):
    folder = Folder()
    if state == "none":
        return folder
    steps = [["migrate"]]
    if state != "fresh":
        steps += [["initialize"], ["refresh"], ["refresh"]]
    for step in steps:
        done = folder.run(["cli/oam", *step])
        assert done.returncode == 0, done.stderr
    if state in ("due", "interrupted"):
        folder.sql("UPDATE profile SET refreshed_at = refreshed_at - 90000000")
    if state == "interrupted":
        folder.sql(
            "INSERT INTO rotation (profile_id, reason, nonce, started_at) "
            "VALUES (1, 'cron', 'N', 1)"
        )
        folder.sql("UPDATE profile SET publish_at = 1, published_id = NULL")
    return folder


def count_calls(case, kind, **extra):
    """For each call of the kind, from where it came; all places differ when nobody asks."""
    with Folder(template(case.state)) as folder:
        places, report = folder.top / "places", folder.top / "report"
        if HOW_MUCH == "places":
            extra["INJECT_PLACES"] = str(places)
        done = case.run(folder, {"count": f"{kind},0"}, INJECT_REPORT=str(report), **extra)
        assert not folder.sanitizer_reports(), folder.sanitizer_reports()
        assert done.returncode in (0, 10), done.stderr
        count = max(int(line.split()[0]) for line in report.read_text().splitlines())
        data = places.read_bytes() if places.exists() else b""
        return [data[i : i + 8] for i in range(0, len(data), 8)] or list(range(count))


def choose_calls(calls, how_many, seed, start=0):
    """The numbers (from 1) of the calls to fail. The first `start` are the same for many
    cases: few of them do."""
    if HOW_MUCH == "all":
        return list(range(1, len(calls) + 1))
    by_place = {}
    for number, place in enumerate(calls[start:], start + 1):
        by_place.setdefault(place, []).append(number)
    chance = random.Random(f"{SEED} {seed}")
    chosen = [chance.choice(numbers) for numbers in by_place.values()]
    if HOW_MUCH != "places" and len(chosen) > how_many:
        chosen = chance.sample(chosen, how_many)
    if start:
        chosen += chance.sample(range(1, start + 1), min(start, how_many // 3))
    return sorted(chosen)


def check_state(folder, before, acknowledged_id=None):
    """Nothing is half-written, and one more oam-refresh brings everything to rest."""
    assert folder.sql("PRAGMA integrity_check") == [("ok",)]
    assert folder.sql("PRAGMA foreign_key_check") == []
    assert all(n == 1 for (n,) in folder.sql(
        "SELECT count(*) FROM assistant WHERE label = 'current' GROUP BY profile_id"
    ))
    env = folder.env_file.read_bytes()
    known = {id for (id,) in folder.sql("SELECT id FROM assistant")}
    assert acknowledged_id is None or acknowledged_id in known
    rest = re.sub(rb"OPENAI_ASSISTANT_ID=(\w*)\n", b"", env)
    assert rest == re.sub(rb"OPENAI_ASSISTANT_ID=(\w*)\n", b"", before), env
    for (id,) in re.findall(rb"OPENAI_ASSISTANT_ID=()\n", env):
        raise AssertionError(f"no id in the .env: {env}")
    if folder.config.exists():
        assert json.loads(folder.config.read_text())["assistantId"] in known
    # As when the pauses after a failure are over.
    folder.sql("UPDATE profile SET retry_at = 0, publish_at = min(publish_at, 1)")
    done = folder.run(["cli/oam-refresh"])
    assert done.returncode in (0, 10), (done.returncode, done.stderr)
    current = folder.sql("SELECT id FROM assistant WHERE label = 'current'")
    assert folder.sql("SELECT count(*) FROM rotation WHERE ended_at IS NULL") == [(0,)]
    assert folder.sql("SELECT count(*) FROM assistant WHERE label = 'pending'") == [(0,)]
    if current:
        assert folder.sql("SELECT publish_at FROM profile WHERE publish_at > 0") == []
        found = re.search(rb"^OPENAI_ASSISTANT_ID=(\w+)$", folder.env_file.read_bytes(), re.M)
        assert found and found[1].decode() == current[0][0]
        assert json.loads(folder.config.read_text())["assistantId"] == current[0][0]
    leftovers = [p.name for p in folder.path.rglob(".*.oam-*")]
    assert not leftovers, leftovers


def in_parallel(check, items):
    """Calls check(item) for all; raises one error that names all items that failed."""
    failures = []
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        futures = {pool.submit(check, item): item for item in items}
        for future in concurrent.futures.as_completed(futures):
            if future.exception():
                failures.append((futures[future], future.exception()))
    failures.sort(key=lambda f: str(f[0]))
    texts = [
        f"{item}: " + "".join(traceback.format_exception(e)[-3:])[:4000]
        for item, e in failures[:4]
    ]
    assert not failures, "\n".join(
        [f"SEED={SEED}: {len(failures)} of {len(items)} failed: "
         f"{[item for item, _ in failures][:60]}", *texts]
    )
