/** The folder part of a path, for browsers, where no file is opened. */
export function dirname(path: string): string {
  return path.includes("/") ? path.slice(0, path.lastIndexOf("/")) : ".";
}
