import { writeFileSync } from "node:fs";
import { doubled } from "./streams";

writeFileSync("numbers.yaml", "[1, 2, 3]\n");
doubled("numbers.yaml").then((numbers) => console.log(numbers));
