"""How many instructions a request costs: callgrind counts those of a worker for more and for
fewer requests, and the difference is that of the requests. Unlike times it repeats exactly."""

import pathlib
import re
import socket
import subprocess
import tempfile

import fastcgi
from conftest import BASE, Site

FEW, MANY = 200, 1200

# What lighttpd sends besides: it has to be read, by a program that does nothing, too.
MORE = {
    "PATH_INFO": "",
    "QUERY_STRING": "",
    "CONTENT_LENGTH": "0",
    "HTTP_HOST": "127.0.0.1",
    "SERVER_PROTOCOL": "HTTP/1.1",
    "GATEWAY_INTERFACE": "CGI/1.1",
    "REMOTE_ADDR": "127.0.0.1",
    "REMOTE_PORT": "40000",
    "SERVER_ADDR": "127.0.0.1",
    "SERVER_PORT": "8080",
    "SERVER_NAME": "127.0.0.1",
    "SERVER_SOFTWARE": "lighttpd/1.4.69",
    "REQUEST_URI": f"{BASE}/current",
    "REQUEST_SCHEME": "http",
    "SCRIPT_FILENAME": f"/var/www{BASE}/current",
    "DOCUMENT_ROOT": "/var/www/",
    "REDIRECT_STATUS": "200",
}


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
                assert fastcgi.Connection(address, data).output().startswith(b"Status: 200")
            process.terminate()
            process.stdout.read()  # until the last of the family has closed it
            process.wait()
        outputs = pathlib.Path(folder).glob("out.*")
        return sum(int(re.search(r"^(?:summary|totals): (\d+)", p.read_text(), re.M)[1])
                   for p in outputs)


def per_request(program, environment, path):
    data = fastcgi.request(path=path, **MORE)
    few, many = (count(program, environment, data, n) for n in (FEW, MANY))
    return (many - few) / (MANY - FEW)


def measure(build, helpers):
    """name -> instructions a request."""
    programs = {"no-op FastCGI": helpers / "noop"}
    programs |= {name: build / "cgi" / name for name in ("current", "status")}
    with tempfile.TemporaryDirectory(prefix="oam-bench-") as folder:
        site = Site(folder).migrate()
        site.oam("get-or-create")
        return {name: per_request(program, site.environment(), f"/{program.stem}")
                for name, program in programs.items()}
