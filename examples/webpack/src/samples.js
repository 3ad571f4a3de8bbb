import * as _ from "lodash-es";
import { interval, map, scan, take } from "rxjs";

export function samples() {
  return interval(100).pipe(
    take(50),
    scan((seen, n) => _.takeRight([...seen, Math.sin(n / 5)], 20), []),
    map((seen) => _.map(seen, (value, index) => [index * 10, 50 + value * 40])),
  );
}
