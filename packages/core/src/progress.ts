/** The progress of work on one tensor or layer after the other. */
export interface Progress {
  /** Bytes done, as they lie in the source. */
  loaded: number;
  /** Bytes in all. */
  total: number;
  /** The tensor or layer that was done last. */
  name: string;
}

/** Called after each tensor or layer. An error that it throws ends the work. */
export type OnProgress = (progress: Progress) => void;
