"""An HTTP(S) server that answers as a script says, and keeps what it got.

A script is a list of faults, one a request; after its end everything is answered well. Each fault is one of
FAULTS below. Used by tests/delivery and by tests/e2e.
"""

import dataclasses
import gzip
import json
import socket
import ssl
import struct
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclasses.dataclass
class Request:
    method: str
    path: str
    headers: dict
    body: bytes  # as it came, unpacked if it was gzip
    time: float = dataclasses.field(default_factory=time.monotonic, compare=False)

    @property
    def key(self):
        return self.headers.get("idempotency-key")


def status(code, headers=(), body=b""):
    """Answers so, and has not taken what came."""

    def act(handler, _):
        handler.send_response(code)
        for name, value in headers:
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return act


def close(handler, _):
    handler.hang_up()


def close_after_taking(handler, request):
    """The worst: taken, and the sender does not know."""
    handler.server.owner.accept(request)
    handler.hang_up()


def close_in_the_answer(handler, _):
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf")
    handler.wfile.flush()
    handler.hang_up()


def garbage(handler, _):
    handler.wfile.write(b"\x00\xff\x16\x03 no HTTP at all\r\n\r\n" * 10)
    handler.wfile.flush()
    handler.hang_up()


def stall_after_taking(handler, request):
    handler.server.owner.accept(request)
    handler.server.owner.released.wait(60)
    handler.hang_up()


def stall(handler, _):
    handler.server.owner.released.wait(60)
    handler.hang_up()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def hang_up(self):
        self.close_connection = True
        try:  # a reset, not an orderly end
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        except OSError:
            pass

    def handle_one_request(self):
        try:
            super().handle_one_request()
        except OSError:
            self.close_connection = True

    def _serve(self):
        owner = self.server.owner
        headers = {name.lower(): value for name, value in self.headers.items()}
        before = owner.before_the_body()
        if before:
            self.close_connection = True
            return before(self, None)
        body = self.rfile.read(int(headers.get("content-length", 0)))
        if headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        request = Request(self.command, self.path, headers, body)
        fault = owner.next_fault(request)
        if fault:
            return fault(self, request)
        answer = owner.accept(request)
        return status(200, [("Content-Type", "application/json")], answer)(self, request)

    do_POST = do_PUT = do_GET = _serve


class Server:
    """`answer(request)`: the body of a good answer."""

    def __init__(self, faults=(), certificate=None, answer=lambda _: b"{}", early_faults=()):
        self.faults = list(faults)
        self.early_faults = list(early_faults)  # before the body is read
        self.answer = answer
        self.seen = []  # every request whose body came
        self.taken = {}  # by key: every body that was taken; a good receiver looks at the first only
        self.released = threading.Event()
        self._changed = threading.Condition()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._http.daemon_threads = True
        self._http.owner = self
        self.tls = certificate is not None
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._http.socket = context.wrap_socket(self._http.socket, server_side=True,
                                                    do_handshake_on_connect=False)
        self.port = self._http.server_address[1]
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def url(self):
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    def before_the_body(self):
        with self._changed:
            return self.early_faults.pop(0) if self.early_faults else None

    def next_fault(self, request):
        with self._changed:
            self.seen.append(request)
            self._changed.notify_all()
            return self.faults.pop(0) if self.faults else None

    def accept(self, request):
        with self._changed:
            self.taken.setdefault(request.key, []).append(request)
            self._changed.notify_all()
        return self.answer(request)

    def wait(self, condition, timeout=60):
        with self._changed:
            assert self._changed.wait_for(lambda: condition(self), timeout), \
                f"seen {[(r.method, r.path, r.key) for r in self.seen]}, taken {list(self.taken)}"

    def bodies(self, path=None):
        """What a receiver that knows keys has: one body a key, in the order in which they came."""
        for requests in self.taken.values():
            assert len({request.body for request in requests}) == 1, "one key for two things"
        return [requests[0].body for requests in self.taken.values() if path in (None, requests[0].path)]

    def close(self):
        self.released.set()
        self._http.shutdown()
        self._http.server_close()


def minting(server_of_urls):
    """An `answer` that gives out URLs of another server."""

    def answer(request):
        task = json.loads(request.body)["taskId"]
        return json.dumps({"url": f"{server_of_urls.url}/minted/{task}?X-Amz-Signature=minted-secret",
                           "headers": {"x-ms-blob-type": "BlockBlob"}}).encode()

    return answer
