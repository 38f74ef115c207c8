"""What a web server says to a FastCGI program (FastCGI 1.0), well or badly."""

import contextlib
import os
import socket
import struct
import subprocess

from conftest import BASE, BUILD, make_token

BEGIN, ABORT, END, PARAMS, STDIN, STDOUT = 1, 2, 3, 4, 5, 6
GET_VALUES, GET_VALUES_RESULT, UNKNOWN_TYPE = 9, 10, 11


def record(kind, content=b"", id=1, version=1, padding=0):
    head = struct.pack(">BBHHBB", version, kind, id, len(content), padding, 0)
    return head + content + bytes(padding)


def begin(role=1, flags=0, id=1):
    return record(BEGIN, struct.pack(">HB5x", role, flags), id)


def pair(name, value):
    name, value = name.encode(), value.encode()

    def length(text):
        return bytes([len(text)]) if len(text) < 128 else struct.pack(">I", len(text) | 1 << 31)

    return length(name) + length(value) + name + value


def params(method="GET", path="/status", **more):
    variables = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": BASE + path,
        "HTTP_AUTHORIZATION": f"Bearer {make_token()}",
        **more,
    }
    pairs = b"".join(pair(n, v) for n, v in variables.items() if v is not None)
    return record(PARAMS, pairs) + record(PARAMS)


def stream(body, size=32768):
    parts = [body[i : i + size] for i in range(0, len(body), size)]
    return b"".join(record(STDIN, part) for part in parts) + record(STDIN)


def request(method="GET", path="/status", body=b"", **more):
    if body:
        more = {"CONTENT_LENGTH": str(len(body)), "CONTENT_TYPE": "application/json", **more}
    return begin() + params(method, path, **more) + stream(body)


class Connection:
    def __init__(self, path, sent=b""):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(60)
        self.socket.connect(str(path))
        if sent:
            self.send(sent)

    def send(self, data):
        self.socket.sendall(data)
        return self

    def send_all_that_is_wanted(self, data):
        """Until the program, which may have had enough, closes the connection."""
        with contextlib.suppress(OSError):
            self.send(data)
        return self

    def end(self):
        """Nothing more will be sent."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)
        return self

    def close(self):
        self.socket.close()

    def read(self):
        """All that comes until the program closes the connection."""
        got = b""
        with contextlib.suppress(ConnectionError):
            while data := self.socket.recv(1 << 20):
                got += data
        self.close()
        return got

    def read_one(self):
        """One answer; the connection stays."""
        got = b""
        while not got.endswith(record(END, bytes(8))):
            data = self.socket.recv(1 << 20)
            assert data, got
            got += data
        return got

    def records(self):
        """(type, content) of each."""
        rest, found = self.read(), []
        while rest:
            kind, length, padding = struct.unpack(">xBxxHBx", rest[:8])
            assert len(rest) >= 8 + length + padding, "a record breaks off"
            found.append((kind, rest[8 : 8 + length]))
            rest = rest[8 + length + padding :]
        return found

    def output(self):
        """All that the program wrote for a complete answer: header and body."""
        found = self.records()
        assert [kind for kind, _ in found].count(END) == 1, [k for k, _ in found]
        return b"".join(content for kind, content in found if kind == STDOUT)

    def answer(self):
        """The status, and the body, of a complete answer."""
        head, _, body = self.output().partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        assert int(fields["Content-Length"]) == len(body)
        return int(fields["Status"].split()[0]), body


class Program:
    """One endpoint program with its workers, on a socket of its own."""

    def __init__(self, name, environment, socket_path, log, wrapper=()):
        """`wrapper` is a command that runs it."""
        self.path = str(socket_path)
        self.log = open(log, "ab")
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(self.path)
            listener.listen(64)
            self.process = subprocess.Popen(
                [*wrapper, BUILD / "cgi" / name],
                env=environment,
                stdin=listener,
                stdout=self.log,
                stderr=self.log,
            )

    def ask(self, method, target, token, body=b""):
        """The answer's bytes, as of a CGI program; b"" when it broke the connection."""
        given = {"CONTENT_LENGTH": str(len(body)), "CONTENT_TYPE": "application/json"}
        asked = params(method, target, HTTP_AUTHORIZATION=f"Bearer {token}", **given)
        connection = Connection(self.path)
        connection.send_all_that_is_wanted(begin() + asked + stream(body))
        try:
            return connection.output()
        except (AssertionError, struct.error):
            return b""

    def workers(self):
        children = f"/proc/{self.process.pid}/task/{self.process.pid}/children"
        with open(children) as file:
            return [int(pid) for pid in file.read().split()]

    def stop(self):
        """Its exit status."""
        self.process.terminate()
        try:
            return self.process.wait(60)
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            self.log.close()
            os.unlink(self.path)
