import { expect, test } from "vitest";
import { loadingProgress } from "./loadingProgress.ts";

function said(isTTY: boolean): string {
  const pieces: string[] = [];
  const stream = { isTTY, write: (piece: string) => pieces.push(piece) };
  const { onProgress, end } = loadingProgress(stream as unknown as NodeJS.WriteStream);
  onProgress({ loaded: 1_500_000, total: 3e6, name: "model.safetensors" });
  end();
  return pieces.join("");
}

test("a terminal is told how much has come, and the line goes; a file is told nothing", () => {
  expect(said(true)).toBe("\r\x1b[K1.5 of 3.0 MB, model.safetensors\r\x1b[K");
  expect(said(false)).toBe("");
});
