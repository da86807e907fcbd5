import { ServingError } from "../api/api.ts";

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

/** The error of a folder that holds no adapter, and of one that the caller may not use. */
export function noAdapterIn(path: string, holds = ""): ServingError {
  return new ServingError("not_found", `No adapter found in ${path} of the store${holds}`, "lora_path");
}

/** The error of a load under a name that jobs, tenants or internal folders have. */
export function reservedName(name: string): ServingError {
  const message = `lora_name ${JSON.stringify(name)} is reserved; give a name that does not begin with ft:, tenant: or a dot, and has no dot after a "/"`;
  return new ServingError("invalid_request", message, "lora_name");
}

/** The error of a load under a name that is not among the adapters of the key. */
export function outOfScope(name: string): ServingError {
  const message = `This key may not load an adapter by the name '${name}'; the field adapters of its entry in the server's keys lists the names that it may use.`;
  return new ServingError("forbidden", message, "lora_name");
}

/** The error of a store that is closed. */
export function closing(): ServingError {
  return new ServingError("draining", "the server is closing; send the request to another", null, 5);
}
