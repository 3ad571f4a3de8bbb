#!/usr/bin/env node
"use strict";

const fs = require("node:fs");
const { parseArgs } = require("node:util");

const { agentDirectory, isDirectory } = require("../lib/activate.js");

const HELP = `spoor-nx COMMAND: what spoor has to know about Nx tasks, by hand

  preload                       print the file for NODE_OPTIONS="--require FILE"
  declare TASK [--pid PID]      ask nx for the inputs and outputs of TASK and signal its start
  end TASK [--status S] [--code N]
                                signal its end

TASK is PROJECT:TARGET[:CONFIGURATION]. Options of declare and end:
  --wait MS    wait so long for the recorder to have taken it in (2000; 0: do not wait)
  --print      print the signals instead of writing them

Signals go to $SPOOR_AGENT_DIR, else /run/spoor/agent.
`;

class Usage extends Error {}

function wholeNumber(text, what, least) {
    const number = Number(text);
    if (!/^\d+$/.test(text) || !Number.isSafeInteger(number) || number < least) {
        throw new Usage(`${what} is to be a whole number from ${least}, not ${JSON.stringify(text)}`);
    }
    return number;
}

// As lib/signals.js, for eyes. Long lists are not cut here.
class Printed {
    send(event, taskId, fields) {
        process.stdout.write(`${JSON.stringify({ schema: "spoor.task/1", event, taskId, ...fields }, null, 2)}\n`);
        return [];
    }
}

async function main(argv) {
    const { values, positionals } = parseArgs({
        args: argv,
        allowPositionals: true,
        options: {
            help: { type: "boolean", short: "h" },
            pid: { type: "string" },
            status: { type: "string" },
            code: { type: "string" },
            wait: { type: "string", default: "2000" },
            print: { type: "boolean" },
        },
    });
    const [command, task, ...more] = positionals;
    if (values.help || command === "help") return void process.stdout.write(HELP);
    if (command === "preload" && !task) return void process.stdout.write(`${require.resolve("../preload.js")}\n`);
    if (command !== "declare" && command !== "end") throw new Usage(command ? `${command} is no command` : "no command");
    if (!task || more.length > 0) throw new Usage(`${command} takes one task`);
    if (task.split(":").filter(Boolean).length < 2) throw new Usage(`${task} is not PROJECT:TARGET`);
    const waitMs = wholeNumber(values.wait, "--wait", 0);

    const directory = agentDirectory();
    if (!values.print && !isDirectory(directory)) {
        throw new Error(`${directory} is no directory: this container is not traced, or SPOOR_AGENT_DIR is to be set`);
    }
    const { Signals } = require("../lib/signals.js");
    const signals = values.print ? new Printed() : new Signals(directory);
    let files;
    if (command === "declare") {
        const pid = values.pid === undefined ? {} : { pid: wholeNumber(values.pid, "--pid", 1) };
        const { taskId, start } = require("../lib/ask.js").declarationsOf(task, fs.realpathSync(process.cwd()));
        files = signals.send("start", taskId, { ...pid, ...start });
    } else {
        const result = {};
        if (values.status !== undefined) result.status = values.status;
        if (values.code !== undefined) result.code = wholeNumber(values.code, "--code", 0);
        files = signals.send("end", task, result);
    }
    if (values.print) return;
    if (files.length === 0) throw new Error(`nothing could be written to ${directory}; SPOOR_DEBUG=1 says why`);
    await signals.acknowledged(files, waitMs);
}

main(process.argv.slice(2)).catch((error) => {
    const usage = error instanceof Usage || /^ERR_PARSE_ARGS/.test(error.code ?? "");
    process.stderr.write(`spoor-nx: ${error.message}\n${usage ? "`spoor-nx --help` lists what there is.\n" : ""}`);
    process.exitCode = usage ? 64 : 1;
});
