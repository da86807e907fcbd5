/** The progress of work on one tensor, layer or file after the other. */
export interface Progress {
  /** Bytes done, as they lie in the source. */
  loaded: number;
  /** Bytes in all. */
  total: number;
  /** The tensor or layer that was done last, or the file that is downloaded. */
  name: string;
}

/**
 * Called after each tensor or layer, and as a file comes. An error that it throws ends the work.
 */
export type OnProgress = (progress: Progress) => void;
