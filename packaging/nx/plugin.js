// The adaptor as an Nx plugin: nx.json "plugins": ["@spoor/nx"]. README.md says what it gives.
//
// nx loads plugins in workers or in its daemon, where it tells them of the results only. With
// NX_ISOLATE_PLUGINS=false and without a daemon the plugin is in the nx process itself and hooks
// it as the preload does.
"use strict";

const { activate, agentDirectory, isDirectory } = require("./lib/activate.js");
const { guarded } = require("./lib/note.js");

guarded("the adaptor is off", activate)();

const tell = guarded("results could not be told", (context) => {
    const directory = agentDirectory();
    if (!isDirectory(directory)) return;
    const { endOf, startOf } = require("./lib/declared.js");
    const { Signals } = require("./lib/signals.js");
    const signals = new Signals(directory);
    for (const { task, status, code } of Object.values(context.taskResults ?? {})) {
        if (status !== "skipped") signals.send("start", task.id, startOf(task, { workspaceRoot: context.workspaceRoot }));
        signals.send("end", task.id, endOf({ status, code }));
    }
});

module.exports = {
    name: "@spoor/nx",
    async postTasksExecution(_options, context) {
        // The preload was there: its tasks have ended, and would be opened again.
        if (!context.spoorHasToldAll) tell(context);
    },
};
