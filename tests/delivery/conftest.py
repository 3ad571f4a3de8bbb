import json
import os
import subprocess
import time
from pathlib import Path

import pytest

from faulty_server import Server

TOKEN = "token-that-nobody-may-see"
SIGNATURE = "signature-that-nobody-may-see"


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """Of 127.0.0.1, signed by itself: key and certificate in one file."""
    directory = tmp_path_factory.mktemp("certificate")
    file = directory / "both.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
                    "-keyout", directory / "key.pem", "-out", directory / "certificate.pem"],
                   check=True, capture_output=True)
    file.write_text((directory / "key.pem").read_text() + (directory / "certificate.pem").read_text())
    return file


@pytest.fixture
def server():
    servers = []

    def make(*faults, **options):
        servers.append(Server(faults, **options))
        return servers[-1]

    yield make
    for made in servers:
        made.close()


class Spool:
    """A spool as recorders fill it, and the program that drains it."""

    def __init__(self, root):
        self.path = root / "spool"
        self.path.mkdir(mode=0o700)
        (self.path / "queue").mkdir(mode=0o700)
        self.token = root / "token"
        self.token.write_text(TOKEN + "\n")
        self.log = root / "deliver.log"
        self.running = []
        self.number = 0

    def settings(self, **settings):
        defaults = {"spool": str(self.path), "retryMinMs": 10, "retryMaxMs": 80, "timeoutMs": 30_000,
                    "tokenFile": str(self.token), "logFile": str(self.log), "logLevel": "debug"}
        self._put(self.path, "settings.json", json.dumps(defaults | settings).encode())

    def _put(self, directory, name, data):
        temporary = directory / f".{name}.{os.getpid()}.1"
        temporary.write_bytes(data)
        temporary.rename(directory / name)

    def put(self, kind="report", task="web:build", payload=None, **more):
        self.number += 1
        payload = json.dumps({"taskId": task}).encode() if payload is None else payload
        head = {"kind": kind, "key": f"session-{self.number}-{kind}", "session": "session", "containerId": "c",
                "taskId": task, "payloadBytes": len(payload)} | more
        name = f"{time.time_ns():020}-{self.number:016x}"
        self._put(self.path / "queue", name, json.dumps(head).encode() + b"\n" + payload)
        return payload

    @property
    def queue(self):
        return sorted(path for path in (self.path / "queue").iterdir() if not path.name.startswith("."))

    @property
    def failures(self):
        directory = self.path / "failed"
        return [json.loads(path.read_text()) for path in sorted(directory.iterdir())] if directory.exists() else []

    def start(self, *options):
        process = subprocess.Popen([os.environ["SPOOR_DELIVER"], "--spool", str(self.path), *options],
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                   env={"http_proxy": "http://127.0.0.1:1", "https_proxy": "http://127.0.0.1:1"})
        self.running.append(process)
        return process

    def drain(self, *options, code=0, timeout=60):
        process = self.start(*options)
        out = process.communicate(timeout=timeout)[0].decode()
        assert process.returncode == code, out
        return out

    def has_no_secret(self):
        """Neither in what is left of the spool nor in the log."""
        files = [path for path in self.path.rglob("*") if path.is_file()] + ([self.log] if self.log.exists() else [])
        for file in files:
            text = file.read_text(errors="replace")
            assert TOKEN not in text and SIGNATURE not in text and "minted-secret" not in text, file

    def stop(self):
        for process in self.running:
            process.kill()
            process.wait()
            process.stdout.close()


@pytest.fixture
def spool(tmp_path):
    spool = Spool(tmp_path)
    yield spool
    spool.stop()


def pytest_collection_modifyitems(items):
    # A skipped test is a test that nobody ran.
    for item in items:
        if item.get_closest_marker("skip") or item.get_closest_marker("skipif"):
            raise pytest.UsageError(f"{item.nodeid} would be skipped")
