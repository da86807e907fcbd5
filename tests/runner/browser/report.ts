/** The message from the page to the worker: the test file's URL path and Vitest's configuration. */
export interface Job {
  file: string;
  config: object;
}

export interface Failure {
  name: string;
  message: string;
  stack: string;
}

/** The result of one test or suite in the worker. */
export interface Outcome {
  kind: "suite" | "test";
  name: string;
  state: "pass" | "fail" | "skip" | "todo";
  note: string;
  failures: Failure[];
  children: Outcome[];
}
