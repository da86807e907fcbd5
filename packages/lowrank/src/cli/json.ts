/** True if this run of the command has printed its JSON object. */
let printed = false;

/** Prints the one JSON object of a command to stdout. */
export function printJson(value: unknown): void {
  printed = true;
  console.log(JSON.stringify(value, null, 2));
}

/** Returns true if a command line contains `--json` before any `--`. */
export function printsJson(words: readonly string[]): boolean {
  const end = words.indexOf("--");
  return (end < 0 ? words : words.slice(0, end)).includes("--json");
}

/** Prints an error as the command's JSON object, unless the command printed one before it failed. */
export function printJsonError(message: string): void {
  if (!printed) printJson({ error: { message } });
}

/** Resets the state for a new run of a command in the same process. */
export function beginJson(): void {
  printed = false;
}

/** Returns a function that prints progress lines: on stdout, or on stderr if stdout is reserved for one JSON object. */
export function progressLogger(json: boolean | undefined): (line: string) => void {
  return json ? (line) => console.error(line) : (line) => console.log(line);
}
