import { readFileSync } from "node:fs";
import { from, map, toArray } from "rxjs";
import { parse } from "yaml";

export function doubled(file: string): Promise<number[] | undefined> {
    const numbers: number[] = parse(readFileSync(file, "utf8"));
    return from(numbers).pipe(map((n) => 2 * n), toArray()).toPromise();
}
