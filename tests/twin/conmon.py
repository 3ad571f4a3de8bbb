"""What a container in the foreground writes, also where Podman does not get all of it.

On a busy machine conmon may have read the beginning of what a short container writes, or all, before it sees podman,
which gets the rest then. Conmon's log has the whole.
"""

import os
from pathlib import Path

from harness import logged

LOG = Path(os.environ["TMPDIR"]) / "conmon-log"
OPTIONS = ["--log-driver=k8s-file", f"--log-opt=path={LOG}"]


def with_log(arguments):
    """podman's; of a `run` in the foreground, which are those with --rm, with the log."""
    words = [str(word) for word in arguments]
    return ["run", *OPTIONS, *words[1:]] if words[0] == "run" and "--rm" in words else words


def whole(out, err=""):
    """These two, or what the log has if they are its end."""
    if LOG.exists():
        both = logged(LOG)
        if both[0].endswith(out) and both[1].endswith(err):
            return both
    return out, err
