// What needs no nx.
"use strict";

const assert = require("node:assert");
const { spawnSync } = require("node:child_process");
const fs = require("node:fs");
const os = require("node:os");
const path = require("node:path");
const { test } = require("node:test");

const { PACKAGE, Volume } = require("./support.js");
const { dependenciesOutputs, patternsOfHash, startOf, taskOfEnvironment } = require("../lib/declared.js");
const { Signals, literal } = require("../lib/signals.js");

function folder(t) {
    const top = fs.mkdtempSync(path.join(fs.realpathSync(os.tmpdir()), "spoor-nx-"));
    t.after(() => fs.rmSync(top, { recursive: true, force: true }));
    return top;
}

function volume(t, options) {
    const made = new Volume(folder(t), { taking: false, ...options });
    t.after(() => made.watcher?.close());
    return made;
}

// Runs a script in a process of its own with the preload.
function preloaded(top, script, environment = {}, preload = `${PACKAGE}/preload.js`, name = "script.js") {
    const file = path.join(top, name);
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, script);
    return spawnSync(process.execPath, [file], {
        cwd: top,
        encoding: "utf8",
        env: { PATH: process.env.PATH, SPOOR_DEBUG: "1", NODE_OPTIONS: `--require ${preload}`, ...environment },
    });
}

test("a signal is whole when it is seen, and readable whatever the umask", (t) => {
    const { agent } = volume(t);
    const before = process.umask(0o077);
    t.after(() => process.umask(before));
    const [file] = new Signals(agent).send("start", "a/b:build", { pid: 7, declared: { inputs: ["x"] } });
    assert.strictEqual(path.dirname(file), agent);
    assert.strictEqual(fs.statSync(file).mode & 0o777, 0o644);
    const signal = JSON.parse(fs.readFileSync(file, "utf8"));
    delete signal.pidNamespace; // where the tests themselves run in a nested one
    assert.deepStrictEqual(signal, {
        schema: "spoor.task/1",
        event: "start",
        taskId: "a/b:build",
        pid: 7,
        declared: { inputs: ["x"] },
    });
    assert.deepStrictEqual(fs.readdirSync(agent), [path.basename(file)]);
});

test("a pid of a namespace within the container says so", (t) => {
    const there = volume(t);
    const script = `
        const { Signals } = require("${PACKAGE}/lib/signals.js");
        new Signals(process.env.SPOOR_AGENT_DIR).send("pid", "a:b", { pid: process.pid });`;
    const file = path.join(there.agent, "../script.js");
    fs.writeFileSync(file, script);
    const run = (command, environment) => {
        const env = { PATH: process.env.PATH, SPOOR_AGENT_DIR: there.agent, SPOOR_DEBUG: "1", ...environment };
        const { status, stderr } = spawnSync(command[0], [...command.slice(1), process.execPath, file], { env, encoding: "utf8" });
        assert.strictEqual(status, 0, stderr);
        there.take();
        return there.signals.at(-1);
    };
    const own = fs.statSync("/proc/self/ns/pid").ino;
    assert.strictEqual(run(["env"], { SPOOR_NX_PID_NAMESPACE: "1" }).pidNamespace, own);
    // As whoever may make one: root does, others by a user namespace.
    const unshare = ["unshare", ...(process.getuid() === 0 ? [] : ["--map-root-user"]), "--pid", "--fork"];
    const nested = run(unshare);
    assert.strictEqual(nested.pid, 1);
    assert.ok(nested.pidNamespace > 0 && nested.pidNamespace !== own);
});

test("long lists come in several files, and nothing is lost", (t) => {
    const there = volume(t);
    const inputs = Array.from({ length: 120_000 }, (_, i) => `libs/some/project/src/file-${i}.ts`);
    const files = new Signals(there.agent).send("start", "a:build", { declared: { outputs: ["dist"], inputs } });
    assert.ok(files.length >= 3);
    for (const file of files) assert.ok(fs.statSync(file).size < 4 * 1024 * 1024, `${file} is too large`);
    const told = there.finish().flatMap((signal) => signal.declared?.inputs ?? signal.inputs);
    assert.deepStrictEqual(told, inputs);
    assert.strictEqual(there.signals[0].event, "start");
});

test("what the recorder would refuse is not written", (t) => {
    const { agent } = volume(t);
    const signals = new Signals(agent);
    for (const taskId of ["", "-", "x".repeat(1025), "ä".repeat(600), undefined]) {
        assert.deepStrictEqual(signals.send("end", taskId), []);
    }
    assert.strictEqual(signals.send("inputs", "a:b", { inputs: ["y".repeat(9000), "z"] }).length, 1);
    assert.strictEqual(signals.send("inputs", "a:b", { inputs: ["y".repeat(9000)] }).length, 0);
    assert.strictEqual(fs.readdirSync(agent).length, 1);
});

test("a directory that goes away, or a full disk, harms nobody", (t) => {
    const { agent } = volume(t);
    const signals = new Signals(agent);
    fs.rmSync(agent, { recursive: true });
    assert.deepStrictEqual(signals.send("end", "a:b"), []);
    assert.deepStrictEqual(new Signals("/dev/null").send("end", "a:b"), []);
});

test("the wait ends with the removal", async (t) => {
    const { agent } = volume(t);
    const signals = new Signals(agent);
    const files = [...signals.send("start", "a:b"), ...signals.send("start", "a:c")];
    let removed = false;
    const watcher = setTimeout(() => {
        files.forEach((file) => fs.rmSync(file));
        removed = true;
    }, 50);
    t.after(() => clearTimeout(watcher));
    assert.strictEqual(await signals.acknowledged(files, 30_000), true);
    assert.ok(removed);
});

test("nobody waits twice for a recorder that does not answer, nor once where none is", async (t) => {
    const silent = new Signals(volume(t).agent);
    const files = silent.send("start", "a:b");
    let begun = performance.now();
    assert.strictEqual(await silent.acknowledged(files, 100), false);
    assert.ok(performance.now() - begun >= 100);
    const untraced = new Signals(volume(t, { state: "untraced" }).agent);
    begun = performance.now();
    assert.strictEqual(await silent.acknowledged(files, 30_000), false);
    assert.strictEqual(await untraced.acknowledged(untraced.send("start", "a:b"), 30_000), false);
    assert.ok(performance.now() - begun < 10_000);
});

test("a process that is no nx reads none of the adaptor, and says nothing", (t) => {
    const there = volume(t);
    const list = "console.log(JSON.stringify(Object.keys(require.cache).map((f) => require('path').basename(f))))";
    const { stdout, stderr, status } = preloaded(there.agent, list, { SPOOR_AGENT_DIR: there.agent });
    assert.deepStrictEqual([status, stderr], [0, ""]);
    assert.deepStrictEqual(JSON.parse(stdout).sort(), ["activate.js", "preload.js", "script.js"]);
});

test("without the agent's directory nothing is hooked", (t) => {
    const top = folder(t);
    const native = "console.log(/\\bisOfInterest\\b/.test(require('module')._extensions['.js'].toString()))";
    const run = (agent) => preloaded(top, native, { SPOOR_AGENT_DIR: agent });
    assert.deepStrictEqual([run(path.join(top, "none")).stdout, run(top).stdout], ["false\n", "true\n"]);
    assert.strictEqual(run("/dev/null").stderr, "");
});

test("nx's daemon and plugin workers are not hooked", (t) => {
    const top = folder(t);
    const native = "console.log(/\\bisOfInterest\\b/.test(require('module')._extensions['.js'].toString()))";
    const run = (name) => preloaded(top, native, { SPOOR_AGENT_DIR: top }, undefined, name).stdout;
    const names = ["src/daemon/server/start.js", "project-graph/plugins/isolation/plugin-worker.js", "bin/nx.js"];
    assert.deepStrictEqual(names.map(run), ["false\n", "false\n", "true\n"]);
});

test("an nx that exits in the middle ends its tasks", (t) => {
    const there = volume(t);
    const fake = path.join(there.agent, "../nx/src/tasks-runner");
    fs.mkdirSync(fake, { recursive: true });
    const lifeCycle = "exports.CompositeLifeCycle = class { async startTasks() {} async endTasks() {} };";
    fs.writeFileSync(path.join(fake, "life-cycle.js"), lifeCycle);
    const script = `
        const { CompositeLifeCycle } = require("${fake}/life-cycle");
        const cycle = new CompositeLifeCycle();
        const tasks = ["a:build", "b:build"].map((id) => ({ id, outputs: [] }));
        cycle.startTasks(tasks).then(() => cycle.endTasks([{ task: tasks[0], status: "success", code: 0 }]))
            .then(() => process.exit(9));`;
    const { stderr, status } = preloaded(path.dirname(there.agent), script, { SPOOR_AGENT_DIR: there.agent });
    assert.strictEqual(status, 9, stderr);
    const ends = there.finish().filter(({ event }) => event === "end");
    assert.deepStrictEqual(ends.map(({ taskId, status }) => [taskId, status]), [["a:build", "success"], ["b:build", "stopped"]]);
});

test("an nx that looks otherwise is left alone, and that is said once", (t) => {
    const there = volume(t);
    const fake = path.join(there.agent, "../nx/src/tasks-runner");
    fs.mkdirSync(fake, { recursive: true });
    fs.writeFileSync(path.join(fake, "task-io-service.js"), "exports.getTaskIOService = () => { throw new Error('no') };");
    fs.writeFileSync(path.join(fake, "life-cycle.js"), "exports.CompositeLifeCycle = class { startTasks() { return 5 } };");
    fs.writeFileSync(path.join(fake, "task-orchestrator.js"), "module.exports = 7;");
    const script = `
        for (const name of ["task-io-service", "life-cycle", "task-orchestrator"]) require("${fake}/" + name);
        const { CompositeLifeCycle } = require("${fake}/life-cycle");
        console.log(new CompositeLifeCycle().startTasks("no list"), new CompositeLifeCycle().startTasks(undefined));`;
    const { stdout, stderr, status } = preloaded(there.agent, script, { SPOOR_AGENT_DIR: there.agent });
    assert.strictEqual(status, 0, stderr);
    assert.strictEqual(stdout, "5 5\n");
    assert.strictEqual(stderr.match(/^spoor: /gm).length, new Set(stderr.match(/^spoor: .*$/gm)).size, stderr);
    assert.match(stderr, /task-io-service\.js is not as expected: no/);
    const quiet = preloaded(there.agent, script, { SPOOR_AGENT_DIR: there.agent, SPOOR_DEBUG: "0" });
    assert.deepStrictEqual([quiet.status, quiet.stdout, quiet.stderr], [0, "5 5\n", ""]);
});

test("a preload that was named is pinned to its path for all below", (t) => {
    const top = folder(t);
    const modules = path.join(top, "node_modules/@spoor");
    fs.mkdirSync(modules, { recursive: true });
    fs.symlinkSync(PACKAGE, path.join(modules, "nx"));
    const elsewhere = `
        const { execFileSync } = require("child_process");
        const inner = "console.log(process.env.NODE_OPTIONS)";
        process.stdout.write(execFileSync(process.execPath, ["-e", inner], { cwd: "/", encoding: "utf8" }));`;
    const { stdout, stderr } = preloaded(top, elsewhere, {}, "@spoor/nx/preload --max-http-header-size=9000");
    assert.strictEqual(stdout, `--require ${PACKAGE}/preload.js --max-http-header-size=9000\n`, stderr);
});

test("a file's name, whatever it is, is a pattern that matches it alone", () => {
    const modules = path.join(process.env.SPOOR_NX_INSTALLED, "nx24/node_modules");
    const { minimatch } = require(path.join(modules, "minimatch"));
    const letters = "ab*?[]{}()!+@#\\,.- ^$|~".split("");
    let seed = 7;
    const next = (n) => (seed = (seed * 1103515245 + 12345) % 2147483648) % n;
    const names = Array.from({ length: 3000 }, () => {
        const part = () => Array.from({ length: 1 + next(6) }, () => letters[next(letters.length)]).join("");
        return [part(), part()].join("/");
    })
        .filter((name) => !/(^|\/)\.{1,2}(\/|$)/.test(name)) // no path has . or .. in it
        .filter((name) => !/\\/.test(name) || !/[{}]/.test(name)); // minimatch unescapes those twice
    assert.ok(names.length > 2000);
    const options = { dot: true };
    for (const [i, name] of names.entries()) {
        assert.ok(minimatch(name, literal(name), options), `${literal(name)} matches ${name}`);
        const other = names[(i + 1) % names.length];
        if (other !== name) assert.ok(!minimatch(other, literal(name), options), `${literal(name)} and ${other}`);
    }
});

test("a task's hash details as patterns", () => {
    const nodes = {
        "a:libs/a/**/*,!libs/a/*.{test,spec}.js": "1",
        "@org/b:x:libs/b/*.ts": "1",
        "**/*.js:libs/a/dist": "1",
        "{workspaceRoot}/nx.json": "1",
        "workspace:[{workspaceRoot}/.gitignore,{workspaceRoot}/.nxignore]": "1",
        "a:ProjectConfiguration": "1",
        "a:TsConfig": "1",
        "env:HOME": "1",
        "runtime:cat a/b.c": "1",
        "npm:@x/y": "1",
        AllExternalDependencies: "1",
    };
    assert.deepStrictEqual(patternsOfHash({ nodes }), [
        "libs/a/**/*",
        "!libs/a/*.{test,spec}.js",
        "libs/b/*.ts",
        "libs/a/dist/**/*.js",
        "nx.json",
        ".gitignore",
        ".nxignore",
    ]);
    assert.deepStrictEqual(patternsOfHash(undefined), []);
});

test("outputs of dependencies, in circles and in both forms of an edge", () => {
    const graph = {
        tasks: { a: { outputs: ["a/dist"] }, b: { outputs: ["b/dist"] }, c: { outputs: ["c/dist"] }, d: {} },
        dependencies: { a: ["b"], b: [{ id: "c" }], c: ["a"], d: [] },
        continuousDependencies: { a: [{ id: "d" }] },
    };
    assert.deepStrictEqual(dependenciesOutputs("a", graph), ["b/dist", "c/dist"]);
    assert.deepStrictEqual(dependenciesOutputs("d", graph), []);
});

test("a start says what is known and no more", () => {
    const bare = { id: "a:b", outputs: [] };
    assert.deepStrictEqual(startOf(bare, {}), { declared: { outputs: [] } });
    // Known to have none is not the same as not known.
    assert.deepStrictEqual(startOf(bare, { inputs: [] }), { declared: { outputs: [], inputs: [] } });
    const task = { ...bare, projectRoot: "", target: { project: "a", target: "b" }, ultracache: { mode: "off" } };
    assert.deepStrictEqual(startOf(task, { workspaceRoot: "C:\\ws", parent: "a:b" }), {
        projectRoot: ".",
        project: "a",
        mode: "off",
        declared: { outputs: [] },
    });
});

test("the task that nx's environment names", () => {
    const environment = { NX_TASK_TARGET_PROJECT: "web", NX_TASK_TARGET_TARGET: "build" };
    assert.strictEqual(taskOfEnvironment(environment), "web:build");
    assert.strictEqual(taskOfEnvironment({ ...environment, NX_TASK_TARGET_CONFIGURATION: "prod" }), "web:build:prod");
    assert.strictEqual(taskOfEnvironment({ NX_TASK_TARGET_PROJECT: "web" }), undefined);
});

test("spoor-nx on the command line", (t) => {
    const top = folder(t);
    const run = (...args) =>
        spawnSync(process.execPath, [`${PACKAGE}/bin/spoor-nx.js`, ...args], {
            cwd: top,
            encoding: "utf8",
            env: { PATH: process.env.PATH, SPOOR_AGENT_DIR: path.join(top, "agent") },
        });
    assert.match(run("--help").stdout, /^spoor-nx COMMAND/);
    assert.strictEqual(run("preload").stdout, `${PACKAGE}/preload.js\n`);
    for (const [args, complaint] of [
        [[], "no command"],
        [["begin"], "begin is no command"],
        [["end"], "end takes one task"],
        [["end", "a:b", "c:d"], "end takes one task"],
        [["end", "web"], "web is not PROJECT:TARGET"],
        [["end", "a:b", "--code", "x"], undefined],
        [["end", "a:b", "--odd"], undefined],
        [["declare", "a:b", "--wait", "-1"], undefined],
    ]) {
        const { status, stderr, stdout } = run(...args);
        if (args.includes("--code")) {
            // Told after the directory, which is not there.
            assert.strictEqual(status, 1);
            continue;
        }
        assert.deepStrictEqual([status, stdout], [64, ""], args.join(" "));
        if (complaint) assert.strictEqual(stderr.split("\n")[0], `spoor-nx: ${complaint}`);
    }
    assert.match(run("end", "a:b").stderr, /agent is no directory: this container is not traced/);
    fs.mkdirSync(path.join(top, "agent"));
    assert.strictEqual(run("end", "a:b", "--code", "3").status, 0);
    assert.strictEqual(run("end", "a:b", "--code", "x").status, 64);
    assert.match(run("declare", "a:b").stderr, /^spoor-nx: there is no nx\.json in /);
    assert.strictEqual(fs.readdirSync(path.join(top, "agent")).length, 1);
});
