import type { Cluster } from "../_postgres.ts";
import { SmallDisk } from "./_small_disk.ts";
import type { Fault, Seen } from "./_fault_proxy.ts";
import type { ChaosFederation } from "./_federation.ts";
import { POSTGRES } from "./_scenarios.ts";
import { DISKS, type Partition, type StormEvent } from "./_storm_schedule.ts";

/** Sizes of disks, megabytes: what a federation of this size needs, and some room. */
const MEGABYTES = { aggregator: 96, run: 16, site: 16 } as const;

/** Small disks under everything that a federation in a folder writes; none where this machine mounts nothing. */
export async function smallDisks(dir: string): Promise<ReadonlyMap<string, SmallDisk>> {
  const disks = new Map<string, SmallDisk>();
  for (const name of DISKS) {
    const own = name === "aggregator" || name === "run";
    const disk = await SmallDisk.mount(
      own ? `${dir}/${name}` : `${dir}/sites/${name}`,
      MEGABYTES[own ? name : "site"],
    );
    if (disk !== undefined) disks.set(name, disk);
  }
  return disks;
}

/** A trouble that lasts until it is over. */
interface Trouble {
  readonly harmed: readonly string[];
  readonly end: () => Promise<void>;
}

/** Does to a federation what a storm says. */
export class Weather {
  readonly #troubles: Trouble[] = [];
  /** What the network does to a site now. */
  readonly #partitions = new Map<string, Partition>();
  /** Disks that have been full: whoever writes there may have ended because of it. */
  readonly #filled = new Set<string>();
  #held: (() => void)[] = [];

  /**
   * @param federation whom
   * @param disks its disks
   * @param cluster its database server, where it has one
   */
  constructor(
    private readonly federation: ChaosFederation,
    private readonly disks: ReadonlyMap<string, SmallDisk>,
    private readonly cluster: Cluster | undefined,
  ) {
    federation.fault = (seen) => this.#faultOf(seen);
    federation.hold = async ({ site }) => {
      while (this.#partitions.get(site) === "delay") {
        await new Promise<void>((resolve) => this.#held.push(resolve));
      }
    };
  }

  /** Lets an event happen. @returns false where this machine cannot have it happen */
  async happen(event: StormEvent): Promise<boolean> {
    switch (event.kind) {
      case "kill":
        if (event.victim !== POSTGRES) await this.federation.kill(event.victim);
        else {
          await this.cluster!.crash();
          await this.cluster!.start();
        }
        return true;
      case "partition":
        this.#part(event.how, event.sites);
        return true;
      case "full_disk": {
        const disk = this.disks.get(event.disk);
        await disk?.fill();
        this.#filled.add(event.disk);
        this.#troubles.push({ harmed: [], end: () => disk?.free() ?? Promise.resolve() });
        return disk !== undefined;
      }
      case "heal":
        await this.#troubles.shift()?.end();
        return true;
    }
  }

  /** Ends every trouble. */
  async clear(): Promise<void> {
    while (this.#troubles.length > 0) await this.#troubles.shift()!.end();
  }

  /** True where a disk of somebody's has been full. */
  wasFull(disk: string): boolean {
    return this.#filled.has(disk);
  }

  #part(how: Partition, sites: readonly string[]): void {
    for (const site of sites) {
      this.#partitions.set(site, how);
      if (how !== "delay") this.federation.proxy.sever(site, how === "cut" ? "both" : "site");
    }
    this.#release();
    const end = () => {
      // A newer partition of the same site lasts on.
      for (const site of sites) {
        if (!this.#troubles.some(({ harmed }) => harmed.includes(site))) this.#partitions.delete(site);
      }
      this.#release();
      return Promise.resolve();
    };
    this.#troubles.push({ harmed: sites, end });
  }

  #release(): void {
    for (const resolve of this.#held.splice(0)) resolve();
  }

  #faultOf({ site }: Seen): Fault {
    const how = this.#partitions.get(site);
    if (how === "cut") return "lost_request";
    return how === "half_open" ? "half_open" : "none";
  }
}
