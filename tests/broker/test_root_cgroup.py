"""The root of the hierarchy, which everything lies beneath, is nobody's container. Tried as one user tries it while another
is being traced; the other attempts of that kind are in tests/tenants/test_attempts.py."""

import os

import peer
import pytest
from test_tenants import ALICE, BOB, Traced, rule, spoord  # noqa: F401 (a fixture)


@pytest.mark.parametrize("uid, reason", [(BOB, "owns neither the cgroup nor one above it"), (0, "the root of a hierarchy")],
                         ids=["a user", "root"])
def test_the_root_cgroup(spoord, box, uid, reason):  # noqa: F811
    broker = spoord(rule("small", ALICE), rule("large", BOB))
    alice, own = Traced(broker, box, ALICE), box(owner=uid)
    root = os.open(os.path.dirname(own.path), os.O_RDONLY | os.O_DIRECTORY)
    reply = broker.connect(uid).arm(root, own.pidfd)
    assert (reply.code, reply.fds) == (peer.NOT_OWNER, []) and reason in reply.text, (reply.code, reply.text)
    line, = broker.audit(event="request", request="arm", outcome="refused", code="not_owner")
    assert (line["uid"], line["pid"], line["reason"]) == (uid, os.getpid(), reply.text)
    assert line["cgroupId"] == os.fstat(root).st_ino
    os.close(root)
    alice.finish("ls / > /dev/null")
