import { globSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import sirv from "sirv";

/** A server of files on the loopback. */
interface FileServer {
  readonly url: string;
  close(): Promise<void>;
}

/** A page whose script is the `page.js` next to it. */
export const samplePage = `<!doctype html><meta charset="utf-8"><script type="module" src="./page.js"></script>`;

/** Serves a folder with the given headers, its scripts gzipped. */
export async function serve(folder: string, headers: Readonly<Record<string, string>>): Promise<FileServer> {
  for (const script of globSync("**/*.{js,mjs}", { cwd: folder })) {
    const path = join(folder, script);
    writeFileSync(`${path}.gz`, gzipSync(readFileSync(path), { level: 9 }));
  }
  const files = sirv(folder, {
    gzip: true,
    setHeaders: (response) => {
      for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
    },
  });
  const server = createServer(files);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/`,
    close: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}
