/** What a program may do; everything that is not named is refused without a question. */
export interface Permissions {
  /** Connections and ports as `HOST:PORT`, or `all`. */
  readonly net: "all" | readonly string[];
  /** Files that it may read. */
  readonly read: "all";
  /** Files that it may write. */
  readonly write: "all";
  /** Environment variables that it may see. */
  readonly env: readonly string[];
  /** Facts about the machine that it may ask for, by the names of Deno's `--allow-sys`. */
  readonly sys: readonly string[];
  /** Programs that it may start: only itself, or none. */
  readonly run: "self" | "none";
}

/**
 * The permissions as options of `deno run` and `deno compile`.
 *
 * @param permissions what is granted
 * @param self how the option names the program itself: a path, or undefined where none is known at build time,
 * which then grants starting programs as such
 */
export function permissionFlags(permissions: Permissions, self: string | undefined): string[] {
  const { net, read, write, env, sys, run } = permissions;
  const flag = (name: string, list: "all" | readonly string[]): string[] => {
    if (list === "all") return [`--allow-${name}`];
    return list.length === 0 ? [] : [`--allow-${name}=${list.join(",")}`];
  };
  return [
    "--no-prompt",
    ...flag("net", net),
    ...flag("read", read),
    ...flag("write", write),
    ...flag("env", env),
    ...flag("sys", sys),
    ...(run === "none" ? [] : [self === undefined ? "--allow-run" : `--allow-run=${self}`]),
  ];
}
