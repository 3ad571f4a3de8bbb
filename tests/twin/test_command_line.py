"""What needs no container: options, usage, errors, logs."""

import pytest

import twin
from twin import scenario

HELP = [[verb, "--help"] for verb in ("create", "run", "start", "state", "exec", "kill", "delete", "list", "ps", "pause",
                                      "resume", "update", "spec", "checkpoint", "restore", "features")]
CALLS = [
    ["--version"], ["-v"], ["-V"], ["--vers"], ["--help"], ["--usage"], ["-?"], [], ["nosuchverb"], ["--nosuchoption"],
    ["--root"], ["--log-format=xml", "--log", "l", "state", "x"], ["--log-format", "json", "list"], ["--", "list"],
    ["--ro", "r", "list"], ["--l", "x", "list"], ["--debug", "list"], ["--cgroup-manager=nosuch", "list"],
    ["--cgroup-manager", "disabled", "list"], ["--rootless=perhaps", "list"], ["--systemd-cgroup", "list"],
    ["--log=/nonexistent/log", "list"], ["--log", "/", "list"], ["--log=file:log", "state", "nobody"],
    ["--log", "log", "state", "nobody"], ["--log=log", "--log-format=json", "state", "nobody"],
    ["--log=journald:", "--log-format=json", "state", "nobody"], ["--log=syslog:x", "state", "nobody"],
    ["--root", "r", "state", "nobody"], ["--root=/proc/nosuch", "state", "nobody"],
    ["state"], ["state", "nobody"], ["state", "nobody", "more"], ["state", "../nobody"],
    ["start"], ["start", "nobody"], ["start", "nobody", "more"],
    ["kill"], ["kill", "nobody"], ["kill", "nobody", "TERM"], ["kill", "nobody", "NOSUCH"], ["kill", "-a", "nobody"],
    ["kill", "--regex", "no.*", "TERM"],
    ["delete"], ["delete", "nobody"], ["delete", "-f", "nobody"], ["delete", "--for", "nobody"], ["delete", "-r", "x.*"],
    ["list"], ["list", "-q"], ["list", "-f", "json"], ["list", "--format=yaml"],
    ["ps"], ["ps", "nobody"], ["ps", "--format", "json", "nobody"],
    ["exec"], ["exec", "nobody"], ["exec", "nobody", "true"], ["exec", "--tty", "nobody", "true"], ["exec", "-p", "none", "nobody"],
    ["pause", "nobody"], ["resume", "nobody"], ["update", "nobody"], ["update", "--resources", "none", "nobody"],
    ["update", "--memory", "lots", "nobody"],
    ["spec"], ["spec", "--rootless"], ["spec", "-b", "nowhere"], ["spec", "-f", "other.json"],
    ["create"], ["create", "--nosuch"], ["create", "x"], ["create", "-b"], ["create", "-b", "nowhere", "x"],
    ["create", "--pid", "p", "x"], ["create", "--p", "p", "x"], ["create", "x", "y"], ["create", "--", "x"], ["create", "-b."],
    ["create", "--preserve-fds=many", "x"], ["create", "--preserve-fds", "-1", "x"], ["create", "--config", "none.json", "x"],
    ["run"], ["run", "--nosuch"], ["run", "x"], ["run", "-d"], ["run", "--bundle=nowhere", "x"], ["run", "--detach=yes", "x"],
    ["run", "-b", "nowhere", "-f", "c", "x"], ["run", "--no-p", "x"], ["run", "--keep", "x"], ["run", ""], ["run", "a/b"],
    ["run", "-bnowhere", "x"], ["run", "-dbnowhere", "x"], ["--log=log", "run", "x"],
    ["--log=log", "--log-format=json", "run", "-b", "nowhere", "x"], ["--log=/nonexistent/log", "run", "x"],
    ["checkpoint", "nobody"], ["restore", "nobody"], ["features"], ["events", "nobody"], ["hook"],
    *HELP,
]


def play(call):
    def line(t):
        t.oci(*call)
        for name in ("log", "l", "file:log", "config.json", "other.json"):
            t.note_file(name)

    line.__name__ = " ".join(call)
    twin.play(twin.Scenario(line, sessions=0, rootless=True, rootful=True))


@pytest.mark.parametrize("call", CALLS, ids=" ".join)
def test_call(call):
    play(call)
