import { type Decoder, type LibraryTokenizer, library } from "./library.ts";

/**
 * The bytes of a token of the vocabulary. Those of byte-level tokenizers and byte tokens may be no
 * whole character; all others are those of the token's text.
 */
export function rawBytes({ decoder }: LibraryTokenizer, token: string, text: () => string): Uint8Array {
  for (const part of partsOf(decoder)) {
    if (part instanceof library.ByteLevelDecoder) {
      const bytes = [...token].map((character) => part.byte_decoder[character]);
      if (bytes.every((byte) => byte !== undefined)) return Uint8Array.from(bytes);
    }
    const byte = /^<0x([0-9A-F]{2})>$/i.exec(token);
    if (byte && part instanceof library.ByteFallbackDecoder) return Uint8Array.of(Number.parseInt(byte[1], 16));
  }
  return new TextEncoder().encode(text());
}

function partsOf(decoder: Decoder | null): readonly Decoder[] {
  if (decoder === null) return [];
  return decoder instanceof library.SequenceDecoder ? decoder.decoders.flatMap(partsOf) : [decoder];
}
