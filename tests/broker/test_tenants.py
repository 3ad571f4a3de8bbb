"""The operator's rules for tenants: each limit's overrun is refused, audited and counted, and costs
nobody but who overran it."""

import http.client
import json
import os
import signal
import socket
import stat
import subprocess
import time

import governed
import peer
import pytest

ALICE, BOB = 65533, 65534
KIB64 = 1 << 16


def rule(name, uid, **limits):
    return {"name": name, "uid": uid, **limits}


@pytest.fixture
def spoord():
    made = []

    def make(*rules, **sections):
        made.append(governed.Spoord(list(rules), **sections))
        return made[-1]

    yield make
    for one in made:
        one.end()


class Traced:
    """A tenant's container that is being traced."""

    def __init__(self, broker, box, uid, ring_bytes=KIB64, container=b"test"):
        self.box, self.uid = box(owner=uid), uid
        self.peer = broker.connect(uid)
        self.reply = self.peer.ask(peer.request(peer.ARM, ring_bytes, container), [self.box.fd, self.box.pidfd])

    def finish(self, command="exit"):
        """Runs it to its end; its trail has to be whole."""
        ring = peer.Ring(self.reply.fds[0], self.reply.ring_bytes)
        self.box.run(command)
        self.box.remove()
        records = list(ring.records())
        last = self.peer.ask(peer.request(peer.DISARM))
        assert last.code == peer.OK and not any(last.lost), last.text
        assert records[-1][0] == peer.EV_END and last.emitted == len(records)
        return last


def refused(broker, reply, limit, tenant="small"):
    """The refusal, which is told everywhere."""
    assert reply.code == peer.QUOTA, (reply.code, reply.text)
    assert not reply.fds
    line = broker.audit(event="request", outcome="refused", code="quota", limit=limit, reason=reply.text)[-1]
    assert line["tenant"] == tenant
    assert line["uid"] == line["gid"] == ALICE and line["pid"] == os.getpid()
    assert broker.metric("spoor_refusals_total", tenant=tenant, reason=f"quota_{limit}") >= 1
    return line


def test_containers(spoord, box):
    broker = spoord(rule("small", ALICE, containers=1), rule("large", BOB))
    other = Traced(broker, box, BOB)
    first, second = Traced(broker, box, ALICE), Traced(broker, box, ALICE)
    assert first.reply.code == peer.OK, first.reply.text
    line = refused(broker, second.reply, "containers")
    assert line["reason"] == f"tenant small (uid {ALICE}) has 1 of 1 containers"
    assert line["cgroupId"] == os.fstat(second.box.fd).st_ino
    assert line["cgroup"] == "/" + os.path.basename(second.box.path)
    assert broker.metric("spoor_sessions", tenant="small", uid=str(ALICE)) == 1
    first.finish()
    again = second.peer.arm(second.box.fd, second.box.pidfd)
    assert again.code == peer.OK, "the place of what ended is free"
    other.finish()


def test_bytes_of_a_ring_and_of_all(spoord, box):
    broker = spoord(rule("small", ALICE, ring_bytes=3 * KIB64, ring_bytes_each=2 * KIB64), rule("large", BOB))
    other = Traced(broker, box, BOB, 1 << 20)
    assert other.reply.ring_bytes == 1 << 20
    first = Traced(broker, box, ALICE, 1 << 20)
    assert first.reply.ring_bytes == 2 * KIB64, "a wish is cut to what a ring may have"
    refused(broker, first.peer.ask(peer.request(peer.GROW, 4 * KIB64)), "ring_bytes_each")
    second = Traced(broker, box, ALICE)
    assert second.reply.code == peer.OK
    refused(broker, second.peer.ask(peer.request(peer.GROW, 2 * KIB64)), "ring_bytes")
    refused(broker, Traced(broker, box, ALICE).reply, "ring_bytes")
    assert broker.metric("spoor_ring_bytes", tenant="small", uid=str(ALICE)) == 3 * KIB64
    assert broker.metric("spoor_ring_bytes", tenant="large", uid=str(BOB)) == 1 << 20
    first.finish()
    second.finish()
    other.finish()
    assert broker.metric("spoor_ring_bytes", tenant="small", uid=str(ALICE)) is None


def times_told(traced, path):
    """How often the records have said that `path` is not there; the ring is read from its beginning."""
    told = list(peer.Ring(traced.reply.fds[0], traced.reply.ring_bytes).records())
    return sum(kind == peer.EV_ACCESS and base + name == path for kind, _, _, _, _, base, name, *_ in told)


def test_a_flood_makes_nobody_elses_records_repeat(spoord, box, tmp_path):
    """More different accesses than all tables have entries: the flooded one's own are told again."""
    broker = spoord(rule("small", ALICE, dedupe_entries_each=1024), rule("large", BOB))
    # A size that no spare had yet, and one that has spares.
    alice, bob = Traced(broker, box, ALICE, 1 << 24), Traced(broker, box, BOB)
    for fifo in ("begun", "go_on"):
        os.mkfifo(tmp_path / fifo)
    bob.box.begin(f"[ -e /nothing/b ]; echo > {tmp_path}/begun; read x < {tmp_path}/go_on; [ -e /nothing/b ]; :")
    (tmp_path / "begun").read_bytes()
    alice.box.run("[ -e /nothing/a ]; i=0; while [ $i -lt 70000 ]; do [ -e /nothing/$i ]; i=$((i+1)); done; "
                  "[ -e /nothing/a ]; :")
    (tmp_path / "go_on").write_bytes(b"x\n")
    bob.box.wait()
    assert not any(alice.peer.ask(peer.request(peer.STATS)).lost)
    assert times_told(alice, b"/nothing/a") == 2, "the flood was larger than the table"
    assert times_told(bob, b"/nothing/b") == 1


def test_a_table_takes_what_it_has_entries_for(spoord, box):
    """Sets fill unevenly: a fifth of the entries is what no repeat may come of."""
    broker = spoord()
    traced, count = Traced(broker, box, BOB, 1 << 21), 32768 // 5
    loop = f"i=0; while [ $i -lt {count} ]; do [ -e /nothing/$i ]; i=$((i+1)); done"
    traced.box.run(f"{loop}; {loop}")
    told = list(peer.Ring(traced.reply.fds[0], traced.reply.ring_bytes).records())
    absent = [base + name for kind, _, _, _, _, base, name, *_ in told if kind == peer.EV_ACCESS
              and (base + name).startswith(b"/nothing/")]
    assert len(set(absent)) == count and len(absent) < count * 1.005, "few come twice"


def test_dedupe_entries(spoord, box):
    broker = spoord(rule("small", ALICE, dedupe_entries=5000, dedupe_entries_each=4096), rule("large", BOB))
    other = Traced(broker, box, BOB)
    first, second = Traced(broker, box, ALICE), Traced(broker, box, ALICE)
    assert first.reply.code == peer.OK, first.reply.text
    line = refused(broker, second.reply, "dedupe_entries")
    assert line["reason"] == f"tenant small (uid {ALICE}) has 4096 of 5000 dedupe entries, and a container takes 4096"
    assert broker.metric("spoor_dedupe_entries", tenant="small", uid=str(ALICE)) == 4096
    assert broker.metric("spoor_dedupe_entries", tenant="large", uid=str(BOB)) == 32768
    broker.write_rules([rule("small", ALICE, dedupe_entries_each=8192)])
    broker.reload()
    again = second.peer.arm(second.box.fd, second.box.pidfd)
    assert again.code == peer.OK, again.text
    assert broker.metric("spoor_dedupe_entries", tenant="small", uid=str(ALICE)) == 4096 + 8192
    first.finish()
    other.finish()


OFF, WARN, STRICT = range(3)


def modes_word(container, *tasks):
    return 1 << 31 | sum(1 << task for task in tasks) << 8 | container


@pytest.mark.parametrize("limits, word, reason", [
    ({"modes": ["warn", "strict"]}, modes_word(OFF, WARN), "mode off is not allowed"),
    ({"modes": "strict"}, modes_word(WARN, STRICT), "mode warn is not allowed"),
    ({"modes": "strict"}, modes_word(STRICT, OFF, STRICT), "tasks of mode off are not allowed"),
    ({"modes": "strict"}, 0, "does not say which mode"),
    ({"annotations": {"io.spoor.mode": "strict"}}, modes_word(WARN, WARN), "mode strict is forced"),
])
def test_a_session_in_a_mode_that_is_not_to_be_had(spoord, box, limits, word, reason):
    """Said by who forges its requests: spoor itself would not ask for these."""
    broker = spoord(rule("small", ALICE, **limits), rule("large", BOB))
    other, container = Traced(broker, box, BOB), box(owner=ALICE)
    client = broker.connect(ALICE)
    reply = client.ask(peer.request(peer.ARM, KIB64, pid=word), [container.fd, container.pidfd])
    assert reply.code == peer.MODE and reason in reply.text and not reply.fds
    line = broker.audit(event="request", request="arm", outcome="refused", code="mode", reason=reply.text)[-1]
    assert (line["tenant"], line["uid"]) == ("small", ALICE)
    assert line.get("mode") == (("off", "warn", "strict")[word & 0xff] if word else None)
    assert broker.metric("spoor_refusals_total", tenant="small", reason="mode") == 1
    assert broker.metric("spoor_sessions", tenant="small", uid=str(ALICE)) is None
    granted = client.ask(peer.request(peer.ARM, KIB64, pid=modes_word(STRICT, STRICT)), [container.fd, container.pidfd])
    assert granted.code == peer.OK, granted.text
    assert broker.audit(event="request", request="arm", outcome="granted", uid=ALICE)[-1]["mode"] == "strict"
    other.finish()


@pytest.mark.parametrize("word", [1, modes_word(3, WARN), modes_word(WARN), modes_word(WARN, 3), 1 << 31 | 1 << 16])
def test_words_of_modes_that_are_none(spoord, box, word):
    broker = spoord()
    container = box(owner=BOB)
    reply = broker.connect(BOB).ask(peer.request(peer.ARM, KIB64, pid=word), [container.fd, container.pidfd])
    assert reply.code == peer.BAD_REQUEST and "modes" in reply.text


def test_connections(spoord, box):
    broker = spoord(rule("small", ALICE, connections=2), rule("large", BOB))
    other = Traced(broker, box, BOB)
    held = [broker.connect(ALICE) for _ in range(2)]
    assert all(one.ask(peer.request(peer.HELLO)).code == peer.OK for one in held)
    reply = broker.connect(ALICE).receive()  # unasked: it is the only packet
    line = refused(broker, reply, "connections")
    assert line["request"] == "connect"
    other.finish()
    held[0].close()

    def served():
        try:
            return broker.connect(ALICE).ask(peer.request(peer.HELLO)).code == peer.OK
        except OSError:
            return False

    broker.until(served)


@pytest.mark.parametrize("asked", [peer.request(peer.HELLO), peer.request(peer.STATS, version=1), peer.request(77)],
                         ids=["hello", "of another version", "unknown"])
def test_requests(spoord, box, asked):
    broker = spoord(rule("small", ALICE, requests=5), rule("large", BOB))
    other = Traced(broker, box, BOB)
    client = broker.connect(ALICE)
    reply = next((one for one in (client.ask(asked) for _ in range(1000)) if one.code == peer.QUOTA), None)
    assert reply, "a thousand at once are more than five a second"
    refused(broker, reply, "requests")
    flood = 300
    for _ in range(flood):
        client.ask(asked)
    assert broker.metric("spoor_refusals_total", tenant="small", reason="quota_requests") > flood / 2
    told = broker.audit(event="request", limit="requests")
    assert len(told) < 10, "a flood is told once a second"
    other.finish()


def test_a_session_over_its_rate_waits(spoord, box):
    """A refusal of its counters would make a trail incomplete that is not."""
    rate = 1
    broker = spoord(rule("small", ALICE, requests=rate), rule("large", BOB))
    other, mine = Traced(broker, box, BOB), Traced(broker, box, ALICE)
    began = time.monotonic()
    for _ in range(3 * rate):
        assert mine.peer.ask(peer.request(peer.STATS)).code == peer.OK
    assert time.monotonic() - began > 0.9, "two seconds' worth is there, the next has to come"
    waits_s = 10  # as many requests as a socket takes before who sends them waits, too (net.unix.max_dgram_qlen)
    asked = time.monotonic()
    for _ in range(waits_s * rate):
        mine.peer.send(peer.request(peer.STATS))
    other.finish()
    assert time.monotonic() - asked < waits_s - 1, "another does not wait for it"
    mine.peer.close()  # with its requests unread
    broker.audit(event="end", uid=ALICE, reason="connection closed")


def test_an_account_of_several_uids(spoord, box):
    broker = spoord(rule("both", f"{ALICE}-{BOB}", containers=1, account="together"))
    first, second = Traced(broker, box, ALICE), Traced(broker, box, BOB)
    assert (first.reply.code, second.reply.code) == (peer.OK, peer.QUOTA)
    assert broker.metric("spoor_sessions", tenant="both", uid="") == 1
    first.finish()


def test_the_cgroup_decides(spoord, box):
    """By where the kernel has the cgroup, not by what anybody says of it."""
    broker = spoord({"name": "never", "cgroup": "/spoor-test-*", "containers": 0})
    container, elsewhere = box(), box()
    reply = broker.connect().arm(container.fd, container.pidfd)
    assert reply.code == peer.QUOTA and "0 of 0 containers" in reply.text
    # A process that is elsewhere says nothing of the cgroup: who hides it does not get another rule's limits.
    own = os.pidfd_open(os.getpid())
    hidden = broker.connect().arm(elsewhere.fd, own)
    os.close(own)
    assert hidden.code == peer.BAD_PROCESS and "not in the cgroup" in hidden.text


def test_hostile_names_are_escaped_in_the_audit_log(spoord, box):
    broker = spoord()
    name = b'x"}\n{"event":"stop"}\x1b[2J\xff'
    traced = Traced(broker, box, BOB, container=name)
    line = broker.audit(event="request", request="arm")[0]
    assert line["outcome"] == "granted" and line["container"] == 'x"}\n{"event":"stop"}\x1b[2J\ufffd'
    assert line["containerBytes"] and line["ringBytes"] == KIB64
    last = traced.finish("ls / > /dev/null")
    end = broker.audit(event="end")[0]
    assert end["session"] == line["session"] and end["reason"] == "disarmed"
    assert end["counters"]["records"] == last.emitted and not any(end["counters"]["lost"].values())
    assert broker.metric("spoor_records_total") == last.emitted
    assert broker.audit_file.read_text().isascii()
    mode = stat.S_IMODE(os.stat(broker.audit_file).st_mode)
    assert mode & 0o137 == 0, oct(mode)


def test_a_reload_keeps_what_runs(spoord, box):
    broker = spoord(rule("small", ALICE, containers=1))
    running, second = Traced(broker, box, ALICE), box(owner=ALICE)
    client = broker.connect(ALICE)
    assert client.arm(second.fd, second.pidfd).code == peer.QUOTA
    broker.write_rules([rule("wider", ALICE, containers=2)])
    assert broker.reload()["outcome"] == "granted"
    granted = client.arm(second.fd, second.pidfd)
    assert granted.code == peer.OK, granted.text
    assert broker.metric("spoor_sessions", tenant="wider", uid=str(ALICE)) == 2, "counted by the new rules"
    broker.write_rules([rule("shut", ALICE, containers=0)])
    broker.reload()
    third = box(owner=ALICE)
    assert broker.connect(ALICE).arm(third.fd, third.pidfd).code == peer.QUOTA
    running.finish("ls / > /dev/null")


def test_a_bad_file_leaves_the_rules_as_they_were(spoord, box):
    broker = spoord(rule("small", ALICE, containers=1))
    first = Traced(broker, box, ALICE)
    for text in ('{"tenants": [{"name": "x", "contianers": 5}]}', "tenants: [", '{"audit": {"file": 3}, "a": 1}'):
        broker.config.write_text(text)
        line = broker.reload()
        assert line["outcome"] == "refused" and str(broker.config) in line["reason"], line
        assert Traced(broker, box, ALICE).reply.code == peer.QUOTA
    os.unlink(broker.config)
    assert broker.reload()["outcome"] == "refused", "the file that --config names has to be there"
    assert "the rules for tenants stay as they were" in broker.log()
    assert broker.metric("spoor_reloads_total", outcome="refused") == 4
    first.finish()


def test_a_bad_file_is_no_start(tmp_path):
    for text, said in (("tenants: 3\n", "wants a list of maps"), (None, "No such file")):
        config = tmp_path / "spoor.yaml"
        config.unlink(missing_ok=True)
        if text:
            config.write_text(text)
        done = subprocess.run([os.environ["SPOORD"], "--socket", str(tmp_path / "s"), "--config", str(config)],
                              capture_output=True, text=True, timeout=60)
        assert done.returncode == 1 and said in done.stderr
        assert not (tmp_path / "s").exists()


def test_the_audit_log_is_reopened_for_logrotate(spoord):
    broker = spoord()
    broker.audit(event="start")
    moved = broker.place / "moved"
    os.rename(broker.audit_file, moved)
    broker.process.send_signal(signal.SIGHUP)
    broker.audit(event="reload")
    assert [json.loads(line)["event"] for line in moved.read_text().splitlines()] == ["start"]


def test_the_audit_log_is_rotated(spoord, box, tmp_path):
    broker = spoord(rule("small", ALICE, containers=0),
                    audit={"file": str(tmp_path / "a.jsonl"), "rotate": 2000, "keep": 3})
    client, container = broker.connect(ALICE), box(owner=ALICE)
    for _ in range(60):
        assert client.arm(container.fd, container.pidfd).code == peer.QUOTA
    broker.process.terminate()  # what waits is written by then, and nothing is renamed any more
    broker.process.wait(60)
    files = sorted(tmp_path.glob("a.jsonl*"))
    assert [file.name for file in files] == ["a.jsonl", "a.jsonl.1", "a.jsonl.2", "a.jsonl.3"]
    assert all(file.stat().st_size <= 2000 for file in files)
    for file in files[1:]:
        assert all(json.loads(line)["schema"] == "spoor.audit/1" for line in file.read_text().splitlines())


def test_the_audit_log_in_the_journal(spoord, box, tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
        journal.settimeout(60)
        journal.bind(str(tmp_path / "journal"))
        os.chmod(tmp_path / "journal", 0o666)
        broker = spoord(rule("small", ALICE, containers=0), audit={"file": f"journal:{tmp_path}/journal"})
        container = box(owner=ALICE)
        assert broker.connect(ALICE).arm(container.fd, container.pidfd).code == peer.QUOTA
        entry = {}
        while entry.get("SPOOR_EVENT") != "request":
            fields = journal.recv(1 << 16).decode().splitlines()
            entry = dict(field.split("=", 1) for field in fields if field)
    line = json.loads(entry["MESSAGE"])
    governed.VALIDATOR.validate(line)
    assert (entry["SPOOR_CODE"], entry["SPOOR_LIMIT"], entry["PRIORITY"]) == ("quota", "containers", "4")
    assert entry["SPOOR_CGROUP_ID"] == str(line["cgroupId"]) == str(os.fstat(container.fd).st_ino)


@pytest.mark.parametrize("destination", ["fifo", "full"])
def test_a_stalled_audit_log_stalls_nobody(spoord, box, tmp_path, destination):
    file = tmp_path / "audit"
    if destination == "fifo":
        os.mkfifo(file)
        reader = os.open(file, os.O_RDONLY | os.O_NONBLOCK)  # and reads nothing
    else:
        file = "/dev/full"
    broker = spoord(rule("small", ALICE, containers=0, requests=1000000), rule("large", BOB),
                    audit={"file": str(file)})
    client, container = broker.connect(ALICE), box(owner=ALICE)
    # Past a pipe's 64 KiB and the queue's 1 MiB.
    for _ in range(4500 if destination == "fifo" else 200):
        assert client.arm(container.fd, container.pidfd).code == peer.QUOTA
    Traced(broker, box, BOB).finish("ls / > /dev/null")
    broker.until(lambda: broker.metric("spoor_audit_lines_lost_total") > 0)
    if destination == "fifo":
        text = b""
        while b'"event":"lost"' not in text:
            try:
                text += os.read(reader, 1 << 16)
            except BlockingIOError:
                time.sleep(0.001)
        told = next(json.loads(line) for line in text.splitlines() if b'"event":"lost"' in line)
        assert told["count"] > 0
        os.close(reader)


def test_metrics_over_both_sockets_and_as_a_file(spoord, box):
    broker = spoord(rule("large", BOB))
    traced = Traced(broker, box, BOB, 1 << 20)
    ways = {}
    answer, text = broker.http()
    assert answer.status == 200 and answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert int(answer.headers["Content-Length"]) == len(text.encode())
    ways["unix"] = governed.strict_samples(text)
    _, text = broker.http(connection=http.client.HTTPConnection("127.0.0.1", broker.port, timeout=60))
    ways["tcp"] = governed.strict_samples(text)

    # One that is made from now on: the one that is there may have been half made when the session began.
    broker.textfile.unlink(missing_ok=True)
    broker.until(broker.textfile.exists)
    ways["file"] = governed.strict_samples(broker.textfile.read_text())
    for way, samples in ways.items():
        assert samples[("spoor_sessions", (("tenant", "large"), ("uid", str(BOB))))] == 1, way
        assert samples[("spoor_ring_bytes", (("tenant", "large"), ("uid", str(BOB))))] == 1 << 20, way
        assert samples[("spoor_grants_total", (("tenant", "large"),))] == 1, way
        assert samples[("spoor_requests_total", (("request", "arm"),))] == 1, way
        assert samples[("spoor_arm_seconds_count", ())] == 1 and 0 < samples[("spoor_arm_seconds_sum", ())] < 10, way
        assert samples[("spoor_programs_attached", ())] > 0, way
        assert samples[("spoor_connections", ())] == 1, way
    for path, method, status in (("/", "GET", 404), ("/metrics", "POST", 405), ("/metrics?x=1", "GET", 200)):
        assert broker.http(path, method)[0].status == status
    answer, text = broker.http(method="HEAD")
    assert answer.status == 200 and text == ""
    traced.finish()
    broker.until(lambda: broker.metric("spoor_programs_attached") == 0)


def test_losses_are_counted_while_a_session_runs(spoord, box):
    broker = spoord()
    traced = Traced(broker, box, BOB)
    traced.box.run("i=0; while [ $i -lt 2000 ]; do [ -e /nothing/$i ]; i=$((i+1)); done")
    broker.until(lambda: broker.metric("spoor_records_lost_total", cause="ring_full") > 0)
    assert broker.metric("spoor_sessions", tenant="default", uid=str(BOB)) == 1
    traced.peer.close()
    broker.audit(event="end", reason="connection closed")


def test_metrics_are_not_for_tenants(spoord):
    broker = spoord()
    assert stat.S_IMODE(os.stat(broker.metrics_socket).st_mode) == 0o600
    with governed.acting_as(ALICE), pytest.raises(PermissionError):
        broker.http()
    grouped = spoord(metrics={"socket": str(broker.place / "grouped.sock"), "group": str(ALICE)})
    status = os.stat(broker.place / "grouped.sock")
    assert (stat.S_IMODE(status.st_mode), status.st_gid) == (0o660, ALICE)
    grouped.metrics_socket = broker.place / "grouped.sock"
    with governed.acting_as(ALICE):
        assert grouped.http()[0].status == 200
    with governed.acting_as(BOB), pytest.raises(PermissionError):
        grouped.http()


def test_a_reader_that_stalls_is_left(spoord):
    """It costs the next one two seconds at most, and spoord's peers nothing."""
    broker = spoord()
    stalled = governed.UnixConnection(broker.metrics_socket)
    stalled.connect()
    stalled.sock.sendall(b"GET /met")
    client = broker.connect(BOB)
    began = time.monotonic()
    assert client.ask(peer.request(peer.HELLO)).code == peer.OK
    assert broker.http()[0].status == 200
    assert time.monotonic() - began < 30
    stalled.close()
