#!/usr/bin/python3
"""What spoord costs with many sessions: resident memory, the time to arm, and whether any ring is mapped.

Usage: broker.py SPOORD [SESSIONS] [--limit MS]      (as root)

With a limit it exits with 1 if arming takes longer in the median, at a pace or in a burst, if more than 8 MiB are resident
with 100 sessions, or if a ring is mapped.
"""

import argparse
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "broker"))
import conftest  # noqa: E402
import peer  # noqa: E402

RING_BYTES = 512 * 1024
RESIDENT_KIB_MAX = 8 * 1024
PACE_S = 0.02  # between two containers; a burst is measured as well


def kib(pid, key):
    with open(f"/proc/{pid}/status") as status:
        return int(next(line for line in status if line.startswith(key + ":")).split()[1])


def own_kib(pid):
    """What it shares with no other process."""
    with open(f"/proc/{pid}/smaps_rollup") as rollup:
        return sum(int(line.split()[1]) for line in rollup if line.startswith("Private_"))


def below(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as children:
        found = [int(child) for child in children.read().split()]
    return [each for child in found for each in [child, *below(child)]]


def rings_mapped(pid):
    """Mappings of BPF maps that are as large as the smallest ring; the programs' own settings are smaller."""
    found = 0
    with open(f"/proc/{pid}/maps") as maps:
        for line in maps:
            if "anon_inode:bpf" in line:
                begin, end = (int(text, 16) for text in line.split()[0].split("-"))
                found += end - begin > 64 * 1024
    return found


def arm(path):
    box, client = conftest.Box(), peer.Peer(path)
    client.ask(peer.request(peer.HELLO))
    began = time.perf_counter()
    reply = client.arm(box.fd, box.pidfd, RING_BYTES)
    took = (time.perf_counter() - began) * 1e3
    assert reply.code == peer.OK, reply.text
    os.close(reply.fds[0])
    return took, box, client


def show(name, values):
    print(f"{name:22} ms: min {min(values):.2f}  median {statistics.median(values):.2f}  max {max(values):.2f}")


def judge(limit_ms, medians, resident, mapped):
    faults = [f"arming took {median:.2f} ms in the median" for median in medians if median > limit_ms]
    if resident > RESIDENT_KIB_MAX:
        faults.append(f"{resident} KiB are resident")
    if mapped:
        faults.append(f"{mapped} rings are mapped")
    for fault in faults:
        print(f"over the limit: {fault}")
    return 1 if faults else 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("spoord")
    parser.add_argument("sessions", type=int, nargs="?", default=100)
    parser.add_argument("--limit", type=float, metavar="MS", help="judge: arming in the median")
    options = parser.parse_args()
    count, status = options.sessions, 0
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65536), hard))
    with tempfile.TemporaryDirectory() as directory:
        path = directory + "/socket"
        process = subprocess.Popen([options.spoord, "--allow-extra-capabilities", "--pins", "none", "--socket", path, "--log-level", "error"])
        while not os.path.exists(path):
            assert process.poll() is None, "spoord did not come up"
            time.sleep(0.01)
        held = []
        try:
            peer.Peer(path).ask(peer.request(peer.HELLO))
            idle = kib(process.pid, "VmRSS")
            first = arm(path)
            held.append(first)
            paced = []
            for _ in range(count // 2):
                time.sleep(PACE_S)
                held.append(arm(path))
                paced.append(held[-1][0])
            burst = []
            while len(held) < count:
                held.append(arm(path))
                burst.append(held[-1][0])
            print(f"arm, programs detached ms: {first[0]:.2f}")
            show("arm, at a pace", paced)
            show("arm, in a burst", burst)
            resident, mapped = kib(process.pid, "VmRSS"), rings_mapped(process.pid)
            print(f"resident KiB: {idle} idle, {resident} with {count} sessions "
                  f"({kib(process.pid, 'RssAnon')} anonymous, {kib(process.pid, 'RssFile')} of files), "
                  f"peak {kib(process.pid, 'VmHWM')}")
            print(f"rings mapped: {mapped}")
            beside = [own_kib(pid) for pid in below(process.pid)]
            print(f"gatekeepers and their maker: {len(beside)}, {max(beside)} KiB of its own each at most")
            if options.limit is not None:
                status = judge(options.limit, [statistics.median(paced), statistics.median(burst)], resident, mapped)
        finally:
            for _, box, client in held:
                client.close()
                box.remove()
            process.terminate()
            process.wait()
    sys.exit(status)


if __name__ == "__main__":
    main()
