import type { ByteSource } from "@lowrank/core";

/** A file of a repository at one commit. */
export interface HubFile {
  readonly path: string;
  readonly size: number;
  /** The name of its content: files of the same content have the same. */
  readonly etag: string;
}

/** The part of a file that has come. */
export interface PartialFile {
  /** The number of bytes from the file's start that are there. */
  readonly length: number;
  /**
   * Adds bytes at `position`, which is at most `length`. Two downloads of one file may write at
   * once: both start within what is there, and their bytes are the same.
   */
  write(position: number, bytes: Uint8Array<ArrayBuffer>): Promise<void>;
  /** Keeps what is there for a later download. */
  keep(): Promise<void>;
  /** Throws away what is there. */
  discard(): Promise<void>;
  /** Makes it the whole file. */
  finish(): Promise<void>;
}

/** The cache of one repository: contents by etag, and the files of commits, which name contents. */
export interface HubStore {
  /** The place of the cache, for messages. */
  readonly label: string;
  /** Returns the commit that a branch or tag was at when a file of it was last downloaded. */
  readRef(revision: string): Promise<string | undefined>;
  writeRef(revision: string, commit: string): Promise<void>;
  /** Opens a file of a commit; undefined where it is not there as a whole. */
  find(commit: string, path: string): Promise<ByteSource | undefined>;
  /** Names the files of a commit that are there. */
  list(commit: string): Promise<string[]>;
  /** Returns true if a content is there as a whole. */
  holds(file: HubFile): Promise<boolean>;
  /** Opens what is there of a content. */
  openPartial(file: HubFile): Promise<PartialFile>;
  /** Makes a content a file of a commit. */
  link(commit: string, file: HubFile): Promise<void>;
}
