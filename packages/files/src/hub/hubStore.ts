import type { ByteSource, OnProgress } from "@lowrank/core";
import type { HubClient } from "./hubClient.ts";

/** A file of a repository at one commit. */
export interface HubFile {
  readonly path: string;
  readonly size: number;
  /** The name of its content: files of the same content have the same. */
  readonly etag: string;
}

/** The way of files into the store. */
export interface Bringing {
  readonly client: () => Promise<HubClient>;
  readonly label: string;
  readonly onProgress?: OnProgress;
  readonly signal?: AbortSignal;
}

/** The cache of one repository: contents by etag, and the files of commits, which name contents. */
export interface HubStore {
  /** The place of the cache, for messages. */
  readonly label: string;
  /** Returns the commit that a branch or tag was at when a file of it was last opened. */
  readRef(revision: string): Promise<string | undefined>;
  writeRef(revision: string, commit: string): Promise<void>;
  /**
   * Opens a file of a commit; undefined where it was not brought. A store that keeps parts brings
   * those that are missing as they are read; without `from` they are an error.
   */
  find(commit: string, path: string, from?: Bringing): Promise<ByteSource | undefined>;
  /** Names the files of a commit that are there. */
  list(commit: string): Promise<string[]>;
  /** Makes a file of the hub one that `find` opens. */
  bring(commit: string, file: HubFile, from: Bringing): Promise<void>;
}
