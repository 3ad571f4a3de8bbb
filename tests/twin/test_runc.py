"""runc in crun's place, wrapped and not: its dialect of options, and a copy of the bundle instead of --config."""

import subprocess

import pytest

import twin
from harness import until
from twin import scenario


@scenario()
def run(t):
    t.bundle()
    t.oci("run", "--bundle", "bundle", "twin")


@scenario(sessions=5)
def ways_to_write_a_bundle(t):
    t.bundle(["/bin/sh", "-c", "echo out; exit 3"])
    for words in (["-b", "bundle", "twin"], ["-bundle=bundle", "twin"], ["twin", "--bundle", "bundle"],
                  ["--no-pivot=false", "-b=bundle", "twin"], ["-b", "nowhere", "twin", "-b", "bundle"]):
        t.oci("run", *words)


@scenario(sessions=0)
def errors(t):
    t.bundle(["/no/such/program"])
    for words in (["run", "-db", "bundle", "twin"], ["run", "--bun", "bundle", "twin"], ["run", "a", "b"], ["run"], ["--version"],
                  ["run", "--config", "x", "-b", "bundle", "twin"], ["state", "nobody"], ["nosuchverb"], ["run", "--help"]):
        t.oci(*words)
    t.oci("-log", "log", "-log-format=json", "run", "-b", "nowhere", "twin")
    t.note_file("log")


@scenario(sessions=0)
def no_such_program(t):
    t.bundle(["/no/such/program"])
    t.oci("run", "-b", "bundle", "twin")


@scenario()
def life(t):
    t.bundle(["/probe", "wait"])
    t.shell("runtime create -b bundle --pid-file pid twin >out 2>&1 </dev/null; echo $?")
    t.oci("state", "twin")
    t.oci("start", "twin")
    until(lambda: "ready" in (t.box / "out").read_text(), "the container is ready")
    t.oci("exec", "twin", "/probe")
    t.oci("exec", "twin", "/bin/sh", "-c", "exit 9")
    t.oci("delete", "twin")
    t.oci("kill", "twin", "TERM")
    t.until_stopped()
    t.note_file("out")
    t.oci("state", "twin")
    t.oci("delete", "twin")


@scenario()
def detached(t):
    t.bundle(["/bin/busybox", "sleep", "1000"])
    t.oci("run", "-d", "-b", "bundle", "twin", stdout=subprocess.DEVNULL)
    t.until_executed()
    t.oci("delete", "-f", "twin")


@pytest.mark.parametrize("one", twin.scenarios_of(__name__), ids=lambda one: one.name)
def test(one):
    twin.play(one, sides=twin.RUNC_SIDES)
