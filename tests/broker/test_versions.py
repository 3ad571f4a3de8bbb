"""Sessions of one release's spoord are seen to their end by another's, whose ABI, state and protocol have other
versions and whose maps have larger values: an upgrade, and a downgrade."""

import os

import peer
import pytest
from test_pins import Reader, broker, eventually  # noqa: F401 (a fixture)

NEXT = 1000  # the protocol that SPOORD_NEXT speaks


def release(name):
    return os.environ[name]


@pytest.fixture(params=[("SPOORD", "SPOORD_NEXT"), ("SPOORD_NEXT", "SPOORD")], ids=["upgrade", "downgrade"])
def change(request, broker, monkeypatch):  # noqa: F811
    """A broker that changes from the one to the other with its next start."""
    before, after = map(release, request.param)
    monkeypatch.setenv("SPOORD", before)
    upgrade = request.param[0] == "SPOORD"
    versions = (peer.VERSION, NEXT) if upgrade else (NEXT, peer.VERSION)

    class Change:
        spoord = broker
        spoken, spoken_later = versions
        is_upgrade = upgrade

        @staticmethod
        def start(*options):
            monkeypatch.setenv("SPOORD", after)
            broker.start(*options, version=versions[1])

    broker.start(version=versions[0])
    return Change


def arm(client, container, version, ring_bytes=1 << 18):
    return client.ask(peer.request(peer.ARM, ring_bytes, version=version), [container.fd, container.pidfd])


def directories(spoord):
    return sorted(path.name for path in spoord.pins.iterdir())


def resume(change, reader):
    """In the version that the session's recorder speaks, or in the later spoord's own."""
    client = change.spoord.connect()
    version = change.spoken if change.is_upgrade else change.spoken_later
    return client, client.ask(peer.request(peer.RESUME, token=reader.token, version=version)), version


def test_a_session_ends_complete(change, box, tmp_path):
    spoord = change.spoord
    container, client = box(), spoord.connect()
    first = arm(client, container, change.spoken)
    reader = Reader(first)
    (own,) = directories(spoord)
    spoord.kill()
    change.start()
    assert own in directories(spoord) and len(directories(spoord)) == 2
    client, reply, version = resume(change, reader)
    assert (reply.code, reply.ring_bytes) == (peer.OK, reader.ring.size), reply.text
    assert (reply.version, reply.abi) == (version, first.abi)
    # Nobody else gets the cgroup, and the new spoord's own sessions are other ones.
    assert arm(spoord.connect(), container, change.spoken_later).code == peer.ALREADY_TRACED
    other, second = box(), spoord.connect()
    later = Reader(arm(second, other, change.spoken_later))
    larger = client.ask(peer.request(peer.GROW, 1 << 19, version=version))
    assert larger.code == peer.OK, larger.text
    reader.replace(larger)
    assert client.ask(peer.request(peer.RENEW, pid=1, start=1, version=version)).code == peer.UNAVAILABLE
    assert container.run(f": > {tmp_path}/made") == 0
    assert other.run(f": > {tmp_path}/other") == 0
    assert client.ask(peer.request(peer.STATS, version=version)).emitted > 0
    container.remove()
    reader.read()
    later.read()
    assert reader.records[-1][0] == peer.EV_END and f"{tmp_path}/made" in reader.created()
    assert f"{tmp_path}/other" in later.created() and f"{tmp_path}/other" not in reader.created()
    last = client.ask(peer.request(peer.DISARM, version=version))
    assert (last.code, last.emitted, last.lost) == (peer.OK, len(reader.records), (0,) * 5)
    assert own in directories(spoord)
    client.close()
    eventually(lambda: own not in directories(spoord), lambda: directories(spoord))
    # The other session is none of that.
    assert second.ask(peer.request(peer.STATS, version=change.spoken_later)).code == peer.OK
    spoord.terminate()


def test_both_versions_killed_in_turn(change, box, tmp_path):
    """Back and forth: each finds the other's session and its own."""
    spoord = change.spoord
    container, client = box(), spoord.connect()
    reader = Reader(arm(client, container, change.spoken))
    spoord.kill()
    change.start()
    other = box()
    later = Reader(arm(spoord.connect(), other, change.spoken_later))
    spoord.kill()
    container.run(f": > {tmp_path}/made")
    container.remove()
    change.start()
    client, reply, version = resume(change, reader)
    assert reply.code == peer.OK, reply.text
    reader.read()
    last = client.ask(peer.request(peer.DISARM, version=version))
    assert (last.emitted, last.lost) == (len(reader.records), (0,) * 5) and f"{tmp_path}/made" in reader.created()
    client.close()
    second = spoord.connect()
    assert second.ask(peer.request(peer.RESUME, token=later.token, version=change.spoken_later)).code == peer.OK
    eventually(lambda: len(directories(spoord)) == 1, lambda: directories(spoord))


def test_what_nobody_resumes_is_collected(change, box):
    spoord = change.spoord
    container, client = box(), spoord.connect()
    assert arm(client, container, change.spoken).code == peer.OK
    (own,) = directories(spoord)
    spoord.kill()
    client.close()
    change.start("--resume-grace", "5")  # from its start, which may be a while ago when this goes on
    assert own in directories(spoord)
    eventually(lambda: own not in directories(spoord), lambda: directories(spoord))
    assert arm(spoord.connect(), container, change.spoken_later).code == peer.OK


def test_what_is_no_set_is_removed_and_what_is_in_use_is_not(change, box):
    spoord = change.spoord
    container, client = box(), spoord.connect()
    reader = Reader(arm(client, container, change.spoken))
    (own,) = directories(spoord)
    first, socket = spoord.process, spoord.socket
    # Beside the one that runs, at a socket of its own.
    spoord.socket = spoord.socket.with_name("second")
    change.start("--resume-grace", "1")
    assert own in directories(spoord)
    assert client.ask(peer.request(peer.STATS, version=change.spoken)).code == peer.OK
    spoord.terminate()
    first.kill()
    first.wait()
    client.close()
    assert "complete" in {path.name for path in (spoord.pins / own).iterdir()}
    (spoord.pins / own / "complete").rmdir()
    spoord.socket = socket
    change.start()
    assert own not in directories(spoord)
    assert reader.token


def test_a_new_container_needs_the_same_release(change, box):
    spoord, container = change.spoord, box()
    wrong = arm(spoord.connect(), container, change.spoken_later)
    assert wrong.code == peer.BAD_VERSION and "one release" in wrong.text
