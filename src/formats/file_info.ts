/**
 * What lies at a path.
 * @param path any path
 * @returns undefined where nothing is there; whatever else keeps us from looking is thrown as it is: a file that one may
 * not see is not absent
 */
export async function fileInfo(path: string): Promise<Deno.FileInfo | undefined> {
  try {
    return await Deno.stat(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return undefined;
    throw error;
  }
}
