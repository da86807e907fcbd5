/**
 * The subset of browsers' FileSystemDirectoryHandle that is used here, declared so that programs compile without DOM
 * types.
 */
export interface DirectoryHandle {
  readonly kind: "directory";
  readonly name: string;
  getDirectoryHandle(name: string, options?: { create?: boolean }): Promise<DirectoryHandle>;
  getFileHandle(name: string, options?: { create?: boolean }): Promise<FileHandle>;
  removeEntry(name: string, options?: { recursive?: boolean }): Promise<void>;
  entries(): AsyncIterable<[string, { readonly kind: "file" | "directory" }]>;
}

/**
 * A file in a folder of a browser. Some browsers lack one of the methods to write it; `createSyncAccessHandle` exists
 * only in Workers.
 */
export interface FileHandle {
  getFile(): Promise<Blob>;
  move?(name: string): Promise<void>;
  createWritable?(): Promise<WritableHandle>;
  createSyncAccessHandle?(): Promise<SyncAccessHandle>;
}

interface WritableHandle {
  write(bytes: Uint8Array<ArrayBuffer>): Promise<void>;
  abort(reason?: unknown): Promise<void>;
  close(): Promise<void>;
}

interface SyncAccessHandle {
  write(bytes: Uint8Array<ArrayBuffer>, options: { at: number }): number;
  truncate(size: number): void;
  flush(): void;
  close(): void;
}
