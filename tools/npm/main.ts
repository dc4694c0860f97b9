/**
 * `deno task npm [DIR]`: makes the npm package of secure aggregation and differential privacy, for Node and browsers,
 * in `dist/` or the named folder.
 *
 * @module
 */
import { writePackage } from "./package.ts";

const path = await writePackage(Deno.args[0] ?? "dist");
console.log(`${path}: ${((await Deno.stat(path)).size / 1e3).toFixed(0)} kB`);
