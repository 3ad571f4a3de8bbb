// What the adaptor has to tell, whatever the version of nx.
"use strict";

const assert = require("node:assert");
const fs = require("node:fs");
const path = require("node:path");
const { describe, test } = require("node:test");

const { DEADLINE_MS, PACKAGE, Workspace, of, only } = require("./support.js");

function succeeded({ code, out }) {
    assert.strictEqual(code, 0, out);
    assert.doesNotMatch(out, /^spoor:/m);
    return out;
}

// The life of a task that ran once: start, then pids and outputs, then end.
function lifeOf(signals, taskId) {
    const own = of(signals, taskId);
    assert.strictEqual(own[0]?.event, "start", `${taskId}: ${JSON.stringify(own)}`);
    assert.strictEqual(own.at(-1).event, "end", `${taskId}: ${JSON.stringify(own)}`);
    only(of(signals, taskId, "start"), `starts of ${taskId}`);
    return { start: own[0], end: only(of(signals, taskId, "end"), `ends of ${taskId}`) };
}

function pidOf(workspace, project) {
    return Number(workspace.read(`libs/${project}/build.pid`));
}

function pids(signals, taskId) {
    return of(signals, taskId, "pid").map((signal) => signal.pid);
}

// Three builds in a row and what they declared.
function threeBuilds(workspace, signals) {
    const projects = Object.fromEntries(
        [..."one two three four five".split(" ").map((name) => [name, `libs/${name}`]), ["web", "apps/web"], ["outer", "apps/outer"]],
    );
    for (const project of ["one", "two", "three"]) {
        const { start, end } = lifeOf(signals, `${project}:build`);
        assert.strictEqual(start.workspaceRoot, workspace.root);
        assert.strictEqual(start.projectRoot, `libs/${project}`);
        assert.strictEqual(start.project, project);
        assert.deepStrictEqual({ ...start.projects, tools: undefined }, { ...projects, tools: undefined });
        assert.deepStrictEqual(start.declared.outputs, [`libs/${project}/dist`]);
        assert.strictEqual(end.status, "success");
        assert.ok(pids(signals, `${project}:build`).includes(pidOf(workspace, project)), project);
        assert.deepStrictEqual(only(of(signals, `${project}:build`, "outputs"), "outputs").outputs, [`libs/${project}/dist`]);
    }
    const { one, two, three } = Object.fromEntries(
        ["one", "two", "three"].map((project) => [project, of(signals, `${project}:build`, "start")[0].declared]),
    );
    assert.ok(one.inputs.includes("libs/one/src/one.txt"));
    assert.ok(!one.inputs.some((input) => input.includes("README")), "what the named inputs leave out is not declared");
    assert.strictEqual(one.dependenciesOutputs, undefined);
    assert.ok(two.inputs.includes("libs/one/src/one.txt") && two.inputs.includes("libs/one/dist/one.txt"));
    assert.deepStrictEqual(two.dependenciesOutputs, ["libs/one/dist"]);
    assert.deepStrictEqual([...three.dependenciesOutputs].sort(), ["libs/one/dist", "libs/two/dist"]);
    // Names of files are no patterns.
    assert.ok(three.inputs.includes("libs/three/src/\\[slug\\] \\{a,b\\}.txt"), JSON.stringify(three.inputs));
}

// Two at a time: nx waits much of the time.
function scenarios(version) {
    describe(`nx ${version}`, { concurrency: 2 }, () => tests(version));
}

function tests(version) {
    const workspaceOf = (t, volume) => new Workspace(t, version, volume);

    test("three builds without a daemon, then from the cache", async (t) => {
        const workspace = workspaceOf(t);
        succeeded(await workspace.run(["run-many", "-t", "build", "--parallel=3"]));
        threeBuilds(workspace, workspace.volume.signals.slice());
        workspace.volume.take();
        const before = workspace.volume.signals.length;
        succeeded(await workspace.run(["run-many", "-t", "build"]));
        const again = workspace.volume.finish().slice(before);
        for (const project of ["one", "two", "three"]) {
            assert.match(lifeOf(again, `${project}:build`).end.status, /^local-cache/);
            assert.deepStrictEqual(pids(again, `${project}:build`), [], "nothing ran");
        }
    });

    test("three builds with a daemon, which stays out of it", async (t) => {
        const workspace = workspaceOf(t);
        succeeded(await workspace.run(["run-many", "-t", "build"], { NX_DAEMON: "true" }));
        threeBuilds(workspace, workspace.volume.finish());
        assert.ok(fs.existsSync(path.join(workspace.root, ".nx/workspace-data/d")), "there was a daemon");
    });

    test("globs in place of files", async (t) => {
        const workspace = workspaceOf(t);
        succeeded(await workspace.run(["build", "two"], { SPOOR_NX_INPUTS: "globs" }));
        const { inputs, dependenciesOutputs } = lifeOf(workspace.volume.finish(), "two:build").start.declared;
        assert.ok(inputs.includes("libs/two/src/**/*") && inputs.includes("!libs/two/src/**/*.md"), JSON.stringify(inputs));
        assert.ok(!inputs.some((input) => input.endsWith("two.txt")), JSON.stringify(inputs));
        assert.deepStrictEqual(dependenciesOutputs, ["libs/one/dist"]);
    });

    test("a process starts when its task has been taken in", async (t) => {
        const workspace = workspaceOf(t, { delayMs: 300 });
        succeeded(await workspace.run(["build", "one"]));
        const { start } = lifeOf(workspace.volume.finish(), "one:build");
        const name = workspace.volume.names[workspace.volume.signals.indexOf(start)];
        assert.ok(!workspace.read("libs/one/at-start.seen").includes(name), "the start was still there");
    });

    test("a batch: one worker, each task's own end", async (t) => {
        const workspace = workspaceOf(t);
        succeeded(await workspace.run(["run-many", "-t", "pack", "--batch"]));
        const signals = workspace.volume.finish();
        assert.strictEqual(pidOf(workspace, "four"), pidOf(workspace, "five"));
        for (const project of ["four", "five"]) {
            const { start, end } = lifeOf(signals, `${project}:pack`);
            assert.ok(start.declared.inputs.includes(`libs/${project}/src/${project}.txt`));
            assert.strictEqual(end.status, "success");
            assert.deepStrictEqual(pids(signals, `${project}:pack`), [pidOf(workspace, project)]);
        }
    });

    test("nx within a task", async (t) => {
        const workspace = workspaceOf(t);
        succeeded(await workspace.run(["all", "outer"]));
        const signals = workspace.volume.finish();
        assert.strictEqual(lifeOf(signals, "outer:all").start.parent, undefined);
        assert.strictEqual(lifeOf(signals, "one:build:release").start.parent, "outer:all");
        assert.ok(pids(signals, "one:build:release").includes(pidOf(workspace, "one")));
    });

    test("a continuous task, and one that needs it", async (t) => {
        const workspace = workspaceOf(t);
        succeeded(await workspace.run(["e2e", "web"]));
        const signals = workspace.volume.finish();
        lifeOf(signals, "web:e2e");
        lifeOf(signals, "web:serve");
        assert.ok(pids(signals, "web:serve").includes(Number(workspace.read("apps/web/e2e.seen"))));
    });

    test("a pseudo-terminal", async (t) => {
        const workspace = workspaceOf(t);
        const seen = await workspace.execute(["script", "-qec", `${workspace.nx} build one`, "/dev/null"], {
            NODE_OPTIONS: `--require ${PACKAGE}/preload.js`,
        });
        succeeded(seen);
        const signals = workspace.volume.finish();
        assert.strictEqual(lifeOf(signals, "one:build").end.status, "success");
        assert.ok(pids(signals, "one:build").includes(pidOf(workspace, "one")), JSON.stringify(signals));
    });

    test("an interrupted run ends its tasks", async (t) => {
        const workspace = workspaceOf(t);
        let nx;
        const run = workspace.run(["serve", "web"], {}, (child) => (nx = child));
        await workspace.volume.until(({ event }) => event === "pid", "the task has a process");
        nx.kill("SIGINT");
        await run;
        lifeOf(workspace.volume.finish(), "web:serve");
    });

    test("failed and skipped tasks", async (t) => {
        const workspace = workspaceOf(t);
        const { code } = await workspace.run(["after-fail", "one"]);
        assert.notStrictEqual(code, 0);
        const signals = workspace.volume.finish();
        const { end } = lifeOf(signals, "one:fail");
        assert.strictEqual(end.status, "failure");
        assert.deepStrictEqual(of(signals, "one:after-fail").map(({ event, status }) => ({ event, status })), [
            { event: "end", status: "skipped" },
        ]);
    });

    test("the plugin alone tells of results and patterns", async (t) => {
        const workspace = workspaceOf(t);
        workspace.change("nx.json", (text) => JSON.stringify({ ...JSON.parse(text), plugins: ["@spoor/nx"] }));
        succeeded(await workspace.execute([workspace.nx, "run-many", "-t", "build"]));
        const signals = workspace.volume.finish();
        const { start, end } = lifeOf(signals, "two:build");
        assert.strictEqual(end.status, "success");
        assert.deepStrictEqual(start.declared.outputs, ["libs/two/dist"]);
        for (const pattern of ["libs/two/src/**/*", "!libs/two/src/**/*.md", "libs/one/src/**/*", "libs/one/dist/**/*.txt"]) {
            assert.ok(start.declared.inputs.includes(pattern), `${pattern} of ${start.declared.inputs}`);
        }
        assert.deepStrictEqual(of(signals, "two:build", "pid"), []);
    });

    test("the plugin beside the preload says nothing twice", async (t) => {
        const workspace = workspaceOf(t);
        workspace.change("nx.json", (text) => JSON.stringify({ ...JSON.parse(text), plugins: ["@spoor/nx"] }));
        succeeded(await workspace.run(["run-many", "-t", "build"], { NX_DAEMON: "true" }));
        threeBuilds(workspace, workspace.volume.finish());
    });

    test("the plugin in the nx process itself is the whole adaptor", async (t) => {
        const workspace = workspaceOf(t);
        workspace.change("nx.json", (text) => JSON.stringify({ ...JSON.parse(text), plugins: ["@spoor/nx"] }));
        succeeded(await workspace.execute([workspace.nx, "run-many", "-t", "build"], { NX_ISOLATE_PLUGINS: "false" }));
        threeBuilds(workspace, workspace.volume.finish());
    });

    test("spoor-nx declare asks nx", async (t) => {
        const workspace = workspaceOf(t);
        const spoorNx = path.join(PACKAGE, "bin/spoor-nx.js");
        const wait = ["--wait", String(DEADLINE_MS)];
        succeeded(await workspace.execute([spoorNx, "declare", "three:build", "--pid", "42", ...wait]));
        succeeded(await workspace.execute([spoorNx, "end", "three:build", "--status", "success", "--code", "0", ...wait]));
        const signals = workspace.volume.finish();
        const { start, end } = lifeOf(signals, "three:build");
        assert.strictEqual(start.pid, 42);
        assert.strictEqual(start.workspaceRoot, workspace.root);
        assert.strictEqual(start.projectRoot, "libs/three");
        assert.deepStrictEqual(start.declared.outputs, ["libs/three/dist"]);
        assert.ok(start.declared.inputs.includes("libs/three/src/\\[slug\\] \\{a,b\\}.txt"));
        assert.deepStrictEqual([end.status, end.code], ["success", 0]);
        const unknown = await workspace.execute([spoorNx, "declare", "nowhere:build"]);
        assert.strictEqual(unknown.code, 1);
        assert.match(unknown.out, /^spoor-nx: nx show target inputs nowhere:build: .*nowhere/);
    });
}

module.exports = { scenarios };
