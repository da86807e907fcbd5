import { computeStage } from "../kernel/gpuTypes.ts";
import type { Shader } from "../kernel/shader.ts";
import type { LateErrors } from "../memory/faults.ts";

/** A compiled kernel on the device. */
export interface Pipeline {
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
  /** Id of the bind group layout. Pipelines with the same id can use the same bind groups. */
  readonly layoutId: number;
}

interface Layout {
  readonly id: number;
  readonly bindGroup: GPUBindGroupLayout;
  readonly pipeline: GPUPipelineLayout;
}

/**
 * Compiles each kernel once and caches its pipeline. WebGPU reports compile errors asynchronously, so the next read
 * throws them.
 */
export class Pipelines {
  /** True if kernels may use subgroup operations. */
  subgroups = false;
  readonly #device: GPUDevice;
  readonly #errors: LateErrors;
  readonly #known = new WeakMap<Shader, Pipeline>();
  readonly #layouts = new Map<string, Layout>();

  constructor(device: GPUDevice, errors: LateErrors) {
    this.#device = device;
    this.#errors = errors;
  }

  /** Returns a kernel's pipeline, compiling it on first use. */
  get(shader: Shader): Pipeline {
    const found = this.#known.get(shader);
    if (found) return found;
    this.#device.pushErrorScope("validation");
    const { layout, descriptor, module } = this.#describe(shader);
    const pipeline = this.#device.createComputePipeline(descriptor);
    const told = this.#device.popErrorScope();
    this.#errors.watch(
      told.then((error) => error && compileError(shader, this.#textOf(shader), module, error.message)),
    );
    return this.#keep(shader, pipeline, layout);
  }

  /** Compiles a kernel asynchronously, unless it is compiled already. Rejects if it does not compile. */
  async warmUp(shader: Shader): Promise<void> {
    if (this.#known.has(shader)) return;
    this.#device.pushErrorScope("validation");
    const { layout, descriptor, module } = this.#describe(shader);
    // The rejected pipeline promise reports the same error.
    this.#device.popErrorScope().catch(() => {});
    try {
      this.#keep(shader, await this.#device.createComputePipelineAsync(descriptor), layout);
    } catch (error) {
      throw await compileError(shader, this.#textOf(shader), module, (error as Error).message);
    }
  }

  #keep(shader: Shader, pipeline: GPUComputePipeline, { id, bindGroup }: Layout): Pipeline {
    const made = { pipeline, layout: bindGroup, layoutId: id };
    this.#known.set(shader, made);
    return made;
  }

  #describe(shader: Shader) {
    const layout = this.#layoutOf(shader);
    const module = this.#device.createShaderModule({ code: this.#textOf(shader), label: shader.name });
    const descriptor = { label: shader.name, layout: layout.pipeline, compute: { module, entryPoint: "main" } };
    return { layout, descriptor, module };
  }

  #textOf(shader: Shader): string {
    return this.subgroups ? shader.subgroupCode : shader.code;
  }

  #layoutOf({ writes, faults, uniformBytes }: Shader): Layout {
    const minBindingSize = Math.ceil(uniformBytes / 16) * 16;
    const key = `${writes} ${faults} ${minBindingSize}`;
    const found = this.#layouts.get(key);
    if (found) return found;
    const types = [...writes, ...(faults ? [true] : [])].map((write): GPUBufferBindingType => {
      return write ? "storage" : "read-only-storage";
    });
    const bindGroup = this.#device.createBindGroupLayout({
      entries: [
        { binding: 0, visibility: computeStage, buffer: { type: "uniform", hasDynamicOffset: true, minBindingSize } },
        ...types.map((type, i) => ({ binding: i + 1, visibility: computeStage, buffer: { type } })),
      ],
    });
    const pipeline = this.#device.createPipelineLayout({ bindGroupLayouts: [bindGroup] });
    const layout = { id: this.#layouts.size, bindGroup, pipeline };
    this.#layouts.set(key, layout);
    return layout;
  }
}

/** Returns an error that names the kernel and quotes the faulty line of its WGSL. */
async function compileError({ name }: Shader, text: string, module: GPUShaderModule, message: string): Promise<Error> {
  const { messages } = await module.getCompilationInfo();
  const lines = text.split("\n");
  const places = messages
    .filter(({ type }) => type === "error")
    // Only the first line of a message is kept: Dawn's further lines list every valid alternative.
    .map(({ lineNum, linePos, message: text }) => {
      return `line ${lineNum}:${linePos}: ${text.split("\n", 1)}: ${lines[lineNum - 1]?.trim()}`;
    });
  return new Error(`webgpu: the kernel "${name}" does not compile: ${places.join("; ") || message}`);
}
