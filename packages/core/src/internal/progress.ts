/** The progress of work on a sequence of tensors, layers or files. */
export interface Progress {
  /** Bytes processed, as counted in the source. */
  loaded: number;
  /** Total bytes. */
  total: number;
  /** The tensor or layer that was processed last, or the file that is being downloaded. */
  name: string;
}

/** Called after each tensor or layer, and during the download of a file. If it throws, the work ends. */
export type OnProgress = (progress: Progress) => void;
