"""A web server's side of FastCGI, just enough to ask one program that is started here."""

import os
import signal
import socket
import struct
import subprocess

from conftest import BASE, BUILD

BEGIN, END, PARAMS, STDIN, STDOUT = 1, 3, 4, 5, 6


def record(kind, content):
    return struct.pack(">BBHHBB", 1, kind, 1, len(content), 0, 0) + content


def pair(name, value):
    sizes = b"".join(struct.pack(">I", len(x) | 1 << 31) for x in (name, value))
    return sizes + name + value


class Program:
    """One endpoint program with its workers, on a socket of its own."""

    def __init__(self, name, environment, socket_path, log):
        self.path = str(socket_path)
        self.log = open(log, "ab")
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(self.path)
            listener.listen(64)
            self.process = subprocess.Popen(
                [BUILD / "cgi" / name],
                env=environment,
                stdin=listener,
                stdout=self.log,
                stderr=self.log,
            )

    def ask(self, method, target, token, body=b""):
        """The answer's bytes, as of a CGI program; b"" when it broke the connection."""
        variables = {
            "REQUEST_METHOD": method,
            "SCRIPT_NAME": BASE + target,
            "HTTP_AUTHORIZATION": f"Bearer {token}",
            "CONTENT_LENGTH": str(len(body)),
            "CONTENT_TYPE": "application/json",
        }
        params = b"".join(pair(k.encode(), v.encode()) for k, v in variables.items())
        answer = b""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(60)
            connection.connect(self.path)
            try:
                connection.sendall(
                    record(BEGIN, struct.pack(">HB5x", 1, 0))
                    + record(PARAMS, params)
                    + record(PARAMS, b"")
                    + (record(STDIN, body) if body else b"")
                    + record(STDIN, b"")
                )
                with connection.makefile("rb") as stream:
                    while len(head := stream.read(8)) == 8:
                        _, kind, _, length, padding, _ = struct.unpack(">BBHHBB", head)
                        content = stream.read(length + padding)[:length]
                        if kind == STDOUT:
                            answer += content
                        if kind == END:
                            return answer
            except ConnectionError:
                pass
        return b""

    def workers(self):
        children = f"/proc/{self.process.pid}/task/{self.process.pid}/children"
        with open(children) as file:
            return [int(pid) for pid in file.read().split()]

    def stop(self):
        """Its exit status."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(60)
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            self.log.close()
            os.unlink(self.path)
