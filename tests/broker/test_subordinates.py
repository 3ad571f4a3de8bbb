"""Who has many uids, as everybody has who may make a user namespace, is one tenant all the same."""

import subprocess

import peer
import pytest
from test_tenants import ALICE, BOB, Traced, rule, spoord  # noqa: F401 (a fixture)

FIRST, COUNT = 300000, 65536


@pytest.fixture
def subordinates(tmp_path):
    """In /etc/subuid, which these tests have a mount namespace for, they are Alice's."""
    file = tmp_path / "subuid"
    file.write_text(f"root:100000:65536\n{ALICE}:{FIRST}:{COUNT}\n")
    file.chmod(0o644)
    subprocess.run(["mount", "--bind", file, "/etc/subuid"], check=True)
    yield range(FIRST, FIRST + COUNT)
    subprocess.run(["umount", "/etc/subuid"], check=True)


def test_limits_are_the_users(subordinates, spoord, box):  # noqa: F811
    broker = spoord(rule("small", ALICE, containers=1, connections=4), rule("large", BOB))
    other = Traced(broker, box, BOB)
    first, second = Traced(broker, box, subordinates[0]), Traced(broker, box, subordinates[-1])
    assert first.reply.code == peer.OK, first.reply.text
    assert (second.reply.code, second.reply.text) == (peer.QUOTA, f"tenant small (uid {ALICE}) has 1 of 1 containers")
    line = broker.audit(event="request", outcome="refused", code="quota", limit="containers")[-1]
    assert (line["uid"], line["tenant"]) == (subordinates[-1], "small")
    held = [broker.connect(uid) for uid in (ALICE, subordinates[7])]
    assert all(one.ask(peer.request(peer.HELLO)).code == peer.OK for one in held)
    assert broker.connect(subordinates[8]).receive().code == peer.QUOTA
    for client in held:
        client.close()
    first.finish()
    other.finish()
