"""Work and memory grow with what is sent, not faster, whatever is sent.

The programs are those without sanitizers, as they are used. callgrind counts the
instructions of each request, which repeat where times do not."""

import pathlib
import re
import shutil

import fastcgi
import pytest
from conftest import BASE, BUILD, eventually, make_token

PLAIN = BUILD.parent / "cgi"
V1 = "/v1/assistants"
KB, MB = 1000, 1_000_000

# Ten times the input may take this many times the instructions.
GROWTH_MAX = 13

# Memory for a request: for each byte of it, and for what is there once. A change has two
# trees at a time: of the request, and of what the store has of it to be published.
ONE_TREE, TWO_TREES = 24, 40
BYTES_ONCE = 8 << 20
BYTES_KEPT = 6 << 20

# Far from what is needed, and from what growth with the square needs.
SECONDS_PER_MB = 4


def repeat(item, size, start="[", end="]", join=","):
    count = max(1, (size - 2) // (len(item) + len(join)))
    return start + join.join([item] * count) + end


def names(length, size):
    count = max(1, size // (length + 5))
    return "{" + ",".join(f'"{i:0{length}}":0' for i in range(count)) + "}"


# What is nasty: JSON of about so many bytes.
SHAPES = {
    "integers": lambda size: repeat("1", size),
    "decimals": lambda size: repeat("0.5e-1", size),
    "a long decimal": lambda size: "0." + "1" * size,
    "a long integer": lambda size: "1" * size,
    "empty objects": lambda size: repeat("{}", size),
    "empty arrays": lambda size: repeat("[]", size),
    "objects of one": lambda size: repeat('{"a":{"b":1}}', size),
    "nesting": lambda size: repeat("[" * 50 + "]" * 50, size),
    "names": lambda size: names(6, size),
    "long names": lambda size: names(900, size),
    "escapes": lambda size: repeat("\\n\\\"\\u0041\\u00e9\\/", size, '"', '"', ""),
    "surrogates": lambda size: repeat("\\ud83d\\ude00", size, '"', '"', ""),
    "halves of surrogates": lambda size: repeat("\\ud83d", size, '"', '"', ""),
    "a long string": lambda size: repeat("a", size, '"', '"', ""),
    "strings": lambda size: repeat('"a"', size),
    "nulls": lambda size: repeat("null", size),
    "white space": lambda size: repeat(" \n\t\r", size, "[", "]", ""),
}
FEW = ["integers", "empty objects", "names", "a long string"]


def tools(value):
    function = '{"name":"f","parameters":{"x":%s}}' % value
    return '{"model":"m","tools":[{"type":"function","function":%s}]}' % function


class Place:
    """Where it stands in a request. `body` gets it at its %s; `path` may have the {id} of an
    assistant."""

    def __init__(self, program, method, path, body, inner=str, shapes=FEW, trees=ONE_TREE):
        self.program, self.method, self.path = program, method, path
        self.shapes, self.trees = shapes, trees
        self.body = lambda shape, size: (body % inner(SHAPES[shape](size))).encode()


CHANGE = {"inner": tools, "shapes": SHAPES, "trees": TWO_TREES}
METADATA = '{"model":"m","metadata":{"a":%s}}'
PLACES = {
    "refresh": Place("refresh", "POST", "/refresh", '{"config":%s}', **CHANGE),
    "update": Place("update", "PUT", "/update/{id}", '{"updates":%s}', **CHANGE),
    "v1 modify": Place("v1-assistants", "POST", V1 + "/{id}", "%s", **CHANGE),
    "v1 create": Place("v1-assistants", "POST", V1, "%s", tools, SHAPES),
    "metadata": Place("v1-assistants", "POST", V1, METADATA, str, SHAPES),
    "cleanup": Place("cleanup", "POST", "/cleanup", '{"keepCount":%s}'),
    "interval": Place("refresh-interval", "PUT", "/refresh-interval", '{"intervalMs":%s}'),
    "initialize": Place("initialize", "POST", "/initialize", '{"x":%s}'),
    "delete": Place("delete", "DELETE", "/delete/asst_none", '{"x":%s}'),
    "current": Place("current", "GET", "/current", '{"x":%s}'),
    "status": Place("status", "GET", "/status", '{"x":%s}'),
    "list": Place("list", "GET", "/list", '{"x":%s}'),
    "details": Place("details", "GET", "/details", '{"x":%s}'),
    "metrics": Place("metrics", "GET", "/metrics", '{"x":%s}'),
}

# What is long besides the body.
HEADS = {
    "query": lambda size: {"QUERY_STRING": repeat("a=1", size, "", "", "&")},
    "query of one": lambda size: {"QUERY_STRING": "after=" + "%41" * (size // 3)},
    "path": lambda size: {"PATH_INFO": "/a" * (size // 2)},
    "token": lambda size: {"HTTP_AUTHORIZATION": "Bearer " + "a." * (size // 2)},
    "request id": lambda size: {"HTTP_X_REQUEST_ID": "a" * size},
    "beta": lambda size: {"HTTP_OPENAI_BETA": repeat("assistants=v2", size, "", "", ", ")},
    "cookie": lambda size: {"HTTP_COOKIE": "a" * size},
}


class Asked:
    """The program of a place, on a socket of its own. `wrapper` is a command that runs it."""

    def __init__(self, site, place, wrapper=()):
        self.place = PLACES[place]
        self.path = self.place.path.format(id=site.oam("current").stdout.strip())
        self.program = fastcgi.Program(
            PLAIN / self.place.program,
            site.environment(OAM_WORKERS="1"),
            site.folder / "socket",
            site.log,
            wrapper,
        )

    def stop(self):
        if self.program:
            self.program.stop()
        self.program = None

    def ask(self, body=b"", **more):
        if self.path.startswith(V1):
            more["SCRIPT_NAME"] = self.path
        data = fastcgi.request(self.place.method, self.path, body, **more)
        connection = fastcgi.Connection(self.program.path)
        return connection.send_all_that_is_wanted(data).answer()[0]


@pytest.fixture
def start(make_site):
    if not (PLAIN / "current").exists():
        pytest.skip("no programs without sanitizers: make all builds them")
    started = []

    def start(place, wrapper=lambda site: ()):
        site = make_site(start=False)
        site.oam("initialize")
        started.append(Asked(site, place, wrapper(site)))
        return started[0]

    yield start
    for asked in started:
        asked.stop()


def seconds(pid):
    """On a processor."""
    return int(pathlib.Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


def memory(pid):
    """Bytes: now, and the most since it was cleared."""
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return [int(re.search(rf"{name}:\s+(\d+) kB", text)[1]) << 10 for name in ("VmRSS", "VmHWM")]


@pytest.mark.parametrize("place", PLACES)
def test_memory_and_time_grow_with_the_input(start, place):
    asked = start(place)
    for _ in range(3):
        asked.ask()
    (worker,) = asked.program.workers()
    at_rest, _ = memory(worker)
    for shape in asked.place.shapes:
        asked.ask(asked.place.body("nulls", 1))  # what was there before is read, too
        for size in (10 * KB, 100 * KB, MB):
            body = asked.place.body(shape, size)
            pathlib.Path(f"/proc/{worker}/clear_refs").write_text("5")
            before, _ = memory(worker)
            used = -seconds(worker)
            assert asked.ask(body) in (200, 400, 404)
            used += seconds(worker)
            _, peak = memory(worker)
            assert used < SECONDS_PER_MB * max(size / MB, 0.1), (shape, size)
            assert peak - before <= asked.place.trees * len(body) + BYTES_ONCE, (shape, size)
            # The answer comes before the memory goes.
            eventually(lambda: memory(worker)[0] <= at_rest + BYTES_KEPT)


def counts(folder):
    """The instructions of each request, in the order of the requests."""
    dumps = {}
    for path in folder.glob("calls.*.*"):
        number = int(path.suffix[1:])
        dumps[number] = int(re.search(r"^totals: (\d+)", path.read_text(), re.M)[1])
    return [dumps[number] for number in sorted(dumps)]


def count(start, name, requests):
    """The instructions of each of these calls of Asked.ask()."""
    folders = []

    def callgrind(site):
        folders.append(site.folder)
        return [
            "valgrind",
            "--tool=callgrind",
            "--trace-children=yes",
            f"--callgrind-out-file={site.folder}/calls.%p",
            "--dump-after=request_release",
        ]

    if not shutil.which("valgrind"):
        pytest.skip("valgrind is not installed")
    asked = start(name, callgrind)
    for more in [{}] * 2 + requests:
        asked.ask(**more)
    asked.stop()
    found = counts(folders[0])
    assert len(found) >= len(requests) + 2
    return found[2 : 2 + len(requests)]


def assert_growth(costs, names, sizes):
    """`costs`: of each name in each size. The first size only prepares for the others."""
    for i, name in enumerate(names):
        of_name = costs[i * len(sizes) + 1 : (i + 1) * len(sizes)]
        for smaller, larger in zip(of_name, of_name[1:]):
            assert larger <= GROWTH_MAX * smaller, (name, of_name)


# Few where each request costs much, and much of it is the same as elsewhere.
@pytest.mark.parametrize("name", PLACES)
def test_instructions_grow_with_the_body(start, name):
    place = PLACES[name]
    shapes, sizes = (FEW, (3, 30)) if place.trees == TWO_TREES else (place.shapes, (10, 100))
    requests = []
    for shape in shapes:
        # Likewise each shape begins with nothing much before it.
        bodies = [place.body("nulls", 1)] + [place.body(shape, n * KB) for n in sizes]
        requests += [{"body": body} for body in bodies]
    assert_growth(count(start, name, requests), shapes, (1, *sizes))


@pytest.mark.parametrize("name", ["current", "list", "v1 modify"])
def test_instructions_grow_with_the_head(start, name):
    sizes = (0, 6, 60)
    heads = [head(size * KB) for head in HEADS.values() for size in sizes]
    assert_growth(count(start, name, heads), HEADS, sizes)
