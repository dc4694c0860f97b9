/** `deno task bench [name ...]`: runs the named benchmarks, or all of them, one after the other. */
const BENCHES: Readonly<Record<string, () => Promise<void>>> = {
  demo: async () => (await import("./demo/mod.ts")).runDemoBench(),
  dp: async () => (await import("./dp/mod.ts")).runDpBench(),
  local: async () => (await import("./local/mod.ts")).runLocalBench(),
  quality: async () => (await import("./local/mod.ts")).runQualityBench(),
  secure_agg: async () => (await import("./secure_agg/mod.ts")).runSecureAggBench(),
};

const names = Deno.args.length > 0 ? Deno.args : Object.keys(BENCHES);
const unknown = names.filter((name) => !(name in BENCHES));
if (unknown.length > 0) {
  console.error(
    `There is no benchmark ${unknown.join(", ")}; there are: ${Object.keys(BENCHES).join(", ")}.`,
  );
  Deno.exit(2);
}
for (const name of names) await BENCHES[name]();
Deno.exit(0);
