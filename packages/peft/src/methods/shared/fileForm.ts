import type { SafetensorsDType, SafetensorsFile, SafetensorsSpec, SafetensorsTensor, Tensor } from "@lowrank/core";

/** One of several file tensors that together store one tensor of an adapter. */
interface FilePart {
  readonly name: string;
  readonly dtype: SafetensorsDType;
  readonly shape: readonly number[];
}

/**
 * A compressed form in which files store some of an adapter's tensors. An adapter in this form cannot be trained
 * further.
 */
export interface FileForm {
  /** Returns the file tensors that store `tensor`, or null if the file contains it as it is. */
  parts(key: string, tensor: Tensor): readonly FilePart[] | null;
  /** Returns the bytes of each part, in order. */
  encode(tensor: Tensor): Promise<readonly Uint8Array[]>;
  /** Decodes the tensor's values from the parts' bytes. Throws an error that names `label` if the bytes are invalid. */
  decode(parts: readonly Uint8Array[], tensor: Tensor, label: string): Float32Array;
}

/** Returns the specs of the tensors in a file, without their data. */
export function fileSpecs(tensors: ReadonlyMap<string, Tensor>, form: FileForm | null): SafetensorsSpec[] {
  return [...tensors].flatMap(([name, tensor]): readonly SafetensorsSpec[] => {
    return form?.parts(name, tensor) ?? [{ name, dtype: tensor.dtype, shape: tensor.shape }];
  });
}

/** Encodes a tensor into its parts, ready to be written. */
export async function encodeParts(
  parts: readonly FilePart[],
  tensor: Tensor,
  form: FileForm,
): Promise<SafetensorsTensor[]> {
  const bytes = await form.encode(tensor);
  return parts.map((part, i) => ({ ...part, bytes: bytes[i] }));
}

/** Reads a tensor's values from its parts in a file. */
export async function readParts(
  file: SafetensorsFile,
  parts: readonly FilePart[],
  tensor: Tensor,
  form: FileForm,
): Promise<Float32Array> {
  const bytes: Uint8Array[] = [];
  for (const { name, dtype } of parts) {
    const stored = await file.readStored(name);
    if (stored.dtype !== dtype) throw new Error(`${file.label}: ${name} is ${stored.dtype}; it must be ${dtype}`);
    bytes.push(stored.bytes);
  }
  return form.decode(bytes, tensor, `${file.label}: ${parts[0].name}`);
}
