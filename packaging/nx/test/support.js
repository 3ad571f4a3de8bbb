// A workspace of its own for each test, and a stand-in for the recorder.
"use strict";

const assert = require("node:assert");
const { spawn, spawnSync } = require("node:child_process");
const fs = require("node:fs");
const os = require("node:os");
const path = require("node:path");

const PACKAGE = path.resolve(__dirname, "..");
const SCHEMA = path.join(PACKAGE, "../../signal/schema/task.schema.json");
const INSTALLED = process.env.SPOOR_NX_INSTALLED;
const DEADLINE_MS = 180_000; // for hangs, not for a machine that is busy

// Ends what has its working directory in `folder`: nx's daemon and plugin workers write there until they are gone.
async function vacate(folder) {
    const deadline = Date.now() + DEADLINE_MS;
    const told = new Set();
    for (;;) {
        const inside = fs.readdirSync("/proc").filter((pid) => /^\d+$/.test(pid) && threadsOf(pid).some((thread) => isIn(thread, folder)));
        if (inside.length === 0) return;
        assert.ok(Date.now() < deadline, `processes ${inside} stay in ${folder}`);
        for (const pid of inside.filter((pid) => !told.has(pid))) {
            told.add(pid);
            ifThere(() => process.kill(Number(pid), "SIGTERM"));
        }
        await new Promise((resolve) => setTimeout(resolve, 10));
    }
}

// The process's folder may be left of a leading thread that has ended before others.
function threadsOf(pid) {
    return (ifThere(() => fs.readdirSync(`/proc/${pid}/task`)) ?? []).map((thread) => `/proc/${pid}/task/${thread}`);
}

function isIn(thread, folder) {
    const current = ifThere(() => fs.readlinkSync(`${thread}/cwd`)) ?? "";
    return current === folder || current.startsWith(`${folder}/`);
}

// What `ask` returns, and undefined where the process has ended or belongs to somebody else.
function ifThere(ask) {
    try {
        return ask();
    } catch (error) {
        if (!["ENOENT", "ESRCH", "EACCES"].includes(error.code)) throw error;
        return undefined;
    }
}

// The volume's two folders. What is in agent/ is taken in as the recorder does: read, removed.
// `state`: of the session; nobody takes anything in unless it is "tracing".
class Volume {
    constructor(root, { state = "tracing", taking = state === "tracing", delayMs = 0 } = {}) {
        this.agent = path.join(root, "agent");
        this.signals = []; // in the order in which they came
        this.names = [];
        this.delayMs = delayMs;
        fs.mkdirSync(this.agent, { recursive: true });
        fs.mkdirSync(path.join(root, "trace"));
        fs.writeFileSync(path.join(root, "trace/session.json"), JSON.stringify({ schema: "spoor.session/1", state }));
        if (taking) this.watcher = fs.watch(this.agent, () => this.take());
    }

    // Resolves when a signal has come for which `condition` is true.
    async until(condition, what) {
        const deadline = Date.now() + DEADLINE_MS;
        while (!this.signals.some(condition)) {
            assert.ok(Date.now() < deadline, `${what}: ${JSON.stringify(this.signals)}`);
            await new Promise((resolve) => setTimeout(resolve, 10));
        }
    }

    take() {
        for (const name of fs.readdirSync(this.agent).sort()) {
            if (name.startsWith(".") || this.names.includes(name)) continue;
            const file = path.join(this.agent, name);
            this.names.push(name);
            this.signals.push(JSON.parse(fs.readFileSync(file, "utf8")));
            setTimeout(() => fs.rmSync(file, { force: true }), this.delayMs).unref();
        }
    }

    // All there is and will be, checked against the schema.
    finish() {
        this.watcher?.close();
        this.take();
        const lines = this.signals.map((signal) => JSON.stringify(signal)).join("\n");
        if (lines) {
            const checker = ["-B", path.join(__dirname, "check_signals.py"), SCHEMA];
            const { status, stdout, stderr } = spawnSync("/usr/bin/python3", checker, { input: lines, encoding: "utf8" });
            assert.strictEqual(status, 0, stdout + stderr);
        }
        const temporary = fs.readdirSync(this.agent).filter((name) => name.startsWith("."));
        assert.deepStrictEqual(temporary, [], "no temporary file stays");
        return this.signals;
    }
}

class Workspace {
    // `version`: 22, 23 or 24. `test`: removes it when it ends.
    constructor(test, version, volume) {
        assert.ok(INSTALLED, "SPOOR_NX_INSTALLED names what test/prepare.sh made");
        const installed = path.join(INSTALLED, `nx${version}`, "node_modules");
        this.top = fs.mkdtempSync(path.join(fs.realpathSync(os.tmpdir()), "spoor-nx-"));
        this.root = path.join(this.top, "workspace");
        fs.cpSync(path.join(__dirname, "fixtures/workspace"), this.root, { recursive: true });
        const modules = path.join(this.root, "node_modules");
        fs.mkdirSync(path.join(modules, "@spoor"), { recursive: true });
        for (const name of ["nx", ".bin", "@nx"]) fs.symlinkSync(path.join(installed, name), path.join(modules, name));
        fs.symlinkSync(PACKAGE, path.join(modules, "@spoor/nx"));
        this.volume = new Volume(path.join(this.top, "volume"), volume);
        test.after(async () => {
            this.volume.watcher?.close();
            await vacate(this.top);
            fs.rmSync(this.top, { recursive: true });
        });
    }

    get nx() {
        return path.join(this.root, "node_modules/.bin/nx");
    }

    read(name) {
        return fs.readFileSync(path.join(this.root, name), "utf8");
    }

    change(name, change) {
        fs.writeFileSync(path.join(this.root, name), change(this.read(name)));
    }

    environment(more = {}) {
        const environment = Object.fromEntries(
            Object.entries(process.env).filter(([key]) => !/^(?:NX_|SPOOR_|NODE_|CI$|GITHUB_|GITLAB_)/.test(key)),
        );
        return {
            ...environment,
            NX_DAEMON: "false",
            NX_NO_CLOUD: "true",
            NX_TUI: "false",
            NX_PROJECT_GRAPH_CACHE_DIRECTORY: path.join(this.root, ".nx/workspace-data"),
            NX_SOCKET_DIR: path.join(this.top, "s"),
            SPOOR_AGENT_DIR: this.volume.agent,
            SPOOR_DEBUG: "1",
            SPOOR_NX_WAIT_MS: String(DEADLINE_MS), // the stand-in answers when the tests beside it let it
            ...more,
        };
    }

    // {code, out}. Asynchronous, so that the stand-in can answer meanwhile.
    // `started` gets the child.
    execute([command, ...args], environment = {}, started = () => {}) {
        return new Promise((resolve, reject) => {
            const child = spawn(command, args, {
                cwd: this.root,
                env: this.environment(environment),
                stdio: ["ignore", "pipe", "pipe"],
                timeout: DEADLINE_MS,
                killSignal: "SIGKILL",
            });
            started(child);
            let out = "";
            child.stdout.on("data", (data) => (out += data));
            child.stderr.on("data", (data) => (out += data));
            child.on("error", reject);
            // "exit" and not "close": a daemon keeps the pipe.
            child.on("exit", (code, signal) => setImmediate(() => resolve({ code: code ?? signal, out })));
        });
    }

    // nx with the preload.
    run(args, environment = {}, started) {
        return this.execute([this.nx, ...args], { NODE_OPTIONS: `--require ${PACKAGE}/preload.js`, ...environment }, started);
    }
}

// The signals of a task by event, in order.
function of(signals, taskId, event) {
    return signals.filter((signal) => signal.taskId === taskId && (!event || signal.event === event));
}

function only(list, what) {
    assert.strictEqual(list.length, 1, `${what}: ${JSON.stringify(list)}`);
    return list[0];
}

module.exports = { DEADLINE_MS, PACKAGE, Volume, Workspace, of, only };
