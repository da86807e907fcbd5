import type { SafetensorsDType, SafetensorsFile, SafetensorsSpec, SafetensorsTensor, Tensor } from "@lowrank/core";

/** One of several tensors in a file that together encode one tensor of an adapter. */
interface FilePart {
  readonly name: string;
  readonly dtype: SafetensorsDType;
  readonly shape: readonly number[];
}

/**
 * Another encoding of some of an adapter's tensors in files. Unless it is `exact`, an adapter loaded from such a file
 * cannot be trained further.
 */
export interface FileForm {
  /** True if the decoded values equal the tensors' values. Default: false. */
  readonly exact?: true;
  /**
   * Returns the name, dtype and shape of each file tensor that encodes `tensor`. Null if the file contains `tensor`
   * unencoded.
   */
  parts(key: string, tensor: Tensor): readonly FilePart[] | null;
  /** Returns the bytes of each file tensor, in the order of `parts`. */
  encode(tensor: Tensor): Promise<readonly Uint8Array[]>;
  /**
   * Decodes a tensor's values from the bytes of its file tensors. Throws an error that names `label` if the bytes are
   * invalid.
   */
  decode(parts: readonly Uint8Array[], tensor: Tensor, label: string): Float32Array | Int32Array;
}

/**
 * Returns the name, dtype and shape of each file tensor that stores `tensors`. `form` encodes some tensors as several
 * file tensors; null means that no tensor is encoded.
 */
export function fileSpecs(tensors: ReadonlyMap<string, Tensor>, form: FileForm | null): SafetensorsSpec[] {
  return [...tensors].flatMap(([name, tensor]): readonly SafetensorsSpec[] => {
    return form?.parts(name, tensor) ?? [{ name, dtype: tensor.dtype, shape: tensor.shape }];
  });
}

/** Encodes a tensor and returns its file tensors, ready to be written. */
export async function encodeParts(
  parts: readonly FilePart[],
  tensor: Tensor,
  form: FileForm,
): Promise<SafetensorsTensor[]> {
  const bytes = await form.encode(tensor);
  return parts.map((part, i) => ({ ...part, bytes: bytes[i] }));
}

/** Reads and decodes a tensor's values from its file tensors. */
export async function readParts(
  file: SafetensorsFile,
  parts: readonly FilePart[],
  tensor: Tensor,
  form: FileForm,
): Promise<Float32Array | Int32Array> {
  const bytes: Uint8Array[] = [];
  for (const { name, dtype } of parts) {
    const stored = await file.readStored(name);
    if (stored.dtype !== dtype) throw new Error(`${file.label}: ${name} is ${stored.dtype}; it must be ${dtype}`);
    bytes.push(stored.bytes);
  }
  return form.decode(bytes, tensor, `${file.label}: ${parts[0].name}`);
}
