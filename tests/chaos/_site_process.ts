// A process of its own for site workers with a notebook.
// Arguments: notebook folder, then one client.json for each site that lives in this process.
import { selectBackend } from "../../src/tensor/mod.ts";
import { runNotedSite } from "./_noted_site.ts";

const [notebook, ...configs] = Deno.args;
const { signal } = new AbortController();
const say = (line: string) => console.error(line);

await selectBackend("cpu");
const codes = configs.map((configFile) => runNotedSite({ configFile, notebook, signal, say }));
Deno.exit(Math.max(...await Promise.all(codes)));
