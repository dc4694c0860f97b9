/** What `fedkim doctor` says of the machine's ways to write memory to disk. @module */
import { type Check, check } from "./_doctor_check.ts";

/** Devices whose content is encrypted or never reaches a disk. */
const SAFE_SWAP = /^\/dev\/(zram\d+|mapper\/\S+|dm-\d+)$/;

/**
 * Core dumps and swap hold whatever a process had in memory, keys and gradients too. Both are the administrator's choice:
 * this names them and fails nothing.
 */
export async function memoryOnDiskChecks(): Promise<Check[]> {
  return [
    await check(
      "core dumps",
      "ask the administrator",
      async () => coreDumps(await read("/proc/self/limits")),
    ),
    await check("swap", "ask the administrator", async () => swap(await read("/proc/swaps"))),
  ];
}

/** What the limits of a process (`/proc/self/limits`) say about core dumps. */
export function coreDumps(limits: string | undefined): string {
  const soft = /^Max core file size\s+(\S+)/m.exec(limits ?? "")?.[1];
  if (soft === undefined) return "not known here: switch them off for this service (LimitCORE=0)";
  if (soft === "0") return "off";
  return "warning: on, so a crash would write this process's memory to disk, with keys and gradients; start it after " +
    "`ulimit -c 0`, or with LimitCORE=0 under systemd";
}

/** What the list of swap areas (`/proc/swaps`) says. */
export function swap(areas: string | undefined): string {
  if (areas === undefined) return "not known here: use none, or an encrypted one";
  const used = areas.trim().split("\n").slice(1).map((line) => line.split(/\s+/)[0]);
  if (used.length === 0) return "none";
  const open = used.filter((device) => !SAFE_SWAP.test(device));
  if (open.length === 0) return `${used.join(", ")}: in memory or on an encrypted device`;
  return `warning: ${
    open.join(", ")
  } may not be encrypted, and memory with keys and gradients can be written there; ` +
    "encrypt it, or run the site without swap (MemorySwapMax=0 under systemd)";
}

/** A file of the kernel; undefined on other systems and without the permission. */
async function read(path: string): Promise<string | undefined> {
  return await Deno.readTextFile(path).catch(() => undefined);
}
