import { dirname, join } from "node:path";

/** Runs `body` on a temporary tree of files. */
export async function withTree<T>(
  files: Readonly<Record<string, string>>,
  body: (root: string) => T,
): Promise<T> {
  const root = await Deno.makeTempDir();
  try {
    for (const [path, text] of Object.entries(files)) {
      await Deno.mkdir(join(root, dirname(path)), { recursive: true });
      await Deno.writeTextFile(join(root, path), text);
    }
    return body(root);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}
