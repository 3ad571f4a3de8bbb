"""Every report arrives exactly once, whatever the server does; and no secret is left anywhere."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

import faulty_server as fault
from conftest import SIGNATURE, TOKEN
from faulty_server import status

MEGABYTES = bytes(range(256)) * (12 * 1024)  # 3 MiB: more than a socket takes at once


def test_report_is_posted_with_token_and_key(spool, server):
    to = server()
    spool.settings(endpoint=to.url + "/reports?tenant=a")
    first, second = spool.put(task="a"), spool.put(task="b")
    spool.drain()
    assert to.bodies() == [first, second]
    request = to.seen[0]
    assert (request.method, request.path) == ("POST", "/reports?tenant=a")
    assert request.headers["authorization"] == "Bearer " + TOKEN
    assert request.headers["content-type"] == "application/json"
    assert request.headers["content-encoding"] == "gzip"
    assert request.key == "session-1-report"
    assert request.headers["user-agent"].startswith("spoor/")
    assert not spool.queue and not spool.failures
    spool.has_no_secret()


@pytest.mark.parametrize("faults", [
    [status(500)] * 3,
    [status(502, body=b"<html>")],
    [status(503, [("Retry-After", "0")])],
    [status(408)], [status(425)],
    [fault.close] * 3,
    [fault.close_after_taking],
    [fault.close_in_the_answer],
    [fault.garbage] * 2,
    [fault.stall_after_taking],
    [fault.stall],
    [status(500), fault.close_after_taking, fault.garbage, status(429), fault.close_in_the_answer],
], ids=["500", "502", "503", "408", "425", "close", "close-after-taking", "close-in-answer", "garbage",
        "stall-after-taking", "stall", "all"])
def test_every_report_arrives_exactly_once(spool, server, faults):
    to = server(*faults)
    spool.settings(endpoint=to.url, timeoutMs=400)
    sent = [spool.put(task=f"t{n}") for n in range(5)]
    spool.drain()
    assert sorted(to.bodies()) == sorted(sent)
    assert not spool.queue and not spool.failures
    spool.has_no_secret()


def test_retry_after_is_kept(spool, server):
    to = server(status(429, [("Retry-After", "1")]))
    spool.settings(endpoint=to.url)
    sent = spool.put()
    spool.drain()
    assert to.bodies() == [sent] and len(to.seen) == 2
    assert to.seen[1].time - to.seen[0].time >= 1


# The pauses are those of a server, not of an item.
def test_a_server_that_fails_is_not_asked_for_each_item(spool, server):
    to = server(status(429, [("Retry-After", "1")]))
    spool.settings(endpoint=to.url)
    for number in range(30):
        spool.put(task=str(number))
    spool.drain()
    assert len(to.bodies()) == 30 and len(to.seen) == 31
    assert to.seen[1].time - to.seen[0].time >= 1


@pytest.mark.parametrize("code", [400, 401, 403, 404, 409, 413, 422])
def test_refusal_is_final_and_told(spool, server, code):
    to = server(status(code, body=TOKEN.encode()))
    spool.settings(endpoint=to.url)
    spool.put(task="refused")
    sent = spool.put(task="next")
    spool.drain()
    assert to.bodies() == [sent]
    (failure,) = spool.failures
    assert failure["taskId"] == "refused" and failure["kind"] == "report"
    assert failure["reason"] == f"{to.url} answered {code}"
    assert f"answered {code}" in spool.log.read_text()
    spool.has_no_secret()


def test_413_in_the_middle_of_a_large_report(spool, server):
    to = server(early_faults=[status(413)] * 50)  # the answer is lost if the connection is reset before it is read
    spool.settings(endpoint="http://127.0.0.1:1/", putHosts=[f"127.0.0.1:{to.port}"])
    spool.put("raw", "large", MEGABYTES, url=f"{to.url}/x?sig={SIGNATURE}")
    spool.drain()
    assert spool.failures[0]["reason"] == f"{to.url} answered 413"
    spool.has_no_secret()


def test_redirects_within_the_server_only(spool, server):
    other = server()
    to = server()
    to.faults = [status(307, [("Location", "/new?x=1")]), None, status(308, [("Location", other.url + "/")]),
                 status(302, [("Location", "/new")]), status(307, [("Location", "file:///etc/passwd")])]
    spool.settings(endpoint=to.url + "/old")
    sent = [spool.put(task=str(number)) for number in range(4)]
    spool.drain()
    assert to.bodies() == [sent[0]]
    assert [request.path for request in to.seen] == ["/old", "/new?x=1", "/old", "/old", "/old"]
    assert other.seen == []
    assert [failure["taskId"] for failure in spool.failures] == ["1", "2", "3"]
    assert all("redirect" in failure["reason"] for failure in spool.failures)


def test_redirects_have_an_end(spool, server):
    to = server(*[status(307, [("Location", "/again")])] * 20)
    spool.settings(endpoint=to.url)
    spool.put()
    spool.drain()
    assert len(to.seen) == 4 and len(spool.failures) == 1


def test_raw_report_is_put_byte_for_byte(spool, server):
    to = server(fault.close, status(503))
    spool.settings(putHosts=["localhost", f"127.0.0.1:{to.port}"])
    sent = spool.put("raw", "web:build", MEGABYTES, url=f"{to.url}/b/k?X-Amz-Signature={SIGNATURE}")
    spool.drain()
    assert to.bodies() == [sent]
    request = to.seen[-1]
    assert (request.method, request.path) == ("PUT", f"/b/k?X-Amz-Signature={SIGNATURE}")
    assert "authorization" not in request.headers and "content-encoding" not in request.headers
    assert request.headers["content-length"] == str(len(MEGABYTES))
    assert "transfer-encoding" not in request.headers
    spool.has_no_secret()


@pytest.mark.parametrize("change", [
    {"putHosts": []}, {"putHosts": ["127.0.0.1"]}, {"putHosts": ["*.0.0.1:{port}"]}, {"putHosts": ["127.0.0.2:{port}"]},
])
def test_url_of_a_tenant_goes_to_allowed_hosts_only(spool, server, change):
    to = server()
    hosts = [host.format(port=to.port) for host in change["putHosts"]]
    spool.settings(endpoint="https://127.0.0.1:1/", putHosts=hosts)
    spool.put("raw", url=f"{to.url}/x?sig={SIGNATURE}")
    spool.drain()
    assert to.seen == []
    assert spool.failures[0]["reason"] == f"{to.url} is not one of delivery.put.hosts"
    spool.has_no_secret()


@pytest.mark.parametrize("url", ["file:///etc/passwd", "http://user@{host}/", "http://{host}\\@evil/", "gopher://{host}/",
                                 "http://{host}/ x", "http://2130706433:{port}/"])
def test_odd_url_of_a_tenant_is_refused(spool, server, url):
    to = server()
    spool.settings(putHosts=[f"127.0.0.1:{to.port}"])
    spool.put("raw", url=url.format(host=f"127.0.0.1:{to.port}", port=to.port))
    spool.drain()
    assert to.seen == [] and len(spool.failures) == 1


def test_url_is_minted_for_each_try(spool, server):
    to = server(status(500))
    mint = server(status(500), fault.garbage, answer=fault.minting(to))
    spool.settings(mint=mint.url + "/mint")
    sent = spool.put("raw", "web:build", b'{"raw": 1}')
    spool.drain()
    assert to.bodies() == [sent]
    request = to.seen[-1]
    assert request.path == "/minted/web:build?X-Amz-Signature=minted-secret"
    assert request.headers["x-ms-blob-type"] == "BlockBlob" and "authorization" not in request.headers
    asked = mint.seen[-1]
    assert asked.headers["authorization"] == "Bearer " + TOKEN
    assert json.loads(asked.body) == {"taskId": "web:build", "session": "session", "containerId": "c", "bytes": 10,
                                      "contentType": "application/json", "idempotencyKey": asked.key}
    assert len(mint.seen) == 4
    spool.has_no_secret()


@pytest.mark.parametrize("answer", [b"", b"[]", b'{"url": 7}', b'{"url": "file:///etc/passwd"}',
                                    b'{"url": "http://127.0.0.1/", "headers": {"Host": "x"}}', b"\xff" * 200_000])
def test_garbage_instead_of_a_url_is_asked_for_again(spool, server, answer):
    to = server()
    good = fault.minting(to)
    answers = [answer]
    mint = server(answer=lambda request: answers.pop() if answers else good(request))
    spool.settings(mint=mint.url)
    sent = spool.put("raw")
    spool.drain()
    assert to.bodies() == [sent]


def test_log_records_go_to_the_collector(spool, server):
    token = spool.path.parent / "otlp-token"
    token.write_text("other-token")
    to = server(status(503), answer=lambda _: b'{"partialSuccess":{"rejectedLogRecords":"2","errorMessage":"m"}}')
    spool.settings(otlpEndpoint=to.url + "/", otlpTokenFile=str(token))
    sent = spool.put("logs", "", b'{"resourceLogs":[]}')
    spool.drain()
    assert to.bodies("/v1/logs") == [sent]
    assert to.seen[-1].headers["authorization"] == "Bearer other-token"
    assert to.seen[-1].headers["content-encoding"] == "gzip"
    assert "has not taken 2 of the log records" in spool.log.read_text()


def test_token_is_read_at_each_try(spool, server):
    to = server(status(500))
    spool.settings(endpoint=to.url, retryMinMs=300, retryMaxMs=300)
    spool.token.unlink()
    spool.put()
    assert "given up" not in spool.drain("--once", code=1)
    assert to.seen == []
    assert "token: No such file" in json.loads((spool.path / "status.json").read_text())["error"]
    for wrong in ("", "two words", "line\nline"):
        spool.token.write_text(wrong)
        spool.drain("--once", code=1)
    assert to.seen == []
    spool.token.write_text("old")
    spool.drain("--once", code=1)
    spool.token.write_text("  new \n")
    spool.drain()
    assert [request.headers["authorization"] for request in to.seen] == ["Bearer old", "Bearer new"]


def test_tls_is_verified(spool, server, certificate):
    to = server(certificate=certificate)
    spool.settings(endpoint=to.url)
    sent = spool.put()
    spool.drain("--once", code=1)
    assert to.seen == []
    assert "certificate" in json.loads((spool.path / "status.json").read_text())["error"]
    spool.settings(endpoint=to.url, caFile=str(certificate))
    spool.drain()
    assert to.bodies() == [sent]
    # The right authority, and another name.
    spool.settings(endpoint=to.url.replace("127.0.0.1", "localhost"), caFile=str(certificate))
    spool.put()
    spool.drain("--once", code=1)
    assert len(to.seen) == 1


def test_killed_in_the_middle_it_goes_on(spool, server):
    to = server()
    spool.settings(endpoint=to.url)
    sent = [spool.put(task=str(number)) for number in range(40)]
    for stop_at in (1, 7, 20):
        process = spool.start()
        to.wait(lambda server: len(server.taken) >= stop_at)
        process.send_signal(signal.SIGKILL)
        process.wait()
    # Killed while the server has it and the answer is not there. All others may have been delivered.
    sent.append(spool.put(task="last"))
    to.faults = [fault.stall_after_taking]
    process = spool.start()
    to.wait(lambda server: not server.faults)
    to.wait(lambda server: server.seen[-1].key in server.taken)
    process.send_signal(signal.SIGKILL)
    process.wait()
    spool.drain()
    assert sorted(to.bodies()) == sorted(sent)
    assert not spool.queue and not spool.failures


def test_what_a_crash_left_is_passed_over(spool, server):
    to = server()
    spool.settings(endpoint=to.url)
    half = spool.path / "queue" / f"{time.time_ns():020}-00000000000000aa"
    half.write_bytes(b'{"kind":"report","key":"k","session":"s","containerId":"c","taskId":"t","payloadBytes":9}\n{')
    (spool.path / "queue" / ".00000000000000000001-0000000000000001.1.1").write_bytes(b"half")
    sent = spool.put()
    spool.drain()
    assert to.bodies() == [sent]
    assert [failure["reason"] for failure in spool.failures] == ["the spooled item is damaged"]


def test_too_old_and_too_much_are_given_up(spool, server):
    to = server()
    spool.settings(endpoint=to.url, maxAgeMs=60_000, spoolBytesMax=5000)
    spool.put(task="large", payload=b"x" * 3000)
    old = spool.queue[0]
    old.rename(old.with_name(f"{time.time_ns() - 120 * 10**9:020}-00000000000000aa"))
    spool.put(task="first", payload=b"y" * 3000)
    kept = spool.put(task="last", payload=b"z" * 3000)
    spool.drain()
    assert to.bodies() == [kept]
    assert [(failure["taskId"], failure["reason"]) for failure in spool.failures] == [
        ("large", "it was not delivered within delivery.max_age"),
        ("first", "the spool was full (delivery.spool_max)")]


def test_one_delivers_and_takes_in_what_comes(spool, server):
    to = server(fault.stall_after_taking)
    spool.settings(endpoint=to.url, timeoutMs=20_000)
    sent = [spool.put(task="first")]
    process = spool.start()
    to.wait(lambda server: len(server.taken) == 1)
    spool.drain()  # another one: nothing to do for it
    assert "at work" in spool.drain("--once")
    sent += [spool.put(task="second")]
    assert len(to.seen) == 1
    to.released.set()
    assert process.wait(60) == 0
    assert sorted(to.bodies()) == sorted(sent)


def test_new_settings_end_all_pauses(spool, server):
    to = server()
    spool.settings(endpoint="http://127.0.0.1:1/", retryMinMs=600_000, retryMaxMs=3_600_000)
    sent = spool.put()
    process = spool.start()
    status_file = spool.path / "status.json"
    deadline = time.monotonic() + 60
    while not status_file.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    spool.settings(endpoint=to.url)
    assert process.wait(60) == 0
    assert to.bodies() == [sent]


def test_nothing_is_seen_from_outside(spool, server):
    to = server(fault.stall)
    spool.settings(putHosts=[f"127.0.0.1:{to.port}"], timeoutMs=20_000)
    spool.put("raw", url=f"{to.url}/x?sig={SIGNATURE}")
    process = spool.start()
    to.wait(lambda server: server.seen)
    proc = Path(f"/proc/{process.pid}")
    command = (proc / "cmdline").read_bytes().split(b"\0")
    assert command[1:] == [b"--spool", str(spool.path).encode(), b""]
    if os.geteuid() != 0:  # root may look at everything
        with pytest.raises(PermissionError):
            (proc / "environ").read_bytes()
    assert (spool.path / "lock").stat().st_mode & 0o077 == 0


def test_spool_of_others_is_not_used(spool, server):
    spool.settings(endpoint=server().url)
    spool.path.chmod(0o755)
    assert "0700" in spool.drain(code=1)


def spoorctl(spool, *options, config=None):
    environment = {"SPOOR_CONFIG": str(config)} if config else {}
    done = subprocess.run([os.environ["SPOORCTL"], "deliver", *options], capture_output=True, text=True, timeout=60,
                          env={"HOME": "/nonexistent", "XDG_RUNTIME_DIR": str(spool.path.parent / "run"), **environment})
    return done.returncode, done.stdout + done.stderr


def test_spoorctl_shows_and_flushes(spool, server):
    to = server(status(500), status(413))
    config = spool.path.parent / "spoor.yaml"
    config.write_text(f"delivery:\n  endpoint: {to.url}\n  token_file: {spool.token}\n  spool: {spool.path}\n"
                      f"  retry_min: 10ms\n  retry_max: 20ms\n")
    code, out = spoorctl(spool, "--status")
    assert code == 0 and "is not there" in out
    spool.settings(endpoint="http://127.0.0.1:1/")
    spool.put(task="web:build", payload=b"x" * 20_000)
    spool.put(task="api:test")
    code, out = spoorctl(spool, "--status", config=config)
    assert code == 0 and "2 items, 19 KiB" in out and "none" in out, out
    # With the settings of the configuration, not with those that were there.
    code, out = spoorctl(spool, "--once", config=config)
    assert code == 1, out
    code, out = spoorctl(spool, "--status", config=config)
    assert "1 item" in out and f"report of task api:test of container c: {to.url} answered 413" in out, out
    assert f"answered 413" in out and TOKEN not in out
    code, out = spoorctl(spool, config=config)
    assert code == 0, out
    assert len(to.bodies()) == 1 and not spool.queue
    code, out = spoorctl(spool, "--status", "--spool", str(spool.path))
    assert "0 items" in out, out
