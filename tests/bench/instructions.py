"""How many instructions a request costs: callgrind counts those of a worker for more and for
fewer requests, and the difference is that of the requests. Unlike times it repeats exactly.

tests/bench/instructions.py BUILD HELPERS; run.py prints the same.
"""

import os
import pathlib
import re
import socket
import struct
import subprocess
import sys
import tempfile

FEW, MANY = 200, 1200

BEGIN, PARAMS, STDIN, END = 1, 4, 5, 3  # FastCGI 1.0, 8: types of records


def record(kind, content=b""):
    return struct.pack(">BBHHBB", 1, kind, 1, len(content), 0, 0) + content


def pair(name, value):
    """FastCGI 1.0, 3.4."""

    def length(data):
        return bytes([len(data)]) if len(data) < 128 else struct.pack(">I", len(data) | 1 << 31)

    name, value = name.encode(), value.encode()
    return length(name) + length(value) + name + value


def request_bytes(path, token):
    """What a web server sends for a GET."""
    variables = {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": path,
        "PATH_INFO": "",
        "QUERY_STRING": "",
        "CONTENT_LENGTH": "0",
        "HTTP_AUTHORIZATION": f"Bearer {token}",
        "HTTP_HOST": "127.0.0.1",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "GATEWAY_INTERFACE": "CGI/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "REMOTE_PORT": "40000",
        "SERVER_ADDR": "127.0.0.1",
        "SERVER_PORT": "8080",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_SOFTWARE": "lighttpd/1.4.69",
        "REQUEST_URI": path,
        "REQUEST_SCHEME": "http",
        "SCRIPT_FILENAME": f"/var/www{path}",
        "DOCUMENT_ROOT": "/var/www/",
        "REDIRECT_STATUS": "200",
    }
    content = b"".join(pair(n, v) for n, v in variables.items())
    begin = record(BEGIN, struct.pack(">HB5x", 1, 0))
    return begin + record(PARAMS, content) + record(PARAMS) + record(STDIN)


def ask(address, data):
    """One request on a connection of its own; the whole answer."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(address)
        connection.sendall(data)
        answer = b""
        while part := connection.recv(65536):
            answer += part
    return answer


def count(program, environment, data, requests):
    """Instructions of all processes of the program together, from its start to its end."""
    with tempfile.TemporaryDirectory(prefix="oam-bench-") as folder:
        address = f"{folder}/socket"
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(address)
            listener.listen(8)
            process = subprocess.Popen(
                ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/out.%p"]
                + ["--trace-children=yes", program],
                env={**environment, "OAM_WORKERS": "1"},
                stdin=listener,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
            for _ in range(requests):
                assert b"Status: 200" in ask(address, data)
            process.terminate()
            process.stdout.read()  # until the last of the family has closed it
            process.wait()
        outputs = pathlib.Path(folder).glob("out.*")
        return sum(int(re.search(r"^(?:summary|totals): (\d+)", p.read_text(), re.M)[1])
                   for p in outputs)


def per_request(program, environment, path, token):
    data = request_bytes(path, token)
    few, many = (count(program, environment, data, n) for n in (FEW, MANY))
    return (many - few) / (MANY - FEW)


def main():
    build, helpers = (pathlib.Path(p).resolve() for p in sys.argv[1:3])
    os.environ["OAM_BUILD"] = str(build)
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
    from conftest import BASE, Site, make_token

    with tempfile.TemporaryDirectory(prefix="oam-bench-") as folder:
        site = Site(folder).migrate()
        site.oam("get-or-create")
        for name, program in {
            "no-op": helpers / "noop",
            "current": build / "cgi" / "current",
            "status": build / "cgi" / "status",
        }.items():
            token = make_token()
            cost = per_request(program, site.environment(), f"{BASE}/{name}", token)
            print(f"{name:10}{cost:12,.0f} instructions a request", flush=True)


if __name__ == "__main__":
    main()
