import { tf } from "../../src/tensor/mod.ts";

const THREADS = 256;
const STEPS = 1024;
/** Independent chains of vec4 per thread, enough to hide the latency of a fused multiply-add. */
const CHAINS = 8;

/** The parts of a GPU device that are used here. */
interface Device {
  createShaderModule(descriptor: { code: string }): unknown;
  createComputePipeline(descriptor: unknown): { getBindGroupLayout(index: number): unknown };
  createBuffer(descriptor: { size: number; usage: number }): { destroy(): void };
  createBindGroup(descriptor: unknown): unknown;
  createCommandEncoder(): {
    beginComputePass(): {
      setPipeline(pipeline: unknown): void;
      setBindGroup(index: number, group: unknown): void;
      dispatchWorkgroups(count: number): void;
      end(): void;
    };
    finish(): unknown;
  };
  readonly queue: { submit(commands: unknown[]): void; onSubmittedWorkDone(): Promise<undefined> };
}

/**
 * GFLOP/s of float32 multiply-adds in registers alone, through the same driver and shader compiler as the products:
 * what a float32 shader without matrix units can reach at most on this device.
 */
export async function fmaCeiling(groups: number): Promise<number> {
  const { device } = tf.backend() as unknown as { device: Device };
  const chains = Array.from({ length: CHAINS }, (_, i) => i);
  const code = `
@group(0) @binding(0) var<storage, read_write> result : array<vec4<f32>>;
@compute @workgroup_size(${THREADS})
fn main(@builtin(global_invocation_id) id : vec3<u32>) {
  let x = vec4<f32>(0.999 + f32(id.x % 7u) * 0.00001);
  ${chains.map((i) => `var c${i} = vec4<f32>(f32(id.x) + ${i}.0);`).join(" ")}
  for (var step = 0; step < ${STEPS}; step++) { ${chains.map((i) => `c${i} = fma(c${i}, x, x);`).join(" ")} }
  result[id.x] = ${chains.map((i) => `c${i}`).join(" + ")};
}`;
  const pipeline = device.createComputePipeline({
    layout: "auto",
    compute: { module: device.createShaderModule({ code }), entryPoint: "main" },
  });
  const buffer = device.createBuffer({ size: 16 * THREADS * groups, usage: 0x80 });
  const group = device.createBindGroup({
    layout: pipeline.getBindGroupLayout(0),
    entries: [{ binding: 0, resource: { buffer } }],
  });
  let best = Infinity;
  for (let round = 0; round < 4; round++) {
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, group);
    pass.dispatchWorkgroups(groups);
    pass.end();
    const start = performance.now();
    device.queue.submit([encoder.finish()]);
    await device.queue.onSubmittedWorkDone();
    best = Math.min(best, (performance.now() - start) / 1000);
  }
  buffer.destroy();
  return 2 * 4 * CHAINS * STEPS * THREADS * groups / best / 1e9;
}
