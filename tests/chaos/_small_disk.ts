/** What a full disk is filled with. */
const BALLAST = "ballast";

/** A small file system of its own under a folder, which can be filled to its last byte. */
export class SmallDisk {
  private constructor(private readonly path: string) {}

  /** Mounts one at a path, which is made. @returns undefined where this machine does not let us */
  static async mount(path: string, megabytes: number): Promise<SmallDisk | undefined> {
    await Deno.mkdir(path, { recursive: true });
    const options = `size=${megabytes}m,mode=700`;
    const mounted = await succeeds("mount", "-t", "tmpfs", "-o", options, "fedkim-chaos", path);
    return mounted ? new SmallDisk(path) : undefined;
  }

  /** Leaves no room on it. */
  async fill(): Promise<void> {
    // The last write of dd fails, as it shall.
    await succeeds("dd", "if=/dev/zero", `of=${this.#ballast}`, "bs=4k");
  }

  /** Makes room again. */
  async free(): Promise<void> {
    await Deno.remove(this.#ballast).catch(() => {});
  }

  /** Takes it away with all that is on it. */
  async unmount(): Promise<void> {
    if (!await succeeds("umount", "-l", this.path)) throw new Error(`${this.path} stays mounted`);
  }

  get #ballast(): string {
    return `${this.path}/${BALLAST}`;
  }
}

async function succeeds(program: string, ...args: string[]): Promise<boolean> {
  try {
    const command = new Deno.Command(program, { args, stdin: "null", stdout: "null", stderr: "null" });
    return (await command.output()).success;
  } catch {
    return false; // no such program here
  }
}
