import { mathCode } from "./math.ts";

/** WGSL of activations and their derivatives: `siluOf(x)`, `siluSlope(x)` and others. */
export const activationCode: string = `${mathCode("exp", "erf", "tanh")}
fn sigmoidOf(x: f32) -> f32 { return 1.0 / (1.0 + expOf(-x)); }
fn siluOf(x: f32) -> f32 { return x * sigmoidOf(x); }
fn siluSlope(x: f32) -> f32 {
  let s = sigmoidOf(x);
  return s * (1.0 + x * (1.0 - s));
}
fn geluOf(x: f32) -> f32 { return 0.5 * x * (1.0 + erfOf(x * 0.7071067811865476)); }
fn geluSlope(x: f32) -> f32 {
  return 0.5 * (1.0 + erfOf(x * 0.7071067811865476)) + x * 0.3989422804014327 * expOf(-0.5 * x * x);
}
// (1 + tanh(z)) / 2 is sigmoid(2 z), which keeps its digits where tanh nears -1.
fn geluTanhOf(x: f32) -> f32 {
  return x * sigmoidOf(x * (1.5957691216057308 + 0.07135481627260025 * x * x));
}
fn geluTanhSlope(x: f32) -> f32 {
  let t = tanhOf(x * (0.7978845608028654 + 0.035677408136300125 * x * x));
  return 0.5 + 0.5 * t + (0.5 - 0.5 * t * t) * (x * (0.7978845608028654 + 0.10703222440890038 * x * x));
}`;
