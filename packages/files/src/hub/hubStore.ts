import type { ByteSource, OnProgress } from "@lowrank/core";
import type { HubClient } from "./hubClient.ts";

/** A file of a repository at one commit. */
export interface HubFile {
  readonly path: string;
  readonly size: number;
  /** Identifies the content: files with equal content have equal etags. */
  readonly etag: string;
}

/** The options for downloading files into the store. */
export interface Bringing {
  readonly client: () => Promise<HubClient>;
  readonly label: string;
  readonly onProgress?: OnProgress;
  readonly signal?: AbortSignal;
}

/** The cache of one repository: contents by etag, and per commit a mapping from paths to contents. */
export interface HubStore {
  /** The name of the cache in messages. */
  readonly label: string;
  /** Returns the commit of a branch or tag when a file of it was last opened. */
  readRef(revision: string): Promise<string | undefined>;
  writeRef(revision: string, commit: string): Promise<void>;
  /**
   * Opens a file of a commit. Returns undefined if the file was not brought into the store. A store of byte ranges
   * downloads missing ranges as they are read; without `from` a missing range throws.
   */
  find(commit: string, path: string, from?: Bringing): Promise<ByteSource | undefined>;
  /** Lists the paths of a commit's stored files. */
  list(commit: string): Promise<string[]>;
  /** Brings a file of the hub into the store, so that `find` opens it. */
  bring(commit: string, file: HubFile, from: Bringing): Promise<void>;
}
