#!/usr/bin/python3
"""The second user of an environment (`./dev shell --beside USER`): does at a socket what the first one asks for.

An order is a JSON object in one packet: {"run": [WORD…], "timeout": SECONDS}, answered by {"code", "out", "err"}, or
{"open": DIRECTORY}, answered by {"code"} with the descriptor of the directory.
"""

import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

SOCKET = Path("/run/spoor-dev/beside/beside.sock")
MOST = 1 << 17


def answer(order):
    """(what is said, descriptors)"""
    if "open" in order:
        try:
            return {"code": 0}, [os.open(order["open"], os.O_RDONLY | os.O_DIRECTORY)]
        except OSError as error:
            return {"code": error.errno}, []
    try:
        done = subprocess.run(order["run"], capture_output=True, timeout=order["timeout"], stdin=subprocess.DEVNULL)
        return {"code": done.returncode, "out": done.stdout.decode(errors="replace")[: MOST // 8],
                "err": done.stderr.decode(errors="replace")[: MOST // 8]}, []
    except (OSError, subprocess.TimeoutExpired) as error:
        return {"code": -1, "out": "", "err": str(error)}, []


def obey(client):
    with client:
        said, descriptors = answer(json.loads(client.recv(MOST)))
        socket.send_fds(client, [json.dumps(said).encode()], descriptors)
        for descriptor in descriptors:
            os.close(descriptor)


def main():
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        # Complete before it has its name.
        listener.bind(sys.argv[1] + ".new")
        os.chmod(sys.argv[1] + ".new", 0o666)
        listener.listen(256)
        os.rename(sys.argv[1] + ".new", sys.argv[1])
        while True:
            client, _ = listener.accept()
            threading.Thread(target=obey, args=[client], daemon=True).start()


if __name__ == "__main__":
    main()
