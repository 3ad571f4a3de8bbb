// Declares notes.txt and dist; reads TEAM.md and writes last-run.txt besides, as scripts do.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";

const here = new URL("./", import.meta.url);
const notes = readFileSync(new URL("notes.txt", here), "utf8");
const team = readFileSync(new URL("../../TEAM.md", here), "utf8");
mkdirSync(new URL("dist/", here), { recursive: true });
writeFileSync(new URL("dist/notes.txt", here), `${notes}by ${team}`);
writeFileSync(new URL("last-run.txt", here), "done\n");
