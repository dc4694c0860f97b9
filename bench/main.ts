/**
 * `deno task bench [name ...]`: runs the named benchmarks, or all of them, one after the other;
 * `deno task bench secure_agg --long`: its measurements that take many minutes, into a file of their own;
 * `deno task bench tensor [--long] [--ceiling=FILE]`: see `bench/tensor/mod.ts`;
 * `deno task bench paper [--quick] [--tune] ...`: see `bench/paper/mod.ts`.
 */
const BENCHES: Readonly<Record<string, (flags: readonly string[]) => Promise<void>>> = {
  attacks: async (flags) => (await import("./attacks/mod.ts")).runAttacksBench(flags),
  demo: async (flags) => (await import("./demo/mod.ts")).runDemoBench(flags),
  dp: async () => (await import("./dp/mod.ts")).runDpBench(),
  federation: async (flags) => (await import("./federation/mod.ts")).runFederationBench(flags),
  foundation: async () => (await import("./foundation/mod.ts")).runFoundationBench(),
  local: async () => (await import("./local/mod.ts")).runLocalBench(),
  m3oe: async () => (await import("./m3oe/mod.ts")).runM3oeBench(),
  paper: async (flags) => (await import("./paper/mod.ts")).runPaperBench(flags),
  quality: async () => (await import("./local/mod.ts")).runQualityBench(),
  secure_agg: async () => (await import("./secure_agg/mod.ts")).runSecureAggBench(),
  tensor: async (flags) => (await import("./tensor/mod.ts")).runTensorBench(flags),
};

const LONG_BENCHES: typeof BENCHES = {
  federation: async () => (await import("./federation/mod.ts")).runLongFederationBench(),
  secure_agg: async () => (await import("./secure_agg/mod.ts")).runLongSecureAggBench(),
  tensor: async (flags) => (await import("./tensor/mod.ts")).runLongTensorBench(flags),
};

const benches = Deno.args.includes("--long") ? LONG_BENCHES : BENCHES;
const named = Deno.args.filter((argument) => !argument.startsWith("--"));
const flags = Deno.args.filter((argument) => argument.startsWith("--") && argument !== "--long");
const names = named.length > 0 ? named : Object.keys(benches);
const unknown = names.filter((name) => !(name in benches));
if (unknown.length > 0) {
  console.error(
    `There is no benchmark ${unknown.join(", ")}; there are: ${Object.keys(benches).join(", ")}.`,
  );
  Deno.exit(2);
}
for (const name of names) await benches[name](flags);
Deno.exit(0);
