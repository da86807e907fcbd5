import { div, mul, noGrad, reshape, scope, sum, type Tensor, tensor, to, withBackend } from "@lowrank/core";
import type { Encoder, SequenceClassifier } from "@lowrank/models";

// B texts, T tokens with padding, D hidden size.

/**
 * Returns the length to which a text is padded: the next multiple of 16, but at most `maxPositions`. The padded length
 * determines the order of summation in attention. It does not depend on the other texts of the batch, so a text always
 * gets exactly the same embedding.
 */
export function paddedLength(tokens: number, maxPositions: number): number {
  return Math.min(Math.ceil(tokens / 16) * 16, maxPositions);
}

/**
 * Computes an embedding of each text: the mean of the final hidden states over the text's tokens, without padding.
 * Returns one array of D values per text. All texts are padded to T tokens, and must have this `paddedLength`.
 */
export async function embedTexts(
  model: SequenceClassifier | Encoder,
  texts: readonly (readonly number[])[],
  T: number,
): Promise<Float32Array[]> {
  const B = texts.length;
  const ids = new Int32Array(B * T);
  const real = new Uint8Array(B * T);
  for (const [b, text] of texts.entries()) {
    // Padding is masked. It repeats the text's first token, so that no foreign values enter the pass.
    ids.fill(text[0], b * T, (b + 1) * T);
    ids.set(text, b * T);
    real.fill(1, b * T, b * T + text.length);
  }
  using pooled = withBackend(model.backend, () =>
    noGrad(() =>
      scope((): Tensor => {
        const inputIds = tensor(ids, { shape: [B, T] });
        const attentionMask = tensor(real, { shape: [B, T], dtype: "u8" });
        const inputs = { inputIds, attentionMask };
        const hidden = "hidden" in model ? model.hidden(inputs) : model.forward(inputs);
        const counts = tensor(
          Float32Array.from(texts, ({ length }) => length),
          { shape: [B, 1] },
        );
        const weights = reshape(to(attentionMask, { dtype: "f32" }), [B, T, 1]);
        return div(sum(mul(hidden, weights), { dim: 1 }), counts);
      }),
    ),
  );
  const numbers = (await pooled.data()) as Float32Array;
  const D = numbers.length / B;
  return texts.map((_, b) => numbers.slice(b * D, (b + 1) * D));
}
