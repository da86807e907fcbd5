import { type Buffer, meta } from "@lowrank/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Trace } from "./trace.ts";

type MetaBuffer = ReturnType<typeof meta>["events"][number]["buffer"];

/** Allocates a buffer labelled as the result of an op. */
function written(backend: ReturnType<typeof meta>, op: string, bytes: number): MetaBuffer {
  const buffer = backend.alloc(bytes) as MetaBuffer;
  buffer.label = op;
  return buffer;
}

describe("Trace", () => {
  it("takes the first of moments that are equally bad", () => {
    const backend = meta();
    const trace = new Trace(backend);
    for (const phase of ["first", "second"]) {
      trace.phase(phase);
      backend.free(written(backend, phase, 64));
    }
    expect(trace.read().peak).toMatchObject({ bytes: 64, phase: "first", byOp: [{ op: "first", bytes: 64 }] });
  });

  it("tells the worst moment: when, how much, and by which op", () => {
    const backend = meta();
    for (let i = 0; i < 4; i++) backend.free(backend.alloc(8));
    const before = backend.alloc(1000);
    const trace = new Trace(backend);
    trace.phase("forward");
    const x = written(backend, "add", 30);
    written(backend, "mul", 20);
    trace.phase("backward");
    backend.free(before);
    const work = written(backend, "matmul", 60);
    const gradient = written(backend, "matmul", 40);
    backend.free(work);
    backend.free(x);
    trace.gradient(gradient, 40);
    expect(trace.read()).toEqual({
      held: 60,
      mostActivations: 110,
      peak: {
        bytes: 150,
        phase: "backward",
        gradients: 40,
        activations: 110,
        byOp: [
          { op: "matmul", bytes: 60 },
          { op: "add", bytes: 30 },
          { op: "mul", bytes: 20 },
        ],
      },
    });
  });

  it("reckons gradients by the bytes that are said, which may move the worst moment", () => {
    const backend = meta();
    const trace = new Trace(backend);
    const x = written(backend, "add", 30);
    backend.free(x);
    const gradient = written(backend, "matmul", 40);
    expect(trace.read().peak).toMatchObject({ bytes: 40, activations: 40 });
    trace.gradient(gradient, 20);
    expect(trace.read()).toMatchObject({ held: 20, peak: { bytes: 30, activations: 30, gradients: 0 } });
  });

  it("of nothing is nothing", () => {
    expect(new Trace(meta()).read()).toEqual({
      held: 0,
      mostActivations: 0,
      peak: { bytes: 0, phase: "", gradients: 0, activations: 0, byOp: [] },
    });
  });

  it("adds up whatever is handed out and given back", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(2 ** 40), fc.nat(9), fc.boolean())), (steps) => {
        const backend = meta();
        const trace = new Trace(backend);
        const live: [Buffer, number][] = [];
        let [held, most] = [0, 0];
        for (const [bytes, index, isFree] of steps) {
          if (isFree && live.length > 0) {
            const [[buffer, size]] = live.splice(index % live.length, 1);
            backend.free(buffer);
            held -= size;
          } else {
            live.push([written(backend, `op${index}`, bytes), bytes]);
            held += bytes;
          }
          most = Math.max(most, held);
        }
        const { held: found, mostActivations, peak } = trace.read();
        expect([found, mostActivations, peak.bytes]).toEqual([held, most, most]);
        expect(peak.byOp.reduce((sum, { bytes }) => sum + bytes, 0)).toBe(most);
      }),
    );
  });
});
