import { FedKimError } from "../formats/errors.ts";
import { openSafetensors, readFloats, type TensorArchive } from "../formats/safetensors.ts";
import { maxRelativeError, type Verification } from "../foundation/mod.ts";
import { readFloat32, TensorScope, tf } from "../tensor/mod.ts";
import { concatenateExperts, expertAdapter, expertScale } from "./experts.ts";
import { GATE_LAYERS, type GateWeights, gateWeights } from "./gate.ts";

/** The tensors whose gradients a reference file holds, in a fixed order. */
const TRAINED = [
  "x",
  "lora_A",
  "lora_B",
  ...Object.values(GATE_LAYERS).flatMap((layer) => [`${layer}.weight`, `${layer}.bias`]),
];

/**
 * Recomputes a reference file of the gate and the experts: alpha, y, and the gradients of sum(y * upstream) in the
 * input, the experts and the gate.
 *
 * @param file a safetensors file with gate, experts, inputs and expected values
 * @returns relative errors by quantity
 * @throws FedKimError `FormatError` when the file is incomplete
 */
export async function verifyM3oe(file: string): Promise<Verification> {
  const archive = await openSafetensors(file);
  using scope = new TensorScope();
  const tensors = new Map<string, tf.Tensor>();
  for (const [name, stored] of archive.tensors) {
    tensors.set(name, scope.own(tf.tensor(await readFloats(stored), [...stored.shape])));
  }
  const input = (name: string): tf.Tensor => find(tensors, name, archive);
  const scaling = metadataNumber(archive, "lora_alpha") / metadataNumber(archive, "r");

  const forward = (...trained: tf.Tensor[]): { alpha: tf.Tensor2D; y: tf.Tensor2D } => {
    const at = new Map(TRAINED.map((name, index) => [name, trained[index]]));
    const alpha = gateWeights(
      gateOf((name) => at.get(name) as tf.Tensor),
      { tokens: input("modality_tokens") as tf.Tensor3D, mask: input("modality_mask") as tf.Tensor2D },
      { tokens: input("task_tokens") as tf.Tensor3D, mask: input("task_mask") as tf.Tensor2D },
    );
    const loraA = at.get("lora_A") as tf.Tensor3D;
    const pair = concatenateExperts(loraA, at.get("lora_B") as tf.Tensor3D);
    const adapter = expertAdapter(() => pair, expertScale(alpha, loraA.shape[1], scaling));
    const x = at.get("x") as tf.Tensor;
    const rows = x.reshape([-1, x.shape[x.rank - 1]]) as tf.Tensor2D;
    const base = { weight: input("weight").transpose() as tf.Tensor2D };
    return { alpha, y: adapter.project(0, "q_proj", rows, base) as tf.Tensor2D };
  };
  const point = TRAINED.map(input);
  const { alpha, y } = tf.tidy(() => forward(...point));
  const upstream = input("upstream");
  const loss = (...trained: tf.Tensor[]): tf.Tensor =>
    forward(...trained).y.mul(upstream.reshape([-1, upstream.shape[upstream.rank - 1]])).sum();
  const gradients = tf.tidy(() => tf.grads(loss)(point));
  for (const tensor of [alpha, y, ...gradients]) scope.own(tensor);

  const errors: Record<string, number> = {};
  const compare = async (name: string, actual: tf.Tensor, scale = 0): Promise<void> => {
    errors[name] = relativeToScale(await readFloat32(actual), await readFloat32(input(name)), scale);
  };
  const gradientScale = await largest(TRAINED.map((name) => input(`grad.${name}`)));
  await compare("alpha", alpha);
  await compare("y", y);
  for (const [index, name] of TRAINED.entries()) {
    await compare(`grad.${name}`, gradients[index], gradientScale);
  }
  return { maxRelativeError: errors, backend: tf.getBackend() };
}

/**
 * The relative error, except where the exact value is zero and the reference only rounding: softmax ignores a
 * constant, so the gradient of the key's bias vanishes. There the error counts relative to all gradients.
 */
function relativeToScale(actual: Float32Array, expected: Float32Array, scale: number): number {
  const size = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const error = maxRelativeError(actual, expected);
  return size < 1e-9 * scale ? error * size / scale : error;
}

async function largest(tensors: readonly tf.Tensor[]): Promise<number> {
  let most = 0;
  for (const tensor of tensors) {
    for (const value of await readFloat32(tensor)) most = Math.max(most, Math.abs(value));
  }
  return most;
}

function gateOf(tensor: (name: string) => tf.Tensor): GateWeights {
  const layer = (name: string): GateWeights["q"] => ({
    weight: tensor(`${name}.weight`) as tf.Tensor2D,
    bias: tensor(`${name}.bias`),
  });
  const { q, k, v, out } = GATE_LAYERS;
  return { q: layer(q), k: layer(k), v: layer(v), out: layer(out) };
}

function find(tensors: ReadonlyMap<string, tf.Tensor>, name: string, archive: TensorArchive): tf.Tensor {
  const tensor = tensors.get(name);
  if (tensor !== undefined) return tensor;
  throw incomplete(archive, `no tensor ${name}`);
}

function metadataNumber(archive: TensorArchive, name: string): number {
  const value = Number(archive.metadata[name]);
  if (value > 0 && Number.isFinite(value)) return value;
  throw incomplete(archive, `metadata ${name} = ${archive.metadata[name]}`);
}

function incomplete(archive: TensorArchive, found: string): FedKimError {
  return new FedKimError("FormatError", `The reference file ${archive.path} is incomplete.`, {
    found,
    needed: "gate, lora_A, lora_B, inputs, alpha, y and gradients, with r and lora_alpha in the metadata",
  });
}
