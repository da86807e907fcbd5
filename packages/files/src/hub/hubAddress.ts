/** A repository, file or folder on the Hugging Face hub. */
export interface HubPlace {
  /** The repository, "org/name". */
  readonly repo: string;
  /** A branch, a tag or a commit. */
  readonly revision: string;
  /** The path of a file or folder inside the repository; empty for its root. */
  readonly path: string;
}

const form = /^hf:\/\/([^/@]+\/[^/@]+)(?:@(refs\/(?:pr|convert)\/[^/]+|[^/]+))?(?:\/(.*))?$/i;
/** The valid forms of a hub address, for error messages. */
export const hubAddressForms = '"hf://org/name", "hf://org/name@revision" or "hf://org/name/file.gguf"';

/**
 * Parses an address of the Hugging Face hub in the form of Python's huggingface_hub: `hf://org/name@revision/path`. A
 * slash in a revision is written %2F, except in `refs/pr/1`. Returns undefined for text that does not begin with "hf:".
 * Throws for an address of another form.
 */
export function parseHubAddress(address: string | URL): HubPlace | undefined {
  const text = address instanceof URL ? decodeURI(address.href) : address;
  if (!/^hf:/i.test(text)) return undefined;
  const found = form.exec(text);
  if (!found) throw new Error(`${text} is no address of a model on the Hugging Face hub; give ${hubAddressForms}`);
  const [, repo, revision = "main", path = ""] = found;
  if (/^(datasets|spaces|buckets|kernels|models)\//.test(repo)) {
    throw new Error(`${text} is not a model repository; give ${hubAddressForms}`);
  }
  const place = { repo, revision: decodeURIComponent(revision), path: path.replace(/\/+$/, "") };
  checkPath(place.revision, text);
  checkPath(place.path, text);
  return place;
}

/**
 * Returns the path, in the repository, of the file `name` in `folder`. Throws for a name that leads outside the folder.
 */
export function pathIn(folder: string, name: string, label: string): string {
  checkPath(name, label);
  return folder === "" ? name : `${folder}/${name}`;
}

/**
 * Throws for a path that leads outside of its folder. Names may come from files that others wrote, such as an index of
 * shards.
 */
function checkPath(path: string, label: string): void {
  if (!/^\/|\\|\0|(^|\/)\.\.?(\/|$)|\/\//.test(path)) return;
  throw new Error(`${label}: "${path}" is outside the repository; a path has no "..", "\\" or empty parts`);
}
