"""Delivery: reports reach a server from real containers, which never wait for it."""

import json
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from harness import execute, finished_trail, of_each_process, session_of, until
from test_tasks import AGENT

sys.path.insert(0, str(Path(__file__).parent.parent / "delivery"))
import faulty_server as fault  # noqa: E402
from faulty_server import Server, status  # noqa: E402

TOKEN = "token-that-nobody-may-see"
SIGNATURE = "signature-that-nobody-may-see"


@pytest.fixture
def server():
    made = Server()
    yield made
    made.close()


@pytest.fixture
def delivery(podman, tmp_path, volume, with_settings, server):
    """Runs an agent's script in a container whose settings deliver to `server`."""
    return Delivery(podman, tmp_path, volume, with_settings, server)


class Delivery:
    def __init__(self, podman, tmp_path, volume, with_settings, server):
        self.podman, self.volume, self.server = podman, volume, server
        self.spool = tmp_path / "spool"
        self.log = tmp_path / "spoor.log"
        self.workspace = tmp_path / "ws"
        self.workspace.mkdir()
        (self.workspace / "secret.env").write_text("x")
        # From a file: what stands in a script is in the trail, as the arguments of sh.
        (self.workspace / "url").write_text(f"{server.url}/bucket/key?X-Amz-Signature={SIGNATURE}")
        token = tmp_path / "token"
        token.write_text(TOKEN)
        self.yaml = f"""
log: {{file: {self.log}, level: debug}}
delivery:
  endpoint: {server.url}/reports
  token_file: {token}
  put: {{hosts: ["127.0.0.1:{server.port}"]}}
  otlp: {{endpoint: "{server.url}", token_file: {token}}}
  spool: {self.spool}
  retry_min: 5ms
  retry_max: 50ms
"""
        self.with_settings = with_settings

    def run(self, script, yaml=None):
        runtime = self.with_settings(yaml or self.yaml)
        done = self.podman.run(runtime, "-v", f"{self.workspace}:/ws", "localhost/busybox", "sh", "-c", AGENT + script,
                               volume=self.volume)
        assert done.code == 0, done
        return finished_trail(self.volume)

    def task(self, name="web:build"):
        """A task with one undeclared read."""
        return f"""
            start {name} $$ ",\\"putUrl\\":\\"$(cat url)\\",\\"declared\\":{{\\"inputs\\":[\\"url\\"],\\"outputs\\":[]}}"
            cat secret.env
            signal end {name} ',"status":"success"'
        """

    def report(self, task):
        return (self.volume / "trace" / "tasks" / f"{task}.json").read_bytes()

    def deliverers(self):
        found = []
        for command in of_each_process("cmdline"):
            try:
                words = command.read_bytes().split(b"\0")
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                continue
            if words[0].endswith(b"/spoor-deliver") and str(self.spool).encode() in words:
                found.append(int(command.parent.name))
        return found

    def arrived(self):
        """Everything that was spooled has been delivered or given up, and nobody is left to do it."""
        until(lambda: not any((self.spool / "queue").iterdir()), lambda: f"seen {len(self.server.seen)}")
        until(lambda: not self.deliverers(), "spoor-deliver ends")

    def has_no_secret(self):
        files = [path for root in (self.volume, self.spool) for path in root.rglob("*") if path.is_file()]
        for file in [*files, self.log]:
            text = file.read_text(errors="replace")
            assert TOKEN not in text and SIGNATURE not in text, file


def otlp_records(server):
    records = []
    for body in server.bodies("/v1/logs"):
        for resource in json.loads(body)["resourceLogs"]:
            for scope in resource["scopeLogs"]:
                records += scope["logRecords"]
    return {(record["eventName"], attributes(record).get("spoor.task.id")): attributes(record) for record in records}


def attributes(record):
    return {item["key"]: next(iter(item["value"].values())) for item in record["attributes"]}


def test_everything_arrives_once_and_as_it_is_in_the_volume(delivery, server, footprint):
    server.faults = [status(500), fault.close_after_taking, fault.garbage, status(429), fault.close_in_the_answer,
                     status(503, [("Retry-After", "0")])]
    delivery.run(delivery.task("web:build") + delivery.task("api:test"))
    delivery.arrived()
    reports = [delivery.report(task) for task in ("web:build", "api:test", "-")]
    assert sorted(server.bodies("/reports")) == sorted(reports)
    puts = server.bodies(f"/bucket/key?X-Amz-Signature={SIGNATURE}")
    assert sorted(puts) == sorted(reports[:2])
    records = otlp_records(server)
    assert set(records) == {("spoor.violation", "web:build"), ("spoor.violation", "api:test"),
                            ("spoor.task.end", "web:build"), ("spoor.task.end", "api:test"), ("spoor.session.end", None)}
    violation = records["spoor.violation", "web:build"]
    assert violation["file.path"] == "/ws/secret.env" and violation["spoor.access.kind"] == "read"
    assert records["spoor.task.end", "api:test"]["spoor.task.status"] == "success"
    assert records["spoor.task.end", "api:test"]["spoor.task.violations"] == "1"
    assert records["spoor.session.end", None]["spoor.complete"] is True
    assert len({record["log.record.uid"] for record in records.values()}) == 5
    for request in server.seen:
        wanted = None if request.method == "PUT" else "Bearer " + TOKEN
        assert request.headers.get("authorization") == wanted
    assert not list((delivery.spool / "failed").iterdir())
    delivery.has_no_secret()
    footprint.is_clean()


def test_delete_does_not_wait_for_a_server_that_stalls(delivery, server):
    server.faults = [fault.stall_after_taking]
    begun = time.monotonic()
    delivery.run(delivery.task())
    took = time.monotonic() - begun
    # The server holds the first request for a minute; a container takes a second or two.
    assert took < 50, took
    server.wait(lambda server: server.seen)
    until(lambda: len(delivery.deliverers()) == 1, lambda: f"one is at work: {delivery.deliverers()}")
    assert len(server.seen) == 1
    server.released.set()
    delivery.arrived()
    assert sorted(server.bodies("/reports")) == sorted([delivery.report("web:build"), delivery.report("-")])


def test_after_a_crash_the_next_recorder_goes_on(delivery, server):
    server.faults = [fault.stall]
    delivery.run(delivery.task("first"))
    first = [delivery.report("first"), delivery.report("-")]
    server.wait(lambda server: server.seen)
    until(lambda: len(delivery.deliverers()) == 1, lambda: f"one is at work: {delivery.deliverers()}")
    (deliverer,) = delivery.deliverers()
    os.kill(deliverer, signal.SIGKILL)
    until(lambda: not delivery.deliverers(), "it is dead")
    delivery.run(delivery.task("second"))
    delivery.arrived()
    assert sorted(server.bodies("/reports")) == sorted([*first, delivery.report("second"), delivery.report("-")])


def test_a_tenants_url_is_used_for_allowed_hosts_only(delivery, server):
    yaml = delivery.yaml.replace(f'"127.0.0.1:{server.port}"', "store.example")
    delivery.run(delivery.task(), yaml)
    delivery.arrived()
    assert {request.method for request in server.seen} == {"POST"}
    warnings = [line for line in session_of(delivery.volume)["warnings"] if "delivery.put.hosts" in line]
    assert len(warnings) == 1 and "web:build" in warnings[0] and server.url in warnings[0]
    delivery.has_no_secret()


def test_a_container_that_is_not_traced_is_told_of(delivery, server):
    runtime = delivery.with_settings(delivery.yaml + "broker: {socket: /nonexistent/spoord.sock, private: never}\n")
    done = delivery.podman.run(runtime, "localhost/busybox", "true", volume=delivery.volume)
    assert done.code == 0, done
    delivery.arrived()
    records = otlp_records(server)
    assert set(records) == {("spoor.session.end", None)}
    assert records["spoor.session.end", None]["spoor.session.state"] == "untraced"
    assert "/nonexistent/spoord.sock" in json.dumps(records["spoor.session.end", None]["spoor.reasons"])
    assert server.bodies("/reports") == []


def test_what_cannot_be_spooled_is_told_and_harms_nobody(delivery, server):
    delivery.spool.mkdir()
    delivery.spool.chmod(0o755)
    delivery.run(delivery.task())
    assert any("0700" in line for line in session_of(delivery.volume)["warnings"])
    assert server.seen == []


def test_a_deliverer_that_is_not_there_is_told(delivery, server, tmp_path):
    delivery.run(delivery.task(), delivery.yaml + "  program: /nonexistent/spoor-deliver\n")
    assert any("/nonexistent/spoor-deliver" in line for line in session_of(delivery.volume)["warnings"])
    settings = tmp_path / "good.yaml"
    settings.write_text(delivery.yaml)
    status_text = execute(["spoorctl", "deliver", "--status", "--spool", delivery.spool])
    assert status_text.code == 0 and "4 items" in status_text.out, status_text
    done = execute(["spoorctl", "deliver"], environment={"SPOOR_CONFIG": str(settings)})
    assert done.code == 0, done
    delivery.arrived()
    assert sorted(server.bodies("/reports")) == sorted([delivery.report("web:build"), delivery.report("-")])
