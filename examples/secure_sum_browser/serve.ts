/**
 * `deno run -A examples/secure_sum_browser/serve.ts`: serves the page on http://127.0.0.1:8000 together with the
 * browser modules of the npm package, made from this source. A page of your own takes them from
 * `node_modules/@fedkim/core/browser/`, or lets a bundler resolve `@fedkim/core/secure_agg`.
 *
 * @module
 */
import { browserModules } from "../../tools/npm/browser.ts";

const TYPES: Readonly<Record<string, string>> = { html: "text/html", js: "text/javascript" };

/** Serves the example until the signal; a port of 0 takes a free one. */
export async function serveExample(
  port: number,
  signal?: AbortSignal,
): Promise<Deno.HttpServer<Deno.NetAddr>> {
  const core = await browserModules();
  const handler = async (request: Request): Promise<Response> => {
    const path = new URL(request.url).pathname.replace(/\/$/, "/index.html").slice(1);
    const type = TYPES[path.split(".").at(-1)!] ?? "text/plain";
    const headers = { "content-type": `${type}; charset=utf-8` };
    const module = core.get(path.replace(/^core\//, ""));
    if (path.startsWith("core/") && module !== undefined) return new Response(module, { headers });
    if (!["index.html", "main.js"].includes(path)) return new Response("not found\n", { status: 404 });
    return new Response(await Deno.readFile(new URL(path, import.meta.url)), { headers });
  };
  return Deno.serve({ hostname: "127.0.0.1", port, ...(signal === undefined ? {} : { signal }) }, handler);
}

if (import.meta.main) await (await serveExample(8000)).finished;
