import { ServingError } from "../api/api.ts";

/** Maximum number of characters of a path. */
const longest = 1024;

/**
 * Returns a normalised folder path within a store. Throws ServingError `invalid_request` for a path that a file system,
 * a URL or an object store could resolve outside of the store.
 */
export function confinedPath(path: string): string {
  const refuse = (why: string) => refusedPath(path, `${why}; give the path of a folder in the store, such as team/sql`);
  if (path.length > longest) throw refuse(`is longer than ${longest} characters`);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for.
  if (/[\u0000-\u001f\u007f]/.test(path)) throw refuse("holds a control character");
  if (path.includes("\\")) throw refuse("holds a backslash");
  if (/%[0-9a-f]{2}/i.test(path)) throw refuse("holds a percent-encoded character");
  if (/^\/|^[a-z][a-z0-9+.-]*:/i.test(path)) throw refuse("is outside the store");
  const names = path.replace(/^\.\//, "").replace(/\/$/, "").split("/");
  for (const name of names) {
    if (name === "") throw refuse(path === "" ? "is empty" : "has an empty name in it");
    // Windows drops dots and spaces at the end of a name.
    if (/^[. ]+$/.test(name)) throw refuse(`has "${name}" in it`);
    if (/[. ]$/.test(name)) throw refuse(`has a name that ends in "${name.at(-1)}"`);
    if (name.includes(":")) throw refuse('holds a ":"');
  }
  return names.join("/");
}

/** Returns the error that refuses a path, with the reason `why`. */
export function refusedPath(path: string, why: string): ServingError {
  return new ServingError("invalid_request", `lora_path ${JSON.stringify(path)} ${why}`, "lora_path");
}
