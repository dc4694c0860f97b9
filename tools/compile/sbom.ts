import { createHash } from "node:crypto";
import { join } from "node:path";
import { EMBEDDED_MODEL_FOLDER } from "../../src/foundation/mod.ts";
import { sha256Hex } from "../../src/formats/canonical_json.ts";
import { VERSION } from "../../src/formats/version.ts";
import { importsOf } from "../_code_text.ts";
import { REPOSITORY, sourceFiles } from "../_source_files.ts";
import { vulnerabilities } from "./advisories.ts";
import { filesBelow, makeFolderOf, packageFolder } from "./assets.ts";
import { fileSha256 } from "./checksums.ts";
import { COMPATIBLE, isCompatible, USABLE_IN_TESTS } from "./licences.ts";
import { type LockedPackage, readLock } from "./locked.ts";
import { run } from "./run.ts";

/** A component of a CycloneDX document, as far as we fill it. */
export interface Component {
  readonly type: "application" | "library" | "platform" | "machine-learning-model";
  readonly "bom-ref": string;
  readonly name: string;
  readonly version: string;
  /** `excluded`: used by tests only, not inside the programs. */
  readonly scope?: "required" | "excluded";
  readonly purl?: string;
  readonly licenses: readonly ({ license: { id: string } } | { expression: string })[];
  readonly hashes?: readonly { alg: "SHA-256" | "SHA-512"; content: string }[];
}

/** A CycloneDX 1.6 document. */
export interface Sbom {
  readonly bomFormat: "CycloneDX";
  readonly specVersion: "1.6";
  readonly serialNumber: string;
  readonly version: 1;
  readonly metadata: { readonly component: Component };
  readonly components: readonly Component[];
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[];
}

/**
 * What the programs are made of: every locked npm package with licence and hash, the Deno runtime and the embedded
 * model. Has no time in it, and a serial number made from its content, so the same inputs give the same bytes.
 *
 * @throws Error where a package states no licence or one that we may not deliver, or has a known vulnerability
 */
export async function makeSbom(): Promise<Sbom> {
  const { packages, direct } = readLock();
  for (const { locked, advisory } of vulnerabilities(packages.values())) {
    throw new Error(`${locked.name}@${locked.version} has ${advisory.id}, which ${advisory.fixedIn} mends`);
  }
  // Fills Deno's cache, where the licences are read.
  await run(Deno.execPath(), ["install", "--quiet", "--frozen"], { cwd: REPOSITORY });
  const used = productPackages();
  const inside = reachable(packages, direct.filter((key) => used.has(packages.get(key)!.name)));
  const libraries = await Promise.all(
    [...packages].toSorted(([a], [b]) => a < b ? -1 : 1).map(([key, one]) => libraryOf(one, inside.has(key))),
  );
  const runtime = await runtimeComponent();
  const model = await modelComponent();
  const self: Component = {
    type: "application",
    "bom-ref": `fedkim@${VERSION}`,
    name: "fedkim",
    version: VERSION,
    licenses: [{ license: { id: "Apache-2.0" } }],
  };
  const content = {
    metadata: { component: self },
    components: [runtime, model, ...libraries],
    dependencies: [
      {
        ref: self["bom-ref"],
        dependsOn: [runtime["bom-ref"], model["bom-ref"], ...direct.map((key) => purlOf(packages.get(key)!))],
      },
      { ref: runtime["bom-ref"], dependsOn: [] },
      { ref: model["bom-ref"], dependsOn: [] },
      ...[...packages.values()].map((one) => ({
        ref: purlOf(one),
        dependsOn: [...new Set(one.dependencies.map((key) => purlOf(packages.get(key)!)))],
      })),
    ],
  };
  const serialNumber = uuidOf(sha256Hex(JSON.stringify(content)));
  return { bomFormat: "CycloneDX", specVersion: "1.6", serialNumber, version: 1, ...content };
}

/** Writes {@link makeSbom} as JSON. */
export async function writeSbom(path: string): Promise<void> {
  await makeFolderOf(path);
  await Deno.writeTextFile(path, JSON.stringify(await makeSbom(), null, 2) + "\n");
}

/** The package URL of an npm package (purl-spec: the scope's `@` is written %40). */
function purlOf({ name, version }: { name: string; version: string }): string {
  return `pkg:npm/${name.replace(/^@/, "%40")}@${version}`;
}

async function libraryOf(locked: LockedPackage, inside: boolean): Promise<Component> {
  const { name, version } = locked;
  const manifest = JSON.parse(
    await Deno.readTextFile(join(await packageFolder(name, version), "package.json")),
  );
  const licence: unknown = manifest.license;
  if (typeof licence !== "string" || !isCompatible(licence, inside ? COMPATIBLE : USABLE_IN_TESTS)) {
    throw new Error(
      `${name}@${version} has the licence ${JSON.stringify(licence)}, which we may not use`,
    );
  }
  return {
    type: "library",
    "bom-ref": purlOf(locked),
    name,
    version,
    scope: inside ? "required" : "excluded",
    purl: purlOf(locked),
    licenses: [/\s/.test(licence) ? { expression: licence } : { license: { id: licence } }],
    hashes: [{ alg: "SHA-512", content: locked.sha512 }],
  };
}

/** The runtime that the programs carry: the one that runs now. */
async function runtimeComponent(): Promise<Component> {
  const version = Deno.version.deno;
  return {
    type: "platform",
    "bom-ref": `deno@${version}`,
    name: "deno",
    version,
    scope: "required",
    purl: `pkg:github/denoland/deno@v${version}`,
    licenses: [{ license: { id: "MIT" } }],
    hashes: [{ alg: "SHA-256", content: await fileSha256(Deno.execPath()) }],
  };
}

/** The embedded language model: its hash is that of all its files' hashes and names, in the order of the names. */
async function modelComponent(): Promise<Component> {
  const hash = createHash("sha256");
  for await (const [path, bytes] of filesBelow(EMBEDDED_MODEL_FOLDER)) {
    hash.update(`${sha256Hex(bytes)}  ${path}\n`);
  }
  const name = EMBEDDED_MODEL_FOLDER.split("/").at(-1)!;
  const card = await Deno.readTextFile(join(EMBEDDED_MODEL_FOLDER, "README.md"));
  const stated = /^license: (\S+)$/m.exec(card)?.[1];
  const licence = COMPATIBLE.find((id) => id.toLowerCase() === stated);
  if (licence === undefined) throw new Error(`the model ${name} states the licence ${stated}`);
  return {
    type: "machine-learning-model",
    "bom-ref": `model:${name}`,
    name,
    version: VERSION,
    scope: "required",
    licenses: [{ license: { id: licence } }],
    hashes: [{ alg: "SHA-256", content: hash.digest("hex") }],
  };
}

/** Names of the packages that the product imports; the others are for tests and benchmarks. */
function productPackages(): Set<string> {
  const specifiers = sourceFiles(REPOSITORY, ["mod.ts", "src", "cli"]).flatMap(({ text }) => importsOf(text));
  return new Set(
    specifiers.flatMap((specifier) => /^(@[^/]+\/)?[^@./:][^/:]*(?=\/|$)/.exec(specifier)?.[0] ?? []),
  );
}

function reachable(packages: ReadonlyMap<string, LockedPackage>, from: readonly string[]): Set<string> {
  const seen = new Set<string>();
  const visit = (key: string): void => {
    if (seen.has(key)) return;
    seen.add(key);
    packages.get(key)!.dependencies.forEach(visit);
  };
  from.forEach(visit);
  return seen;
}

/** A name-based UUID (RFC 9562, version 8) from a hexadecimal hash. */
function uuidOf(hex: string): string {
  const variant = (parseInt(hex[16], 16) & 3 | 8).toString(16);
  return `urn:uuid:${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-${variant}${
    hex.slice(17, 20)
  }-${hex.slice(20, 32)}`;
}
