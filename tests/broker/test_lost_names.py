"""A name that is not there any more when its call returns is missing, and counted: not told as another one."""

from pathlib import Path

import peer
from test_pins import Reader, broker  # noqa: F401 (a fixture)

PROGRAM = Path(__file__).parent / "overwritten_name.py"
LOST_FAULT = 3


def test_overwritten_by_its_call(broker, box, tmp_path):  # noqa: F811
    broker.start()
    (tmp_path / "file").touch()
    one, client = box(), broker.connect()
    reader = Reader(client.arm(one.fd, one.pidfd, 1 << 20))
    assert one.run(f"cd {tmp_path} && exec /usr/bin/python3 -B {PROGRAM} file") == 0
    lost = client.ask(peer.request(peer.DISARM)).lost
    assert lost[LOST_FAULT] == sum(lost) == 1, lost
    reader.read()
    assert f"{tmp_path}/file".encode() in [b"/".join(part for part in r[5:7] if part) for r in reader.records]
