// Asks the server of serve.mjs for a page, as soon as there is one.
import { get } from "node:http";

const [folder, path] = process.argv.slice(2);
const ask = () =>
    get({ socketPath: `${folder}.sock`, path }, (response) => {
        response.resume();
        console.log(response.statusCode);
    }).on("error", () => setTimeout(ask, 50));
ask();
