import type { BlockDType } from "../../layout/dtype.ts";
import { f32ToF16 } from "../../layout/half.ts";

/** Writes the f16 scales of a tensor's blocks, and throws for scales that f16 cannot hold. */
export class ScaleWriter {
  readonly #view: DataView;
  readonly #dtype: BlockDType;
  readonly #what: string;
  readonly #wide = new Float32Array(1);
  readonly #code = new Uint16Array(1);

  constructor(blocks: Uint8Array, dtype: BlockDType, what: string) {
    this.#view = new DataView(blocks.buffer);
    this.#dtype = dtype;
    this.#what = what;
  }

  /** Writes a scale as f16 at byte `at`. Throws if it is not finite as f16. */
  write(scale: number, at: number): void {
    this.#wide[0] = scale;
    f32ToF16(this.#wide, this.#code);
    if ((this.#code[0] & 0x7fff) >= 0x7c00) throw this.refusal("values too large for an f16 scale");
    this.#view.setUint16(at, this.#code[0], true);
  }

  /** Returns the error for a tensor whose values the format cannot store. `found` describes the reason. */
  refusal(found: string): Error {
    return new Error(
      `${this.#what} holds ${found}, which ${this.#dtype.toUpperCase()} cannot store; write bf16 or f32`,
    );
  }
}
