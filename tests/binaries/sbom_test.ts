import assert from "node:assert/strict";
import { join } from "node:path";
import { COMPATIBLE, isCompatible, USABLE_IN_TESTS } from "../../tools/compile/licences.ts";
import { fileSha256, writeChecksums } from "../../tools/compile/checksums.ts";
import { tryRun } from "../../tools/compile/run.ts";
import { makeSbom } from "../../tools/compile/sbom.ts";
import { root } from "../_fedkim.ts";

const sbom = await makeSbom();

Deno.test("the SBOM is CycloneDX 1.6: its head, its references and its hashes are well formed", () => {
  assert.equal(sbom.bomFormat, "CycloneDX");
  assert.equal(sbom.specVersion, "1.6");
  assert.equal(sbom.version, 1);
  assert.match(
    sbom.serialNumber,
    /^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
  );
  const refs = [sbom.metadata.component, ...sbom.components].map((component) => component["bom-ref"]);
  assert.equal(new Set(refs).size, refs.length, "references are unique");
  assert.deepEqual(
    sbom.dependencies.map(({ ref }) => ref).toSorted(),
    refs.toSorted(),
    "each has its dependencies",
  );
  for (const { ref, dependsOn } of sbom.dependencies) {
    assert.equal(new Set(dependsOn).size, dependsOn.length, ref);
    for (const other of dependsOn) assert.ok(refs.includes(other), `${ref} depends on the unknown ${other}`);
  }
  const types = ["application", "library", "platform", "machine-learning-model"];
  for (const { name, version, type, hashes, licenses } of sbom.components) {
    assert.ok(name !== "" && version !== "" && types.includes(type));
    assert.ok(licenses.length === 1);
    for (const { alg, content } of hashes!) {
      assert.match(content, alg === "SHA-512" ? /^[0-9a-f]{128}$/ : /^[0-9a-f]{64}$/);
    }
  }
});

Deno.test("every package of deno.lock is in the SBOM with its package URL and hash, and nothing else", () => {
  const lock: { npm: Record<string, { integrity: string }> } = JSON.parse(
    Deno.readTextFileSync(join(root, "deno.lock")),
  );
  const listed = sbom.components.filter(({ type }) => type === "library");
  const expected = Object.entries(lock.npm).map(([key, { integrity }]) => {
    const [, name, version] = /^(@?[^@]+)@([^_]+)/.exec(key)!;
    return `pkg:npm/${name.replace("@", "%40")}@${version} ${integrity}`;
  });
  const found = listed.map(({ purl, hashes }) =>
    `${purl} sha512-${Uint8Array.fromHex(hashes![0].content).toBase64()}`
  );
  assert.deepEqual(found.toSorted(), [...new Set(expected)].toSorted());
});

Deno.test("runtime and model are listed, and only what tests use is excluded", async () => {
  const deno = sbom.components.find(({ type }) => type === "platform")!;
  assert.equal(deno.version, Deno.version.deno);
  assert.equal(deno.hashes![0].content, await fileSha256(Deno.execPath()));
  assert.equal(sbom.components.filter(({ type }) => type === "machine-learning-model").length, 1);
  const excluded = sbom.components.filter(({ scope }) => scope === "excluded").map(({ name }) => name);
  for (const name of ["fast-check", "playwright-core"]) assert.ok(excluded.includes(name), name);
  for (const name of ["hono", "@tensorflow/tfjs", "@noble/curves"]) assert.ok(!excluded.includes(name), name);
});

Deno.test("every licence is known, and that of everything delivered is compatible with ours", () => {
  for (const { name, scope, licenses: [licence] } of sbom.components) {
    const allowed = scope === "excluded" ? USABLE_IN_TESTS : COMPATIBLE;
    const text = "expression" in licence ? licence.expression : licence.license.id;
    assert.ok(isCompatible(text, allowed), `${name}: ${text}`);
    assert.ok(
      "expression" in licence || allowed.includes(licence.license.id),
      `${name}: not one SPDX name`,
    );
  }
});

Deno.test("isCompatible() wants all of an AND and one of an OR, and refuses what it cannot read", () => {
  for (const good of ["MIT", "Apache-2.0 AND MIT", "GPL-3.0-only OR MIT", "(GPL-2.0-only OR ISC) AND MIT"]) {
    assert.ok(isCompatible(good), good);
  }
  for (
    const bad of [
      "GPL-3.0-only",
      "MIT AND GPL-3.0-only",
      "AGPL-3.0-only OR LGPL-3.0-only",
      "SEE LICENSE IN X",
    ]
  ) {
    assert.equal(bad.startsWith("SEE") ? tryCompatible(bad) : isCompatible(bad), false, bad);
  }
  for (const broken of ["", "MIT AND", "(MIT", "MIT)", "MIT ISC"]) {
    assert.throws(() => isCompatible(broken), broken);
  }
});

Deno.test("the SBOM depends on its inputs alone", async () => {
  assert.deepEqual(await makeSbom(), sbom);
});

Deno.test("sha256sum checks SHA256SUMS, and finds a changed file", async () => {
  const folder = await Deno.makeTempDir();
  for (const name of ["b", "a"]) await Deno.writeTextFile(join(folder, name), name);
  await writeChecksums(folder, ["b", "a"]);
  const check = () => tryRun("sha256sum", ["--check", "--strict", "SHA256SUMS"], { cwd: folder });
  assert.deepEqual(await check(), { code: 0, stdout: "a: OK\nb: OK\n", stderr: "" });
  await Deno.writeTextFile(join(folder, "a"), "changed");
  assert.equal((await check()).code, 1);
  await Deno.remove(folder, { recursive: true });
});

function tryCompatible(expression: string): boolean {
  try {
    return isCompatible(expression);
  } catch {
    return false;
  }
}
