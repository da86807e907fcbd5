/**
 * Writes files into a folder on disk (Node only), which is made where it is missing. Each file is written beside
 * its place and renamed only when all are whole, so a failure leaves what was there. Bytes may come piece by piece.
 */
export async function writeFolder(
  folder: string | URL,
  contents: ReadonlyMap<string, Uint8Array | string | AsyncIterable<Uint8Array>>,
): Promise<void> {
  const [fs, { dirname, join }, { fileURLToPath }] = await Promise.all([
    import("node:fs/promises"),
    import("node:path"),
    import("node:url"),
  ]);
  const path = folder instanceof URL || folder.startsWith("file:") ? fileURLToPath(folder) : folder;
  const pending: [from: string, to: string][] = [];
  try {
    for (const [name, content] of contents) {
      const to = join(path, name);
      await fs.mkdir(dirname(to), { recursive: true });
      const from = `${to}.${crypto.randomUUID().slice(0, 8)}.part`;
      pending.push([from, to]);
      await fs.writeFile(from, content);
    }
    for (const [from, to] of pending) await fs.rename(from, to);
  } catch (error) {
    await Promise.all(pending.map(([from]) => fs.rm(from, { force: true })));
    throw error;
  }
}
