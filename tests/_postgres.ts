import { dirname, join } from "node:path";
import { testNeeding } from "./_shared.ts";

/** A private PostgreSQL cluster of the installed server, on a socket and a free port of this machine. */
export interface Cluster {
  /** Address for clients. */
  readonly url: string;
  /** Kills every server process at once, as a power cut would. */
  crash(): Promise<void>;
  /** Starts the server again on the same data. */
  start(): Promise<void>;
  /** Stops it and removes its data. */
  remove(): Promise<void>;
}

/** Folder of `initdb` and `pg_ctl`, or undefined where no server is installed. */
function serverBinaries(): string | undefined {
  try {
    const versions = [...Deno.readDirSync("/usr/lib/postgresql")].map(({ name }) => name)
      .sort((a, b) => Number(b) - Number(a));
    return versions.length === 0 ? undefined : `/usr/lib/postgresql/${versions[0]}/bin`;
  } catch {
    return undefined;
  }
}

/** Registers a test against a real PostgreSQL server, see `testNeeding` for "postgres". */
export function postgresTest(
  name: string,
  body: (cluster: Cluster, t: Deno.TestContext) => Promise<void>,
): void {
  const binaries = serverBinaries();
  const absent = binaries === undefined ? "no PostgreSQL server is installed" : undefined;
  // The driver's sockets close a moment after `end()` resolves.
  const sanitizers = { sanitizeOps: false, sanitizeResources: false };
  const run = async (t: Deno.TestContext) => {
    const cluster = await startCluster(binaries!);
    try {
      await body(cluster, t);
    } finally {
      await cluster.remove();
    }
  };
  testNeeding("postgres", absent, name, run, sanitizers);
}

/** A new cluster, for programs; undefined where no server is installed. */
export async function openCluster(): Promise<Cluster | undefined> {
  const binaries = serverBinaries();
  return binaries === undefined ? undefined : await startCluster(binaries);
}

async function startCluster(binaries: string): Promise<Cluster> {
  const root = await Deno.makeTempDir({ prefix: "fedkim-pg-" });
  const data = join(root, "data");
  const asRoot = Deno.uid() === 0;
  if (asRoot) {
    await Deno.chmod(dirname(root), 0o1777);
    await command("chown", ["postgres", root]);
  }
  const run = (program: string, args: readonly string[]): Promise<void> =>
    asRoot
      ? command("runuser", ["-u", "postgres", "--", join(binaries, program), ...args])
      : command(join(binaries, program), args);
  const password = crypto.randomUUID();
  const secret = join(root, "password");
  await Deno.writeTextFile(secret, password);
  if (asRoot) await command("chown", ["postgres", secret]);
  await run("initdb", ["-D", data, "-U", "fedkim", "-A", "scram-sha-256", "--pwfile", secret, "-E", "UTF8"]);
  const port = freePort();
  const launch = () =>
    run("pg_ctl", [
      "-D",
      data,
      "-l",
      join(root, "log"),
      "-w",
      "-o",
      `-p ${port} -k ${root} -c listen_addresses=127.0.0.1 -c max_connections=60`,
      "start",
    ]);
  /** The system frees a killed server's shared memory a moment after its processes are gone. */
  const start = async (): Promise<void> => {
    for (let attempt = 1;; attempt++) {
      try {
        return await launch();
      } catch (error) {
        if (attempt === 20) throw error;
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }
  };
  await start();
  const stop = (mode: string) => run("pg_ctl", ["-D", data, "-m", mode, "-w", "stop"]);
  return {
    url: `postgres://fedkim:${password}@127.0.0.1:${port}/postgres`,
    start,
    async crash() {
      const [pid] = (await Deno.readTextFile(join(data, "postmaster.pid"))).split("\n");
      const children = await new Deno.Command("pgrep", { args: ["-P", pid] }).output();
      const pids = [pid, ...new TextDecoder().decode(children.stdout).trim().split("\n")].filter(Boolean);
      await new Deno.Command("kill", { args: ["-9", ...pids] }).output();
      // The old processes must be gone before the same data may be opened again.
      while ((await new Deno.Command("kill", { args: ["-0", ...pids] }).output()).success) {
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      await Deno.remove(join(data, "postmaster.pid")).catch(() => {});
    },
    async remove() {
      await stop("immediate").catch(() => {});
      await Deno.remove(root, { recursive: true });
    },
  };
}

async function command(program: string, args: readonly string[]): Promise<void> {
  // pg_ctl's server inherits the pipes, so output is only looked at through files.
  const { code } = await new Deno.Command(program, {
    args: [...args],
    cwd: "/",
    // `runuser` and `chown` of the system, which not every path of root has.
    env: { PATH: `${Deno.env.get("PATH") ?? ""}:/usr/sbin:/usr/bin:/sbin:/bin` },
    stdin: "null",
    stdout: "null",
    stderr: "null",
  })
    .output();
  if (code !== 0) throw new Error(`${program} ${args.join(" ")} ended with exit code ${code}`);
}

function freePort(): number {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  listener.close();
  return port;
}
