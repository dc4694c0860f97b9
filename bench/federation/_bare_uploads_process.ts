// Uploads as many bodies of a size as there are sites, all at once: deno run -A … URL COUNT BYTES
import { say, told } from "./_processes.ts";

const [url, count, bytes] = Deno.args;
const sites = Array.from({ length: Number(count) }, (_, i) => ({
  body: new Uint8Array(Number(bytes)).fill(i),
  client: Deno.createHttpClient({ localAddress: `127.1.${i >> 8}.${i & 255}` }),
}));
say("ready");
for await (const _ of told()) {
  const begun = performance.now();
  await Promise.all(sites.map(async ({ body, client }) => {
    const response = await fetch(`${url}/upload`, { method: "POST", body, client });
    await response.body?.cancel();
  }));
  say("uploaded", { seconds: (performance.now() - begun) / 1000 });
}
