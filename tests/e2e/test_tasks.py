"""Tasks: who touched what it never declared. The agent here is a shell script in the container."""

import ctypes
import errno
import json
import os
import time

import pytest

from harness import execute, finished_trail, session_of, until

# What every agent's script begins with. signal NAME MEMBERS… writes a signal and waits until it is taken.
AGENT = r"""
set -e
cd /ws
number=0
put() {
  number=$((number + 1))
  name=$$-$number
  echo "{\"schema\":\"spoor.task/1\",\"event\":\"$1\",\"taskId\":\"$2\"$3}" > /run/spoor/agent/.$name
  mv /run/spoor/agent/.$name /run/spoor/agent/$name.json
}
signal() {
  put "$@"
  while [ -e /run/spoor/agent/$name.json ]; do sleep 0.01; done
}
start() { signal start "$1" ",\"pid\":$2,\"workspaceRoot\":\"/ws\"$3"; }
"""


@pytest.fixture
def workspace(tmp_path):
    directory = tmp_path / "ws"
    (directory / "src").mkdir(parents=True)
    for name in ("src/a.ts", "src/b.ts", "secret.env", "other.txt"):
        (directory / name).write_text(name)
    (directory / "dist").mkdir()
    return directory


@pytest.fixture
def agent(podman, workspace, volume):
    """Runs a script as the container's first process and returns what the volume holds then."""

    def run(script, *options, code=0, environment=(), runtime="spoor"):
        variables = [f"--env={entry}" for entry in environment]
        done = podman.run(runtime, "-v", f"{workspace}:/ws", *variables, *options, "localhost/busybox", "sh", "-c",
                          AGENT + script, volume=volume)
        assert done.code == code, done
        return Tasks(volume)

    return run


class Tasks:
    def __init__(self, volume):
        self.trail = finished_trail(volume)
        self.session = self.trail.session
        self.trace = volume / "trace"

    def __getitem__(self, task):
        return json.loads((self.trace / "tasks" / f"{task}.json").read_text())

    @property
    def violations(self):
        file = self.trace / "violations.jsonl"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def task_of(self, argument):
        """What processes.jsonl says of the process that has this argument."""
        return {process["task"] for process in self.trail.processes if argument in process["argv"]}


def in_workspace(names):
    return {name for name in names if not name.startswith("/")}


def paths(entries):
    return in_workspace(entry["path"] for entry in entries)


DECLARED = r',\"declared\":{\"inputs\":[\"src/**/*\"],\"outputs\":[\"dist\"]}'


def test_the_planted_violations_and_no_others(agent):
    tasks = agent(f"""
        sh -c 'sleep 0.3; cat src/a.ts > dist/a.js; cat dist/a.js secret.env; echo x > build.log; cat src/b.ts' task &
        start web:build $! "{DECLARED}"
        wait $!
        signal end web:build ',"status":"success","code":0'
    """)
    report = tasks["web:build"]
    assert in_workspace(report["inputs"]) == {"src/a.ts", "src/b.ts", "secret.env"}
    assert in_workspace(report["outputs"]) == {"dist/a.js", "build.log"}
    assert [entry["path"] for entry in report["unexpectedReads"]] == ["secret.env"]
    assert [entry["path"] for entry in report["unexpectedWrites"]] == ["build.log"]
    assert report["expectedOutputsNotWritten"] == []
    own = report["spoor"]
    assert own["complete"] is True and own["ended"] == "signal" and own["mode"] == "warn", own
    assert (own["status"], own["code"]) == ("success", 0)
    assert [entry["pattern"] for entry in own["suggestions"]["inputs"]] == ["{projectRoot}/secret.env"]
    assert {(line["kind"], line["path"]) for line in tasks.violations} == \
        {("read", "/ws/secret.env"), ("write", "/ws/build.log")}
    reader = report["unexpectedReads"][0]["pid"]
    assert [process["cmd"] for process in report["processTree"] if process["pid"] == reader] == \
        ["cat dist/a.js secret.env"]
    assert tasks.task_of("secret.env") == {"web:build"}
    assert {process["task"] for process in tasks.trail.processes if process["pid"] == 1} == {"-"}
    assert "/ws/secret.env" in tasks["-"]["inputs"], "the container's own report has everything"


def test_a_signal_that_comes_after_everything_has_happened(agent):
    tasks = agent(f"""
        sh -c 'cat src/a.ts; sh -c "cat secret.env > dist/x" & wait' task &
        child=$!
        wait $child
        sleep 1
        start late $child "{DECLARED}"
        signal end late
    """)
    report = tasks["late"]
    assert in_workspace(report["inputs"]) == {"src/a.ts", "secret.env"}
    assert in_workspace(report["outputs"]) == {"dist/x"}
    assert report["spoor"]["complete"] is True
    assert tasks.task_of("secret.env") == {"late"}


def test_a_signal_that_comes_before_the_process_does_anything(agent):
    tasks = agent(f"""
        start early $$ "{DECLARED}"
        cat src/a.ts other.txt > dist/a
        signal end early
        cat secret.env
    """)
    assert in_workspace(tasks["early"]["inputs"]) == {"src/a.ts", "other.txt"}
    assert paths(tasks["early"]["unexpectedReads"]) == {"other.txt"}


def test_orphans_and_new_sessions_stay_with_their_task(agent, volume):
    tasks = agent(f"""
        sh -c 'setsid sh -c "(sleep 0.3; cat secret.env; touch /ws/done) & exit 0" & exit 0' task &
        start t $! "{DECLARED}"
        while [ ! -e done ]; do sleep 0.01; done
        signal end t
    """)
    assert paths(tasks["t"]["unexpectedReads"]) == {"secret.env"}
    assert paths(tasks["t"]["unexpectedWrites"]) == {"done"}


def test_parallel_tasks_keep_apart(agent):
    tasks = agent(f"""
        for task in 1 2 3 4; do
          sh -c "sleep 0.2; cat src/a.ts; echo x > out-$task; sleep 0.1; cat out-$task" &
          pids="$pids $!"
          put start t$task ",\\"pid\\":$!,\\"workspaceRoot\\":\\"/ws\\"{DECLARED}"
        done
        wait
        for task in 1 2 3 4; do put end t$task; done
        while [ -e /run/spoor/agent/$name.json ]; do sleep 0.01; done
    """)
    for number in "1234":
        report = tasks[f"t{number}"]
        assert in_workspace(report["outputs"]) == {f"out-{number}"}
        assert in_workspace(report["inputs"]) == {"src/a.ts"}
        assert paths(report["unexpectedWrites"]) == {f"out-{number}"}


def test_nested_tasks(agent):
    """What a task's process does is that task's for good a moment later, so the inner one waits."""
    tasks = agent(f"""
        busybox mkfifo /dev/shm/go
        sh -c 'sleep 0.2; cat other.txt; sh -c "read go < /dev/shm/go; cat secret.env" & echo $! > /ws/inner.pid; wait; cat src/a.ts' &
        outer=$!
        start outer $outer "{DECLARED}"
        while [ ! -s inner.pid ]; do sleep 0.01; done
        start inner $(cat inner.pid) ",\\"parent\\":\\"outer\\"{DECLARED}"
        echo > /dev/shm/go
        wait $outer
        signal end inner
        signal end outer
    """)
    assert in_workspace(tasks["inner"]["inputs"]) == {"secret.env"}
    assert in_workspace(tasks["outer"]["inputs"]) == {"other.txt", "src/a.ts"}


def test_a_worker_that_serves_tasks_in_turn(agent):
    """The second task reads what the first one has read: it is told of again."""
    tasks = agent("""
        sh -c 'for turn in 1 2; do while [ ! -e go-$turn ]; do sleep 0.01; done
                 read line < src/a.ts; read line < src/b.ts; echo $turn > dist/$turn; : > done-$turn; done' worker &
        worker=$!
        for turn in 1 2; do
          start t$turn $worker
          : > go-$turn
          while [ ! -e done-$turn ]; do sleep 0.01; done
          signal end t$turn
        done
        wait
    """)
    for number in "12":
        assert in_workspace(tasks[f"t{number}"]["inputs"]) >= {"src/a.ts", "src/b.ts"}, number
        assert f"dist/{number}" in tasks[f"t{number}"]["outputs"]
    assert "dist/1" not in tasks["t2"]["outputs"] and "dist/2" not in tasks["t1"]["outputs"]


def test_an_agent_in_a_pid_namespace_of_its_own(agent):
    """Its processes are looked for among those that live, so the inner one waits."""
    tasks = agent(f"""
        busybox mkfifo /dev/shm/go
        echo "$AGENT" > agent.sh
        unshare -pf sh -c '. ./agent.sh
          space=$(stat -L -c %i /proc/self/ns/pid)
          sh -c "read go < /dev/shm/go; cat secret.env" & inner=$!
          start t $inner ",\\"pidNamespace\\":$space{DECLARED}"
          start nobody 1000 ",\\"pidNamespace\\":$space"
          echo > /dev/shm/go
          wait $inner
          signal end t'
    """, "--cap-add=SYS_ADMIN", environment=[f"AGENT={AGENT}"])
    assert tasks["t"]["spoor"]["warnings"] == []
    assert in_workspace(tasks["t"]["inputs"]) == {"secret.env"}
    assert "pid 1000" in tasks["nobody"]["spoor"]["warnings"][0]


def test_by_environment_alone(agent):
    tasks = agent("""
        export NX_WORKSPACE_ROOT=/ws NX_TASK_TARGET_TARGET=build
        NX_TASK_TARGET_PROJECT=web NX_TASK_TARGET_CONFIGURATION=production \
          sh -c 'cat src/a.ts > dist/web; env -i /bin/cat other.txt; NX_TASK_TARGET_PROJECT=lib cat secret.env' task
        NX_TASK_TARGET_PROJECT=lib cat src/b.ts
        cat src/a.ts
    """)
    web, lib = tasks["web:build:production"], tasks["lib:build"]
    assert in_workspace(web["inputs"]) == {"src/a.ts", "other.txt"}
    assert in_workspace(web["outputs"]) == {"dist/web"}
    assert web["spoor"]["workspaceRoot"] == "/ws"
    assert web["spoor"]["declared"] is False
    # The inner one has that configuration in its environment as well.
    assert in_workspace(tasks["lib:build:production"]["inputs"]) == {"secret.env"}
    assert in_workspace(lib["inputs"]) == {"src/b.ts"}


@pytest.fixture
def no_inotify():
    """Somebody holds all inotify descriptors that the user may have."""
    make = ctypes.CDLL(None, use_errno=True).inotify_init
    held = []
    while (descriptor := make()) >= 0:
        held.append(descriptor)
    assert ctypes.get_errno() == errno.EMFILE and len(held) > 20, (ctypes.get_errno(), len(held))
    yield
    for descriptor in held:
        os.close(descriptor)


def test_signals_that_cannot_be_watched_for_are_looked_for(no_inotify, agent):
    got = agent(f"""
        busybox mkfifo /dev/shm/go
        sh -c 'read go < /dev/shm/go; cat src/a.ts secret.env' task &
        start web:build $! "{DECLARED}"
        echo > /dev/shm/go
        wait $!
        signal end web:build
    """)
    assert [warning for warning in got.session["warnings"] if "task signals are seen late" in warning], got.session
    assert got.session["complete"]
    report = got["web:build"]
    assert report["spoor"]["ended"] == "signal"
    assert [entry["path"] for entry in report["unexpectedReads"]] == ["secret.env"]


def test_a_task_without_an_end_is_closed_with_its_processes(agent, volume):
    tasks = agent("""
        sh -c 'sleep 0.2; cat src/a.ts' &
        start forgotten $!
        wait
        while [ ! -e /run/spoor/trace/tasks/forgotten.json ]; do sleep 0.1; done
    """)
    assert tasks["forgotten"]["spoor"]["ended"] == "process-tree"
    assert in_workspace(tasks["forgotten"]["inputs"]) == {"src/a.ts"}


def test_the_containers_end_closes_what_is_open(agent):
    tasks = agent("""
        start open $$
        cat src/a.ts
        put inputs open ',"inputs":["src"]'
    """)
    assert tasks["open"]["spoor"]["ended"] == "container"
    assert tasks["open"]["spoor"]["declaration"]["inputs"] == 1


def test_a_server_of_the_task_itself_and_one_of_somebody_else(agent):
    talk = "until echo x | nc 127.0.0.1 4711; do sleep 0.05; done"
    tasks = agent(f"""
        sh -c 'sleep 0.3; nc -l -p 4711 > /dev/null & {talk}; wait' task &
        start own:check $!
        wait $!
        signal end own:check
        nc -l -p 4711 > /dev/null &
        server=$!
        sh -c 'sleep 0.3; {talk}' task &
        start other:check $!
        wait $! $server
        signal end other:check
    """)
    own, other = tasks["own:check"]["spoor"], tasks["other:check"]["spoor"]
    assert {(entry["op"], entry["address"].rsplit(":", 1)[1]) for entry in own["connections"]} == \
        {("bind", "4711"), ("connect", "4711")}
    assert own["hermetic"] is True, own["notHermetic"]
    assert other["hermetic"] is False
    [reason] = other["notHermetic"]
    assert "connected to inet:127.0.0.1:4711, served by pid " in reason and reason.endswith(" outside the task")


def test_strict_kills_the_task_and_nobody_else(agent):
    tasks = agent(f"""
        sh -c 'sleep 0.3; cat src/a.ts; (sleep 30; echo x > survived) & cat secret.env; sleep 30; echo x > survived' &
        bad=$!
        start bad $bad ",\\"mode\\":\\"strict\\"{DECLARED}"
        sh -c 'sleep 1; cat src/b.ts > dist/good' &
        good=$!
        start good $good ",\\"mode\\":\\"strict\\"{DECLARED}"
        code=0; wait $bad || code=$?
        echo $code > dist/code
        wait $good
        signal end bad ',"status":"failure","code":137'
        signal end good
    """)
    bad = tasks["bad"]
    assert bad["spoor"]["failedBy"]["path"] == "secret.env"
    assert bad["spoor"]["mode"] == "strict"
    assert paths(bad["unexpectedReads"]) == {"secret.env"}
    assert "failedBy" not in tasks["good"]["spoor"]
    assert tasks["good"]["unexpectedReads"] == []
    assert in_workspace(tasks["good"]["outputs"]) == {"dist/good"}
    killed = {process["pid"] for process in tasks.trail.processes if process["exit"] == {"signal": 9}}
    assert len(killed) >= 2 and killed <= {process["pid"] for process in bad["processTree"]}
    assert [line["path"] for line in tasks.violations] == ["/ws/secret.env"]
    assert tasks.violations[0]["mode"] == "strict"


@pytest.mark.parametrize("user", ["0", "1000"])
def test_strict_by_the_containers_annotation(agent, workspace, user):
    os.chmod(workspace, 0o777)
    tasks = agent(f"""
        sh -c 'sleep 0.3; cat secret.env; sleep 30' &
        start t $! ",\\"mode\\":\\"off\\"{DECLARED}"
        code=0; wait $! || code=$?
        signal end t
        exit $code
    """, "--annotation", "io.spoor.mode=strict", "--user", user, code=137)
    assert tasks["t"]["spoor"]["failedBy"]["path"] == "secret.env"
    assert "strict" in tasks["t"]["spoor"]["warnings"][0]


def test_exclusions_of_the_workspace(agent, workspace):
    (workspace / ".nx" / "workflows").mkdir(parents=True)
    (workspace / ".nx" / "workflows" / "sandboxing-config.yaml").write_text("exclude-reads:\n  - secret.env\n")
    tasks = agent(f"""
        start t $$ "{DECLARED}"
        cat secret.env other.txt
        signal end t
    """)
    assert paths(tasks["t"]["unexpectedReads"]) == {"other.txt"}
    assert "secret.env" in tasks["t"]["inputs"]


def test_a_hundred_thousand_declared_files(agent, volume):
    """Put there before there is a container."""
    many = [f"packages/p{number % 500}/src/file-{number}.ts" for number in range(100_000)]
    (volume / "agent").mkdir()
    os.chmod(volume / "agent", 0o777)
    (volume / "agent" / "huge.json").write_text(json.dumps({
        "schema": "spoor.task/1", "event": "start", "taskId": "huge", "workspaceRoot": "/ws",
        "declared": {"inputs": ["src/a.ts", *many], "outputs": ["dist"]}}))
    tasks = agent("""
        while [ -e /run/spoor/agent/huge.json ]; do sleep 0.01; done
        signal pid huge ",\\"pid\\":$$"
        cat src/a.ts secret.env
        signal end huge
    """)
    report = tasks["huge"]
    assert paths(report["unexpectedReads"]) == {"secret.env"}
    assert len(report["expectedInputsNotRead"]) == 100_000
    assert report["spoor"]["declaration"]["inputs"] == 100_001


def test_hostile_signals_harm_nobody(agent, workspace):
    (workspace / "huge").write_text("")
    os.truncate(workspace / "huge", 1 << 30)
    tasks = agent("""
        cd /run/spoor/agent
        mkdir a.json
        mkdir full.json; : > full.json/x
        : > empty.json
        echo '{' > half.json
        echo '[[[[' > nested.json
        echo '{"schema":"spoor.task/1","event":"start","taskId":"-"}' > own.json
        echo '{"schema":"spoor.task/1","event":"start","taskId":"../../x","pid":1}' > path.json
        cat /ws/huge > huge.json & kill $! || true
        for name in 1 2 3 4 5 6 7 8 9; do for more in 1 2 3 4 5 6 7 8 9 0; do echo x > flood-$name$more.json; done; done
        cd /ws
        sh -c 'sleep 0.2; cat src/a.ts' &
        good=$!
        start good $good
        wait $good
        signal end good
    """)
    assert in_workspace(tasks["good"]["inputs"]) == {"src/a.ts"}
    warnings = "\n".join(tasks.session["warnings"])
    for name in ("a.json", "full.json", "empty.json", "half.json", "own.json", "flood-1"):
        assert f"agent/{name}" in warnings
    assert len(tasks.session["warnings"]) <= 201
    assert {entry.name for entry in (tasks.trace / "tasks").iterdir()} == {"-.json", "good.json", "%2E.%2F..%2Fx.json"}


def test_planted_links_and_fifos(agent, volume):
    (volume / "agent").mkdir(mode=0o777)
    os.chmod(volume / "agent", 0o777)
    os.mkfifo(volume / "agent" / "fifo.json")
    (volume / "agent" / "link.json").symlink_to("/etc/passwd")
    tasks = agent("start t $$; signal end t")
    warnings = "\n".join(tasks.session["warnings"])
    assert "agent/fifo.json was refused" in warnings and "agent/link.json was refused" in warnings
    assert "t" == tasks["t"]["taskId"]


def test_the_report_is_there_soon_after_the_end(podman, workspace, volume):
    """From the end's rename, by an agent beside the container, to the report's."""
    script = AGENT + """
        start t $$
        number=0
        for directory in $(seq 1 50); do mkdir -p dist/$directory; cd dist/$directory; touch $(seq 1 200); cd /ws; done
        : > ready
        sleep 600
    """
    container = podman("run", "-d", "--network=none", "--annotation", f"io.spoor.volume={volume}", "-v",
                       f"{workspace}:/ws", "localhost/busybox", "sh", "-c", script, runtime="spoor")
    assert container.code == 0, container
    name = container.out.strip()
    try:
        until((workspace / "ready").exists, "the task has done its work")
        report = volume / "trace" / "tasks" / "t.json"
        (volume / "agent" / ".end").write_text('{"schema":"spoor.task/1","event":"end","taskId":"t"}')
        begun = time.monotonic()
        os.rename(volume / "agent" / ".end", volume / "agent" / "end.json")
        until(report.exists, "the report is there")
        took = time.monotonic() - begun
        assert len(json.loads(report.read_text())["outputs"]) >= 10_000
        print(f"report after {took * 1000:.0f} ms")
        # The promise is 200 ms; this machine has other things to do as well.
        assert took < 10, took
    finally:
        podman("rm", "-f", "-t", "0", name)
    until(lambda: session_of(volume).get("state") == "finished", "the session ends")


def test_spoorctl_shows_a_tasks_report(agent, volume):
    agent(f"""
        start web:build $$ "{DECLARED}"
        cat secret.env src/a.ts > out.txt
        signal end web:build ',"status":"success"'
    """)
    done = execute(["spoorctl", "show", "--task", "web:build", volume])
    assert done.code == 0, done
    for word in ("web:build", "success", "secret.env", "out.txt", "{projectRoot}/secret.env"):
        assert word in done.out, done
    missing = execute(["spoorctl", "show", "--task", "web:test", volume])
    assert missing.code != 0 and "web:test" in missing.err, missing


def test_what_the_operator_excludes_and_names(agent, with_settings):
    spoor = with_settings("""
tasks:
  exclude_reads: ["**/*.env"]
  variables: {project: CI_PART, target: CI_STEP, configuration: "", workspace_root: ""}
""")
    tasks = agent(f"""
        signal start web:build ",\\"workspaceRoot\\":\\"/ws\\"{DECLARED}"
        CI_PART=web CI_STEP=build NX_TASK_TARGET_PROJECT=no NX_TASK_TARGET_TARGET=no sh -c 'cat secret.env other.txt'
        signal end web:build
    """, runtime=spoor)
    report = tasks["web:build"]
    assert paths(report["filesRead"]) == {"secret.env", "other.txt"}
    assert [entry["path"] for entry in report["unexpectedReads"]] == ["other.txt"]
    assert not (tasks.trace / "tasks" / "no:no.json").exists()
