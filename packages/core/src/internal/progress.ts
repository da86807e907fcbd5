/** The progress of a long task, such as loading or quantising a model. */
export interface Progress {
  /** Bytes processed so far, counted in the source file or model. */
  loaded: number;
  /** Total bytes. */
  total: number;
  /** The tensor or layer that was processed last, or the file that is being downloaded. */
  name: string;
}

/** Called after each tensor or layer, and during the download of a file. If it throws, the task is aborted. */
export type OnProgress = (progress: Progress) => void;
