import { ServingError } from "../api/api.ts";

/** A file of an adapter's folder. */
export interface AdapterFile {
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /** Changes when the content does. */
  readonly tag: string;
}

/** The text of the manifest, and a tag that changes with it. */
export interface ManifestText {
  readonly text: string;
  readonly tag: string;
}

/**
 * A place that holds folders of adapters, and a manifest that says which of them are served. Throws
 * ServingError `unavailable` where it cannot be reached; everything then works again once it can.
 */
export interface AdapterPlace {
  /** The name of this place in messages. */
  readonly label: string;
  /**
   * Returns a folder's path as the manifest has it: from the place's root, with "/" between
   * names. Throws ServingError `invalid_request` for a path that may lead out of the place.
   */
  pathOf(path: string): string;
  /** Returns the paths of all folders that hold an adapter. */
  list(): Promise<readonly string[]>;
  /** Returns the files of a folder; null where there is no such folder. */
  files(path: string): Promise<readonly AdapterFile[] | null>;
  /** True if these files of a folder are there, and as they were when they were looked at. */
  holds(path: string, files: readonly AdapterFile[]): Promise<boolean>;
  /**
   * Reads whole files of a folder, all as they are at one moment. Null if one of them changed since
   * it was looked at, or changes meanwhile. The bytes are the caller's, who may free them. Throws
   * ServingError `invalid_request` where one lies outside of the place.
   */
  read(path: string, files: readonly AdapterFile[]): Promise<readonly Uint8Array<ArrayBuffer>[] | null>;
  /** Reads the manifest; "same" if its tag is still `known`, null where there is none. */
  readManifest(known?: string): Promise<ManifestText | "same" | null>;
  /**
   * Writes the manifest in the place of the one with the tag `replaces` (null: of none). Returns
   * the new tag, or null, with nothing written, if somebody else has written before.
   */
  writeManifest(text: string, replaces: string | null): Promise<string | null>;
}

/** The name of the manifest, at the root of a place. */
export const manifestName = "manifest.json";

/** The folder of a store that holds files, jobs and their runs. No request can name it. */
export const jobsFolder = ".fine-tuning";

/** Returns true for a path in a folder that begins with a dot, such as the folder of jobs. */
export function isInternal(path: string): boolean {
  return /(^|\/)\./.test(path);
}

/** The name of an adapter's configuration in its folder. */
export const configName = "adapter_config.json";

/** Returns the error of a place that does not answer; `retryAfter` is in seconds. */
export function unavailable(message: string, cause?: unknown, retryAfter = 5): ServingError {
  const error = new ServingError("unavailable", message, null, retryAfter);
  error.cause = cause;
  return error;
}

/** Returns true for the error of a place that does not answer. */
export function isUnavailable(error: unknown): error is ServingError {
  return error instanceof ServingError && error.code === "unavailable";
}
