import { ServingError } from "../api/api.ts";

/** Name, size and fingerprint of a file in an adapter's folder. */
export interface AdapterFile {
  readonly name: string;
  /** Size in bytes. */
  readonly size: number;
  /** Fingerprint of the file, which changes when its content does. */
  readonly tag: string;
}

/** Text of the manifest, and a tag that changes with it. */
export interface ManifestText {
  readonly text: string;
  readonly tag: string;
}

/**
 * Storage with folders of adapters, and a manifest file that lists the adapters to serve. Methods throw ServingError
 * `unavailable` while the storage cannot be reached.
 */
export interface AdapterPlace {
  /** Name of this storage in messages. */
  readonly label: string;
  /**
   * Converts a folder's path to the form that the manifest uses: relative to the storage's root, with "/" between
   * names. Throws ServingError `invalid_request` for a path that may lead outside of the storage.
   */
  pathOf(path: string): string;
  /** Returns the paths of all folders with an adapter. */
  adapters(): Promise<readonly string[]>;
  /** Returns the files of a folder; null if the folder does not exist. */
  files(path: string): Promise<readonly AdapterFile[] | null>;
  /** Returns true if these files of a folder still exist and are unchanged. */
  holds(path: string, files: readonly AdapterFile[]): Promise<boolean>;
  /**
   * Reads whole files of a folder. Returns null if a file has changed since it was listed, or changes during the read,
   * so all contents belong together. The caller owns the returned buffers and may detach them. Throws ServingError
   * `invalid_request` for a file outside of the storage.
   */
  read(path: string, files: readonly AdapterFile[]): Promise<readonly Uint8Array<ArrayBuffer>[] | null>;
  /** Reads the manifest. Returns "same" if the manifest's tag is still `known`, and null if there is no manifest. */
  readManifest(known?: string): Promise<ManifestText | "same" | null>;
  /**
   * Writes a new manifest, and returns its tag. `replaces` is the tag of the manifest that the caller has read; null if
   * there was none. If another server has written a manifest since, writes nothing and returns null.
   */
  writeManifest(text: string, replaces: string | null): Promise<string | null>;
}

/** File name of the manifest, at the root of a storage. */
export const manifestName = "manifest.json";

/** Folder in a store for uploaded files, jobs and training runs. Clients cannot load adapters from it by path. */
export const jobsFolder = ".fine-tuning";

/** Returns true for a path in which any name begins with a dot, such as `.fine-tuning/runs`. */
export function isInternal(path: string): boolean {
  return /(^|\/)\./.test(path);
}

/** File name of an adapter's configuration. */
export const configName = "adapter_config.json";

/** Returns the error of a storage that does not answer; `retryAfter` is in seconds. */
export function unavailable(message: string, cause?: unknown, retryAfter = 5): ServingError {
  const error = new ServingError("unavailable", message, null, retryAfter);
  error.cause = cause;
  return error;
}

/** Returns true for the error of a storage that does not answer. */
export function isUnavailable(error: unknown): error is ServingError {
  return error instanceof ServingError && error.code === "unavailable";
}
