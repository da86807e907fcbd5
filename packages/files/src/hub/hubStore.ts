import type { ByteSource, OnProgress } from "@lowrank/core";
import type { HubClient } from "./hubClient.ts";

/** A file of a repository at one commit. */
export interface HubFile {
  readonly path: string;
  readonly size: number;
  /** Hash of the content: files with equal content have equal etags. */
  readonly etag: string;
}

/** The client and the settings that a store needs to download files from the hub. */
export interface Bringing {
  readonly client: () => Promise<HubClient>;
  readonly label: string;
  readonly onProgress?: OnProgress;
  readonly signal?: AbortSignal;
}

/**
 * The cache of one repository. It stores each content once, by its etag, and for each commit maps the paths of files to
 * contents.
 */
export interface HubStore {
  /** The name of the cache in error messages. */
  readonly label: string;
  /**
   * Returns the commit that a branch or tag pointed to the last time one of its files was opened; undefined if none was
   * opened yet.
   */
  readRef(revision: string): Promise<string | undefined>;
  writeRef(revision: string, commit: string): Promise<void>;
  /**
   * Opens a file of a commit from the cache. Returns undefined if `bring` has not added the file. In a browser page,
   * `from` downloads missing byte ranges when they are read; without `from`, reading a missing range throws.
   */
  find(commit: string, path: string, from?: Bringing): Promise<ByteSource | undefined>;
  /** Lists the paths of a commit's stored files. */
  list(commit: string): Promise<string[]>;
  /**
   * Adds a file of the hub to the cache, so that `find` opens it. In Node this downloads the file. In a page, the file
   * is downloaded in parts when it is read.
   */
  bring(commit: string, file: HubFile, from: Bringing): Promise<void>;
}
