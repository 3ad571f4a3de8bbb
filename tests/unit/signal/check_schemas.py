"""Real output of spoor_signal against signal/schema/, and documents that the schemas must refuse."""
import copy
import json
import pathlib
import subprocess
import sys
import tempfile

import jsonschema

sample, schema_dir = sys.argv[1], pathlib.Path(sys.argv[2])
failures = []
validators = {}
for path in sorted(schema_dir.glob("*.schema.json")):
    schema = json.loads(path.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema", path
    validators[path.name.split(".")[0]] = jsonschema.Draft202012Validator(schema)
# spoord's audit log is checked by tests/broker.
assert sorted(validators) == ["access", "audit", "process", "report", "session", "task", "violation"], sorted(validators)


def strict(text):
    """json.loads that takes no key twice and no NaN."""
    def pairs(items):
        keys = [key for key, _ in items]
        assert len(keys) == len(set(keys)), f"a key twice: {keys}"
        return dict(items)
    return json.loads(text, object_pairs_hook=pairs, parse_constant=lambda name: failures.append(name))


def valid(kind, document, where):
    for error in validators[kind].iter_errors(document):
        failures.append(f"{where}: {'/'.join(map(str, error.absolute_path))}: {error.message}")


def invalid(kind, document, why):
    if validators[kind].is_valid(document):
        failures.append(f"the {kind} schema takes a document with {why}")


def known_keys(kind, document, where):
    """The schema describes every key that is written, so that none goes undocumented."""
    def walk(schema, value, at):
        if "$ref" in schema:
            schema = validators[kind].schema["$defs"][schema["$ref"].split("/")[-1]]
        properties = dict(schema.get("properties", {}))
        parts = schema.get("allOf", []) + schema.get("anyOf", [])
        for part in parts:
            if "$ref" in part:
                part = validators[kind].schema["$defs"][part["$ref"].split("/")[-1]]
            properties.update(part.get("properties", {}))
        if isinstance(value, dict):
            for key, below in value.items():
                if key in properties:
                    walk(properties[key], below, f"{at}/{key}")
                elif not isinstance(schema.get("additionalProperties"), dict):
                    failures.append(f"{where}: {at}/{key} is not described")
        elif isinstance(value, list):
            for below in value:
                walk(schema.get("items", {}), below, at)
    walk(validators[kind].schema, document, "")


def check(kind, document, where):
    valid(kind, document, where)
    known_keys(kind, document, where)


with tempfile.TemporaryDirectory() as top:
    subprocess.run([sample, top], check=True)
    for name, state in [("full", "finished"), ("untraced", "untraced"), ("live", "tracing")]:
        trace = pathlib.Path(top, name, "trace")
        session = strict((trace / "session.json").read_bytes().decode())
        check("session", session, f"{name}/session.json")
        assert session["state"] == state, session["state"]
        if name == "untraced":
            continue
        assert len(session["files"]["accesses"]) > 1, "the sample is to rotate"
        keys, joined = set(), set()
        for part in session["files"]["accesses"]:
            for line in (trace / part).read_bytes().decode().splitlines():
                access = strict(line)
                check("access", access, part)
                keys |= set(access)
                joined.add((access["pid"], access["start"]))
        assert keys == set(validators["access"].schema["properties"]), keys
        processes = set()
        for line in (trace / "processes.jsonl").read_bytes().decode().splitlines():
            process = strict(line)
            check("process", process, "processes.jsonl")
            processes.add((process["pid"], process["start"]))
        if name == "live":
            continue
        assert joined <= processes, (joined, processes)
        assert session["complete"] is True, session
        report = strict((trace / "tasks" / "-.json").read_bytes().decode())
        check("report", report, "tasks/-.json")
        for key, value in list(report.items()) + list(report["spoor"].items()):
            empty = ("unexpectedReads", "unexpectedWrites", "expectedInputsNotRead", "expectedOutputsNotWritten",
                     "reasons", "lost", "declared")
            if not value and key not in empty:
                failures.append(f"the sample's report has nothing under {key}")

        report = strict((trace / "tasks" / "web:build.json").read_bytes().decode())
        check("report", report, "tasks/web:build.json")
        described = set(validators["report"].schema["properties"]["spoor"]["properties"])
        only_elsewhere = {"refused", "omittedAccesses", "omittedProcesses", "outputsBytes", "expectedInputsNotReadBytes",
                          "expectedOutputsNotWrittenBytes"}
        assert described - set(report["spoor"]) == only_elsewhere, described - set(report["spoor"])
        assert report["unexpectedReads"] and report["unexpectedWrites"], report
        violations = [strict(line) for line in (trace / "violations.jsonl").read_bytes().decode().splitlines()]
        for violation in violations:
            check("violation", violation, "violations.jsonl")
        assert set().union(*violations) | {"refused"} == set(validators["violation"].schema["properties"])

access = {"time": "2024-05-01T10:00:00.000123Z", "pid": 7, "start": 1, "op": "read", "path": "/a"}
valid("access", access, "access")
for change, why in [({"op": "open"}, "an unknown op"), ({"pid": "7"}, "a pid that is text"), ({"flags": []}, "no flag"),
                    ({"flags": ["odd"]}, "an unknown flag"), ({"time": "today"}, "a bad time"),
                    ({"pathBytes": "?"}, "bad base64"), ({"toBytes": "Zg=="}, "toBytes alone")]:
    invalid("access", {**access, **change}, why)
for key in access:
    invalid("access", {k: v for k, v in access.items() if k != key}, f"no {key}")
lying = copy.deepcopy(session)
for change, why in [({"complete": True, "lost": 3}, "complete and lost"), ({"complete": True, "state": "tracing"}, "complete while tracing"),
                    ({"state": "odd"}, "an unknown state"), ({"schema": "spoor.session/2"}, "another schema")]:
    invalid("session", {**lying, **change}, why)
start = {"schema": "spoor.task/1", "event": "start", "taskId": "web:build", "pid": 123, "workspaceRoot": "/ws",
         "projectRoot": "apps/web", "declared": {"inputs": ["**/*.ts"], "outputs": []}}
valid("task", start, "task")
for event in [{"event": "start"}, {"event": "start", "mode": "strict", "parent": "web:all", "projects": {"web": "apps/web"}},
              {"event": "pid", "pid": 5, "pidNamespace": 4026531836}, {"event": "inputs", "inputs": ["**/*.ts", "!a"]},
              {"event": "outputs", "outputs": []}, {"event": "status", "status": "local-cache"},
              {"event": "start", "putUrl": "https://store.example/k?X-Amz-Signature=a%2Fb"},
              {"event": "end"}, {"event": "end", "status": "failure", "code": 3}]:
    valid("task", {"schema": "spoor.task/1", "taskId": "web:build", **event}, f"task {event}")
for change, why in [({"event": "stop"}, "an unknown event"), ({"taskId": "-"}, "the container's id"), ({"taskId": ""}, "no id"),
                    ({"pid": 0}, "pid 0"), ({"workspaceRoot": "ws"}, "a relative root"), ({"declared": {"inputs": "x"}}, "a glob that is no list"),
                    ({"mode": "kill"}, "an unknown mode"), ({"projects": {"web": 1}}, "a root that is no text"), ({"event": "inputs"}, "no inputs"),
                    ({"code": "0"}, "a code that is text"), ({"putUrl": "ftp://a/"}, "another protocol"),
                    ({"putUrl": "https://a/ b"}, "a blank in a URL")]:
    invalid("task", {**start, **change}, why)

print("\n".join(failures) or "schemas hold")
sys.exit(1 if failures else 0)
