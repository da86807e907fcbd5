/** A run of golden checks in a browser. */
export interface GoldenJob {
  /** The page, or a Web Worker started by it. */
  readonly place: "page" | "worker";
  /** The backend's name. */
  readonly backend: string;
  readonly threads: number;
  /** Parts to check, by name; an empty list means all. */
  readonly only: readonly string[];
}

/** The address of the golden files, and their names. */
export interface GoldenPlace {
  readonly url: string;
  readonly names: readonly string[];
}
