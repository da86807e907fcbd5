import { ServingError } from "../api/api.ts";

/** Thrown if the files in a folder are a different version of the adapter than the requested one. */
export class OtherFiles extends ServingError {
  constructor(name: string, path: string, wanted: string, found: string) {
    const versions = `'${name}' is version ${wanted.slice(0, 12)}, and the files are ${found.slice(0, 12)}`;
    super("adapter_refused", `${path} changed since it was loaded: ${versions}; load it again, with load_inplace`);
  }
}

/** Returns vLLM's error for a name that is taken. */
export function alreadyLoaded(name: string): ServingError {
  const advice = "If you want to load the adapter in place, set 'load_inplace' to True.";
  const message = `The lora adapter '${name}' has already been loaded. ${advice}`;
  return new ServingError("already_loaded", message, "lora_name");
}

/** Returns vLLM's error for an unknown name. */
export function adapterNotFound(name: string): ServingError {
  return new ServingError("not_found", `The lora adapter '${name}' cannot be found.`, "lora_name");
}

/** Returns the error of an adapter that cannot be served. */
export function adapterRefused(message: string): ServingError {
  return new ServingError("adapter_refused", message, "lora_path");
}

/**
 * Returns the error for a folder without an adapter, or for a folder that the caller may not use. `holds` is a text
 * that is appended to the message, such as the files in the folder.
 */
export function noAdapterIn(path: string, holds = ""): ServingError {
  return new ServingError("not_found", `No adapter found in ${path} of the store${holds}`, "lora_path");
}

/** Returns the error for loading an adapter under a name that is reserved for jobs, tenants or internal folders. */
export function reservedName(name: string): ServingError {
  const message = `lora_name ${JSON.stringify(name)} is reserved; give a name that does not begin with ft:, tenant: or a dot, and has no dot after a "/"`;
  return new ServingError("invalid_request", message, "lora_name");
}

/** Returns the error for loading an adapter under a name that the caller's API key may not use. */
export function outOfScope(name: string): ServingError {
  const message = `This key may not load an adapter by the name '${name}'; the field adapters of its entry in the server's keys lists the names that it may use.`;
  return new ServingError("forbidden", message, "lora_name");
}

/** Returns the error of a closed store. */
export function closing(): ServingError {
  return new ServingError("draining", "the server is closing; send the request to another", null, 5);
}
