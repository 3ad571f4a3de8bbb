#!/usr/bin/python3
"""How long spoord takes to arm and to disarm a cgroup, with the programs detached in between.

Usage: arm.py SPOORD [ROUNDS]      (as root)
"""

import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "broker"))
import conftest  # noqa: E402
import peer  # noqa: E402


def round_trip(path):
    box = conftest.Box()
    client = peer.Peer(path)
    began = time.perf_counter()
    reply = client.arm(box.fd, box.pidfd)
    armed = time.perf_counter() - began
    assert reply.code == peer.OK, reply.text
    os.close(reply.fds[0])
    box.run("exit")
    box.remove()
    began = time.perf_counter()
    client.ask(peer.request(peer.DISARM))
    disarmed = time.perf_counter() - began
    client.close()
    time.sleep(0.1)  # not a race: the rate at which containers start, so that spare rings are back
    return armed * 1e3, disarmed * 1e3


def main():
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 30
    with tempfile.TemporaryDirectory() as directory:
        path = directory + "/socket"
        process = subprocess.Popen([sys.argv[1], "--allow-extra-capabilities", "--pins", "none", "--socket", path,
                                    "--log-level", "error"])
        while not os.path.exists(path):
            assert process.poll() is None, "spoord did not come up"
            time.sleep(0.01)
        try:
            times = [round_trip(path) for _ in range(rounds)]
        finally:
            process.terminate()
            process.wait()
    for name, values in zip(("arm", "disarm"), zip(*times)):
        print(f"{name:7} ms: min {min(values):.2f}  median {statistics.median(values):.2f}  max {max(values):.2f}")


if __name__ == "__main__":
    main()
