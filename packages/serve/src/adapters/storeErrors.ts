import { ServingError } from "../api.ts";

/** The error of files that are not those of the version that was asked for. */
export class OtherFiles extends ServingError {
  constructor(name: string, path: string, wanted: string, found: string) {
    const versions = `'${name}' is version ${wanted.slice(0, 12)}, and the files are ${found.slice(0, 12)}`;
    super("adapter_refused", `${path} changed since it was loaded: ${versions}; load it again, with load_inplace`);
  }
}

/** The error of a name that is taken, as vLLM says it. */
export function alreadyLoaded(name: string): ServingError {
  const advice = "If you want to load the adapter in place, set 'load_inplace' to True.";
  const message = `The lora adapter '${name}' has already been loaded. ${advice}`;
  return new ServingError("already_loaded", message, "lora_name");
}

/** The error of a name that there is not, as vLLM says it. */
export function adapterNotFound(name: string): ServingError {
  return new ServingError("not_found", `The lora adapter '${name}' cannot be found.`, "lora_name");
}

/** The error of an adapter that the manifest gives to others. */
export function forbidden(name: string): ServingError {
  return new ServingError("forbidden", `The lora adapter '${name}' is another tenant's.`, "lora_name");
}

/** The error of a store that is closed. */
export function closing(): ServingError {
  return new ServingError("draining", "the server is closing; send the request to another", null, 5);
}
