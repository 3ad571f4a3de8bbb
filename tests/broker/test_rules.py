"""By what spoord takes a peer for a tenant: the user's id and its group, the groups that it has besides, where its cgroup is."""

import os

import pytest
from test_tenants import ALICE, BOB, Traced, rule, spoord  # noqa: F401 (a fixture)

STAFF, OTHER = 64001, 64002


@pytest.fixture
def groups():
    """The supplementary groups of this process, and so of its connections (SO_PEERGROUPS)."""
    before = os.getgroups()
    yield os.setgroups
    os.setgroups(before)


@pytest.mark.parametrize("group, having, tenant", [(STAFF, [], "rest"), (STAFF, [OTHER, STAFF], "staff"), (ALICE, [], "staff")],
                         ids=["not in it", "in it besides", "its own"])
def test_a_rule_by_group(spoord, box, groups, group, having, tenant):  # noqa: F811
    """What decides is what the kernel says that the peer was in when it connected."""
    broker = spoord({"name": "staff", "gid": [group], "ring_bytes_each": 1 << 17}, {"name": "rest", "ring_bytes_each": 1 << 16})
    other = Traced(broker, box, BOB)
    groups(having)
    alice = Traced(broker, box, ALICE, 1 << 20)
    assert alice.reply.ring_bytes == (1 << 17 if tenant == "staff" else 1 << 16), alice.reply.text
    assert broker.audit(event="request", request="arm", uid=ALICE)[-1]["tenant"] == tenant
    alice.finish("ls / > /dev/null")
    other.finish("ls / > /dev/null")


def test_a_rule_by_ranges_of_users(spoord, box):  # noqa: F811
    broker = spoord(rule("range", [f"{ALICE - 10}-{ALICE}", 7], ring_bytes_each=1 << 17), {"name": "rest", "ring_bytes_each": 1 << 16})
    for uid, ring in ((ALICE, 1 << 17), (ALICE - 10, 1 << 17), (7, 1 << 17), (ALICE - 11, 1 << 16), (BOB, 1 << 16)):
        traced = Traced(broker, box, uid, 1 << 20)
        assert traced.reply.ring_bytes == ring, (uid, traced.reply.text)
        traced.peer.close()
