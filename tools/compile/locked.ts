import { join } from "node:path";
import { REPOSITORY } from "../_source_files.ts";

/** An npm package as `deno.lock` pins it. */
export interface LockedPackage {
  /** Name with scope. */
  readonly name: string;
  /** Exact version. */
  readonly version: string;
  /** SHA-512 of the registry's tarball, hexadecimal. */
  readonly sha512: string;
  /** Keys `name@version` of the packages that it depends on. */
  readonly dependencies: readonly string[];
}

interface LockFile {
  readonly npm: Readonly<
    Record<string, { readonly integrity: string; readonly dependencies?: readonly string[] }>
  >;
  readonly workspace: { readonly dependencies: readonly string[] };
}

/** The packages of a lock file, and those that the project names itself. */
export interface Locked {
  /** By `name@version`. */
  readonly packages: ReadonlyMap<string, LockedPackage>;
  /** Keys of the direct dependencies. */
  readonly direct: readonly string[];
}

/** Reads the repository's `deno.lock`. */
export function readLock(path: string = join(REPOSITORY, "deno.lock")): Locked {
  const lock: LockFile = JSON.parse(Deno.readTextFileSync(path));
  // A key may carry the versions of peers behind an underscore.
  const keys = Object.keys(lock.npm).map(withoutPeers);
  const resolve = (wanted: string): string => {
    const plain = withoutPeers(wanted.replace(/^npm:/, ""));
    const found = keys.find((key) => key === plain || nameOf(key) === plain);
    if (found === undefined) throw new Error(`deno.lock names ${wanted}, but does not pin it`);
    return found;
  };
  const packages = Object.entries(lock.npm).map(([key, { integrity, dependencies = [] }]): LockedPackage => ({
    name: nameOf(withoutPeers(key)),
    version: withoutPeers(key).slice(nameOf(withoutPeers(key)).length + 1),
    sha512: hexOfIntegrity(integrity),
    dependencies: dependencies.map(resolve),
  }));
  return {
    packages: new Map(packages.map((one) => [`${one.name}@${one.version}`, one])),
    direct: lock.workspace.dependencies.map(resolve),
  };
}

const withoutPeers = (key: string): string => key.replace(/(?<=.@[^_@]+)_.*$/, "");
const nameOf = (key: string): string => key.replace(/(?<=.)@.*$/, "");

function hexOfIntegrity(integrity: string): string {
  const base64 = /^sha512-(.+)$/.exec(integrity)?.[1];
  if (base64 === undefined) throw new Error(`not a SHA-512: ${integrity}`);
  return Uint8Array.fromBase64(base64).toHex();
}
