// Serves a folder on a unix socket beside it.
import { readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";

const folder = process.argv[2];
rmSync(`${folder}.sock`, { force: true });
createServer((request, response) => {
    response.end(readFileSync(`${folder}${new URL(request.url, "http://x").pathname}`));
}).listen(`${folder}.sock`, () => console.log("serving"));
