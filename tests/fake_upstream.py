"""An Assistants v2 server in memory that misbehaves on command."""

import json
import re
import socket
import ssl
import struct
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from urllib.parse import parse_qs, urlsplit

PREFIX = "/v1/assistants"


def envelope(message, type="invalid_request_error", code=None, param=None):
    return {"error": {"message": message, "type": type, "param": param, "code": code}}


class Fault:
    """What to do to the next `times` requests that `method` and `path` match.

    kind: status (with `status`, `headers`, `body`), reset, hang, drip, truncate, oversize,
    garbage (with `body`), no HTTP (with `body`), redirect, late (acts `seconds` later),
    vanish (loses what it made), meanwhile (calls `call`, then answers well). `after`: the
    request is carried out first."""

    def __init__(self, kind, method="POST", path=".*", times=1, after=False, **options):
        self.kind, self.method, self.path = kind, re.compile(method), re.compile(path)
        self.times, self.after, self.options = times, after, options


class ConnectProxy:
    """Leads every CONNECT, whatever it asks for, to a port of this machine."""

    def __init__(self, port):
        self.port = port
        self.asked, self.heads = [], []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.lead, args=(client,), daemon=True).start()

    def lead(self, client):
        head = b""
        while b"\r\n\r\n" not in head:
            head += client.recv(4096)
        self.heads.append(head)
        self.asked.append(head.split()[1].decode())
        server = socket.create_connection(("127.0.0.1", self.port))
        client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        threading.Thread(target=self.copy, args=(client, server), daemon=True).start()
        self.copy(server, client)

    def copy(self, source, target):
        try:
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def close(self):
        self.listener.close()


class FakeUpstream:
    def __init__(self, certificate=None):
        self.lock = threading.Lock()
        self.assistants = {}  # id -> object, in the order of creation
        self.serial = 0
        self.faults = []
        self.requests = []  # (method, path, headers, body)
        self.delay = 0
        upstream = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def log_message(self, *_):
                pass

            def do_GET(self):
                upstream.handle(self)

            do_POST = do_DELETE = do_GET

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def server_bind(self):  # http.server's asks for the name of 127.0.0.1
                TCPServer.server_bind(self)

            def handle_error(self, *_):
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        scheme = "https" if certificate else "http"
        self.url = f"{scheme}://127.0.0.1:{self.port}/v1"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    # ---- one request ----

    def handle(self, handler):
        length = int(handler.headers.get("Content-Length") or 0)
        body = handler.sent = handler.rfile.read(length)
        url = urlsplit(handler.path)
        with self.lock:
            self.requests.append((handler.command, handler.path, dict(handler.headers), body))
            fault = self.take_fault(handler.command, url.path)
        if self.delay:
            time.sleep(self.delay)
        answer = None
        if fault is None or fault.after:
            with self.lock:
                answer = self.act(handler.command, url, body)
        if fault:
            self.misbehave(handler, fault, answer)
        else:
            self.reply(handler, *answer)

    def take_fault(self, method, path):
        for fault in self.faults:
            if fault.times > 0 and fault.method.match(method) and fault.path.search(path):
                fault.times -= 1
                return fault
        return None

    def reply(self, handler, status, tree, headers=()):
        raw = tree if isinstance(tree, bytes) else json.dumps(tree).encode()
        fields = {
            "Content-Type": "application/json",
            "Content-Length": str(len(raw)),
            **dict(headers),
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        handler.wfile.write(f"HTTP/1.1 {status} X\r\n{head}\r\n".encode() + raw)

    def misbehave(self, handler, fault, answer):
        options = fault.options
        if fault.kind == "status":
            body = options.get("body", envelope("injected"))
            self.reply(handler, options["status"], body, options.get("headers", {}))
        elif fault.kind == "garbage":
            self.reply(handler, 200, options["body"])
        elif fault.kind == "no HTTP":
            handler.wfile.write(options["body"])
            handler.close_connection = True
        elif fault.kind == "redirect":
            self.reply(handler, 302, b"", {"Location": f"{self.url}/assistants"})
        elif fault.kind == "hang":
            time.sleep(options.get("seconds", 60))
            self.drop(handler)
        elif fault.kind == "reset":
            self.drop(handler)
        elif fault.kind == "late":
            time.sleep(options["seconds"])
            with self.lock:
                answer = self.act(handler.command, urlsplit(handler.path), handler.sent)
            self.reply(handler, *answer)
        elif fault.kind == "meanwhile":
            options["call"]()
            with self.lock:
                answer = answer or self.act(
                    handler.command, urlsplit(handler.path), handler.sent
                )
            self.reply(handler, *answer)
        elif fault.kind == "vanish":  # it answers well, and then has lost it
            with self.lock:
                del self.assistants[answer[1]["id"]]
            self.reply(handler, *answer)
        else:
            self.send_badly(handler, fault.kind, answer)

    def send_badly(self, handler, kind, answer):
        raw = json.dumps(answer[1] if answer else {"data": []}).encode()
        handler.close_connection = True
        if kind == "oversize":
            handler.send_response(200)
            handler.end_headers()
            chunk = b" " * (1 << 20)
            for _ in range(80):
                handler.wfile.write(chunk)
            return
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(raw)))
        handler.end_headers()
        if kind == "truncate":
            handler.wfile.write(raw[: len(raw) // 2])
        else:  # drip
            for byte in raw:
                handler.wfile.write(bytes([byte]))
                handler.wfile.flush()
                time.sleep(1)

    def drop(self, handler):
        """A reset, not an orderly end."""
        handler.close_connection = True
        handler.connection.setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
        handler.connection.close()

    # ---- the protocol ----

    def act(self, method, url, body):
        id = url.path[len(PREFIX) :].strip("/")
        if not url.path.startswith(PREFIX):
            return 404, envelope(f"Invalid URL ({method} {url.path})")
        if not id:
            return self.create(json.loads(body)) if method == "POST" else self.list(url.query)
        if id not in self.assistants:
            return 404, envelope(f"No assistant found with id '{id}'.")
        if method == "DELETE":
            del self.assistants[id]
            return 200, {"id": id, "object": "assistant.deleted", "deleted": True}
        if method == "POST":
            self.assistants[id].update(json.loads(body))
        return 200, self.assistants[id]

    def create(self, config):
        self.serial += 1
        id = f"asst_fake{self.serial:06d}"
        base = {"name": None, "description": None, "instructions": None, "tools": []}
        head = {"id": id, "object": "assistant", "created_at": int(time.time())}
        self.assistants[id] = {**head, **base, "metadata": {}, **config}
        return 200, self.assistants[id]

    def list(self, query):
        query = {k: v[0] for k, v in parse_qs(query).items()}
        ids = list(self.assistants)
        if query.get("order", "desc") == "desc":
            ids.reverse()
        if "after" in query and query["after"] in ids:
            ids = ids[ids.index(query["after"]) + 1 :]
        limit = int(query.get("limit", 20))
        page = ids[:limit]
        return 200, {
            "object": "list",
            "data": [self.assistants[i] for i in page],
            "first_id": page[0] if page else None,
            "last_id": page[-1] if page else None,
            "has_more": len(ids) > limit,
        }

    def by_nonce(self):
        """nonce -> how many assistants carry it."""
        count = {}
        for a in self.assistants.values():
            nonce = a["metadata"].get("oam_nonce")
            count[nonce] = count.get(nonce, 0) + 1
        return count
