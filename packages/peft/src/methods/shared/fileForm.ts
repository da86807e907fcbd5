import type { SafetensorsDType, SafetensorsFile, SafetensorsSpec, SafetensorsTensor, Tensor } from "@lowrank/core";

/** A tensor of a file that stands, with others, in the place of one of an adapter's. */
interface FilePart {
  readonly name: string;
  readonly dtype: SafetensorsDType;
  readonly shape: readonly number[];
}

/**
 * Another form in which files hold some of an adapter's tensors, from which it
 * cannot be trained further.
 */
export interface FileForm {
  /** Returns the tensors that a file holds in place of one; null if it holds the tensor itself. */
  parts(key: string, tensor: Tensor): readonly FilePart[] | null;
  /** The parts' bytes, in their order. */
  encode(tensor: Tensor): Promise<readonly Uint8Array[]>;
  /**
   * The tensor's numbers from the parts' bytes. Throws, naming `label`, for bytes that say none.
   */
  decode(parts: readonly Uint8Array[], tensor: Tensor, label: string): Float32Array;
}

/** Returns the specs of the tensors in a file, without their data. */
export function fileSpecs(tensors: ReadonlyMap<string, Tensor>, form: FileForm | null): SafetensorsSpec[] {
  return [...tensors].flatMap(([name, tensor]): readonly SafetensorsSpec[] => {
    return form?.parts(name, tensor) ?? [{ name, dtype: tensor.dtype, shape: tensor.shape }];
  });
}

/** The parts that stand in the place of a tensor, to write. */
export async function encodeParts(
  parts: readonly FilePart[],
  tensor: Tensor,
  form: FileForm,
): Promise<SafetensorsTensor[]> {
  const bytes = await form.encode(tensor);
  return parts.map((part, i) => ({ ...part, bytes: bytes[i] }));
}

/** A tensor's numbers from the parts that a file holds in its place. */
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
