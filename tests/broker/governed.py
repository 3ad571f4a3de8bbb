"""A spoord of a test's own, with an operator's file, an audit log and metrics."""

import contextlib
import errno
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import jsonschema
import peer
from prometheus_client.parser import text_string_to_metric_families

SCHEMA = json.loads((Path(__file__).parents[2] / "signal/schema/audit.schema.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


@contextlib.contextmanager
def acting_as(uid):
    """The kernel takes SO_PEERCRED from the effective ids when a socket connects."""
    os.setegid(uid)
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=60)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(60)
        self.sock.connect(str(self.path))


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def strict_samples(text):
    """{(name, labels): value} of a text in Prometheus' format 0.0.4, of which nothing is out of place."""
    assert text.endswith("\n")
    typed = set()
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            name = line.split()[2]
            assert name not in typed, f"{name} is typed twice"
            typed.add(name)
        else:
            assert line.startswith("# HELP ") or (line and line[0] != "#"), line
    samples = {}
    for family in text_string_to_metric_families(text):
        assert family.type != "unknown" and family.documentation, family
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            assert key not in samples, f"{key} twice"
            samples[key] = sample.value
            if family.type == "counter":
                assert sample.value >= 0
        if family.type == "histogram":
            buckets = [s for s in family.samples if s.name.endswith("_bucket")]
            assert [s.value for s in buckets] == sorted(s.value for s in buckets) and buckets[-1].labels["le"] == "+Inf"
            count = next(s.value for s in family.samples if s.name.endswith("_count"))
            assert buckets[-1].value == count
    return samples


class Spoord:
    def __init__(self, rules, **sections):
        self.place = Path(tempfile.mkdtemp(prefix="spoord-test-"))
        self.place.chmod(0o755)
        self.socket = self.place / "socket"
        self.audit_file = self.place / "audit.jsonl"
        self.metrics_socket = self.place / "metrics.sock"
        self.textfile = self.place / "spoor.prom"
        self.config = self.place / "spoor.yaml"
        # Somebody else may take the port that was free.
        while not self.starts(rules, sections):
            self.process.wait()
            self.log_file.close()

    def starts(self, rules, sections):
        self.port = free_port()
        self.sections = {
            "audit": {"file": str(self.audit_file)},
            "metrics": {"socket": str(self.metrics_socket), "listen": f"127.0.0.1:{self.port}",
                        "textfile": str(self.textfile), "interval": "100ms"},
            **sections,
        }
        self.write_rules(rules)
        self.log_file = open(self.place / "log", "wb")
        self.process = subprocess.Popen(
            [os.environ["SPOORD"], "--allow-extra-capabilities", "--pins", "none", "--socket", str(self.socket),
             "--config", str(self.config)], stderr=self.log_file)
        taken = f"metrics.listen 127.0.0.1:{self.port}: {os.strerror(errno.EADDRINUSE)}"
        return self.until(lambda: taken in self.log() or "ready at" in self.log()) and taken not in self.log()

    def write_rules(self, rules):
        """JSON is YAML."""
        text = json.dumps({"tenants": rules, **self.sections}, indent=1)
        (self.place / "new").write_text(text)
        os.replace(self.place / "new", self.config)

    def log(self):
        return (self.place / "log").read_text(errors="replace")

    def until(self, holds):
        deadline = time.monotonic() + 60
        while not (found := holds()):
            assert self.process.poll() is None, self.log()
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.005)
        return found

    def connect(self, uid=0):
        with acting_as(uid):
            return peer.Peer(str(self.socket))

    def audit(self, **wanted):
        """The lines that say this, once there is one."""
        def lines():
            text = self.audit_file.read_text() if self.audit_file.exists() else ""
            found = []
            for line in text[:text.rfind("\n") + 1].splitlines():
                event = json.loads(line)
                VALIDATOR.validate(event)
                assert set(event) <= set(SCHEMA["properties"]), line
                if all(event.get(key) == value for key, value in wanted.items()):
                    found.append(event)
            return found
        return self.until(lines)

    def http(self, path="/metrics", method="GET", connection=None):
        """A request has two seconds in all; who did not get the processor in time asks again."""
        connection = connection or UnixConnection(self.metrics_socket)
        for tries_left in (2, 1, 0):
            try:
                connection.request(method, path)
                answer = connection.getresponse()
                return answer, answer.read().decode()
            except (ConnectionResetError, BrokenPipeError, http.client.IncompleteRead):
                connection.close()
                if not tries_left:
                    raise

    def metrics(self):
        answer, text = self.http()
        assert answer.status == 200
        return strict_samples(text)

    def metric(self, name, **labels):
        return self.metrics().get((name, tuple(sorted(labels.items()))))

    def reload(self):
        lines = len(self.audit_lines("reload"))
        self.process.send_signal(signal.SIGHUP)
        self.until(lambda: len(self.audit_lines("reload")) > lines)
        return self.audit_lines("reload")[-1]

    def audit_lines(self, event):
        text = self.audit_file.read_text() if self.audit_file.exists() else ""
        return [line for line in map(json.loads, text[:text.rfind("\n") + 1].splitlines()) if line["event"] == event]

    def end(self):
        self.process.terminate()
        code = self.process.wait(60)
        log = self.log()
        self.log_file.close()
        shutil.rmtree(self.place)
        assert code == 0, log
