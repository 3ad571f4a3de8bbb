"""A disk that takes three seconds for the first sync of each thread, by strace: no start waits for it, and nothing is lost meanwhile."""

from harness import BIN, finished_trail

SLOW = """#!/bin/sh
exec strace -D -f -qq -o {log} -e trace=fsync,fdatasync -e inject=fsync,fdatasync:delay_enter=3000000:when=1 {recorder} "$@"
"""


def test_no_start_waits_for_the_disk(podman, volume, tmp_path, with_settings, footprint):
    log, recorder = tmp_path / "syncs", tmp_path / "recorder"
    recorder.write_text(SLOW.format(log=log, recorder=BIN / "spoor-recorder"))
    recorder.chmod(0o755)
    runtime = with_settings(f"setup_deadline: 2s\nrecorder: {recorder}\n")
    done = podman.run(runtime, "busybox", "sh", "-c", "i=0; while [ $i -lt 100 ]; do [ -e /nothing/$i ]; i=$((i+1)); done",
                      volume=volume)
    assert done.code == 0, done
    assert {f"/nothing/{i}" for i in range(100)} <= finished_trail(volume).paths("absent")
    assert "(DELAYED)" in log.read_text()
    footprint.is_clean()
