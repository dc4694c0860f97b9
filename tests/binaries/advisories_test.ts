import assert from "node:assert/strict";
import { ADVISORIES, vulnerabilities } from "../../tools/compile/advisories.ts";
import { type LockedPackage, readLock } from "../../tools/compile/locked.ts";

const locked = (name: string, version: string): LockedPackage => ({
  name,
  version,
  sha512: "",
  dependencies: [],
});
const found = (name: string, version: string): string[] =>
  vulnerabilities([locked(name, version)]).map(({ advisory }) => advisory.id);

Deno.test("no locked package is before the version that mends a known advisory", () => {
  const { packages } = readLock();
  assert.deepEqual(
    vulnerabilities(packages.values()).map(({ locked, advisory }) =>
      `${locked.name}@${locked.version}: ${advisory.id}, mended in ${advisory.fixedIn}`
    ),
    [],
  );
});

Deno.test("every advisory is about a package of the lock file, so that none outlives its package", () => {
  const names = new Set([...readLock().packages.values()].map(({ name }) => name));
  assert.deepEqual(ADVISORIES.filter(({ name }) => !names.has(name)), []);
});

Deno.test("vulnerabilities() names what is before the mended version, pre-releases of it included", () => {
  assert.deepEqual(found("fflate", "0.8.2"), ["GHSA-px8p-9vwx-vf98"]);
  assert.deepEqual(found("fflate", "0.8.3-rc.1"), ["GHSA-px8p-9vwx-vf98"]);
  assert.deepEqual(found("fflate", "0.8.3"), []);
  assert.deepEqual(found("fflate", "0.10.0"), [], "numbers are compared, not text");
  assert.deepEqual(found("smol-toml", "1.5.9"), ["GHSA-v3rj-xjv7-4jmq", "GHSA-7w5x-hrqm-74c2"]);
  assert.deepEqual(found("smol-toml", "1.7.0"), ["GHSA-7w5x-hrqm-74c2"]);
  assert.deepEqual(found("another", "0.0.1"), []);
  assert.throws(() => found("fflate", "0.8"), /cannot be read/);
});
