/** Writes a Markdown page and formats it as the repository wants it. */
export async function writePage(path: string, text: string): Promise<void> {
  await Deno.writeTextFile(path, text);
  const { success } = await new Deno.Command(Deno.execPath(), {
    // Without the configuration, which leaves measured pages alone.
    args: ["fmt", "--quiet", "--no-config", "--line-width", "110", path],
  }).output();
  if (!success) throw new Error(`${path} could not be formatted`);
}
