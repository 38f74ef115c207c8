"""What a web server says to a FastCGI program (FastCGI 1.0), well or badly."""

import contextlib
import socket
import struct

from conftest import BASE, make_token

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

    def answer(self):
        """The status, and the body, of a complete answer."""
        found = self.records()
        assert [kind for kind, _ in found].count(END) == 1, [k for k, _ in found]
        head, _, body = b"".join(c for k, c in found if k == STDOUT).partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        assert int(fields["Content-Length"]) == len(body)
        return int(fields["Status"].split()[0]), body
