import type { AdapterPlace, ManifestText } from "../../storage/adapterPlace.ts";
import { configName, isInternal, manifestName } from "../../storage/adapterPlace.ts";
import { confinedPath } from "../../storage/confinedPath.ts";
import type { ObjectStore } from "../../storage/objects/objectStore.ts";

/** In-memory files, as an adapter place and as an object store. */
export class MemoryStore {
  readonly files: Map<string, Uint8Array<ArrayBuffer>> = new Map();
  readonly label = "memory";
  #written = 0;
  readonly #tags = new Map<string, string>();

  write(key: string, content: Uint8Array | string): void {
    this.files.set(key, typeof content === "string" ? new TextEncoder().encode(content) : new Uint8Array(content));
    this.#tags.set(key, String(this.#written++));
  }

  /** Writes the files of an adapter's folder. */
  writeFolder(path: string, files: ReadonlyMap<string, Uint8Array | string>): void {
    for (const [name, content] of files) this.write(`${path}/${name}`, content);
  }

  remove(key: string): void {
    this.files.delete(key);
    this.#tags.delete(key);
  }

  #inFolder(path: string): string[] {
    return [...this.files.keys()].filter((key) => key.slice(0, Math.max(0, key.lastIndexOf("/"))) === path);
  }

  #manifest(): ManifestText | null {
    const bytes = this.files.get(manifestName);
    return bytes ? { text: new TextDecoder().decode(bytes), tag: this.#tags.get(manifestName)! } : null;
  }

  get place(): AdapterPlace {
    const { files, label } = this;
    const hasFile = (path: string, { name, tag }: { name: string; tag: string }) =>
      this.#tags.get(`${path}/${name}`) === tag;
    return {
      label,
      pathOf: (path) => confinedPath(path),
      adapters: async () => {
        const configs = [...files.keys()].filter((key) => key.endsWith(`/${configName}`));
        return configs
          .map((key) => key.slice(0, -configName.length - 1))
          .filter((path) => !isInternal(path))
          .sort();
      },
      files: async (path) => {
        const keys = this.#inFolder(path);
        if (keys.length === 0) return null;
        return keys.map((key) => {
          return { name: key.slice(path.length + 1), size: files.get(key)!.length, tag: this.#tags.get(key)! };
        });
      },
      holds: async (path, wanted) => wanted.every((file) => hasFile(path, file)),
      read: async (path, wanted) => {
        if (!wanted.every((file) => hasFile(path, file))) return null;
        return wanted.map(({ name }) => files.get(`${path}/${name}`)!.slice());
      },
      readManifest: async (known) => {
        const manifest = this.#manifest();
        return manifest && manifest.tag === known ? "same" : manifest;
      },
      writeManifest: async (text, replaces) => {
        if ((this.#manifest()?.tag ?? null) !== replaces) return null;
        this.write(manifestName, text);
        return this.#tags.get(manifestName)!;
      },
    };
  }

  get objects(): ObjectStore {
    const { files, label } = this;
    return {
      label,
      get: async (key) => files.get(key)?.slice() ?? null,
      stream: async function* (key) {
        const bytes = files.get(key);
        if (!bytes) throw new Error(`there is no ${key}`);
        yield bytes.slice();
      },
      put: async (key, content) => {
        if (typeof content === "string" || content instanceof Uint8Array) {
          this.write(key, content);
          return;
        }
        const pieces: Uint8Array[] = [];
        for await (const piece of content)
          pieces.push(typeof piece === "string" ? new TextEncoder().encode(piece) : piece);
        this.write(key, new Uint8Array(await new Blob(pieces as BlobPart[]).arrayBuffer()));
      },
      create: async (key, text) => {
        if (files.has(key)) return false;
        this.write(key, text);
        return true;
      },
      list: async (start) => {
        const keys = [...files.keys()].filter((key) => key.startsWith(start)).sort();
        return keys.map((key) => ({ key, size: files.get(key)!.length }));
      },
      remove: async (key) => this.remove(key),
    };
  }
}
