import type { SeededRandom } from "../../tensor/seeded_random.ts";
import { Canvas } from "./canvas.ts";
import { chestPhantom, drawChestAnatomy, type Side } from "./chest_phantom.ts";
import { pick } from "./_stream.ts";

/** What a question-answering picture shows; every answer follows from it. */
export type VqaScene =
  | {
    readonly organ: "CHEST";
    readonly opacity: Side | null;
    readonly effusion: Side | null;
    readonly largeHeart: boolean;
  }
  | {
    readonly organ: "HEAD";
    readonly lesion: { readonly side: Side; readonly density: "hyperdense" | "hypodense" } | null;
    readonly largeVentricles: boolean;
  }
  | { readonly organ: "ABD"; readonly lesion: "liver" | "kidney" | null; readonly ascites: boolean };

/** Pixels a side of a question-answering picture. */
export const VQA_SIDE = 96;

const SIDES: readonly Side[] = ["left", "right"];

/** A side, or null in the rest of the cases. */
const sideOrNull = (random: SeededRandom, share: number): Side | null =>
  random.next() < share ? pick(random, SIDES) : null;

/** Draws what a picture of this organ shows. */
export function drawVqaScene(random: SeededRandom, organ: VqaScene["organ"]): VqaScene {
  switch (organ) {
    case "CHEST":
      return {
        organ,
        opacity: sideOrNull(random, 0.5),
        effusion: sideOrNull(random, 0.4),
        largeHeart: random.next() < 0.45,
      };
    case "HEAD": {
      const side = sideOrNull(random, 0.6);
      const density = random.next() < 0.5 ? "hyperdense" : "hypodense";
      return { organ, lesion: side && { side, density }, largeVentricles: random.next() < 0.45 };
    }
    case "ABD": {
      const lesion = random.next() < 0.6 ? pick(random, ["liver", "kidney"] as const) : null;
      return { organ, lesion, ascites: random.next() < 0.45 };
    }
  }
}

/** An axial head slice: skull, brain, ventricles, perhaps a lesion. The patient's right is on the left. */
function headSlice(random: SeededRandom, scene: VqaScene & { organ: "HEAD" }): Canvas {
  const canvas = new Canvas(VQA_SIDE, 5);
  const [rx, ry] = [0.36 + 0.015 * random.normal(), 0.44 + 0.015 * random.normal()];
  canvas.ellipse([0.5, 0.5], [rx, ry], 235, 0.03);
  canvas.ellipse([0.5, 0.5], [rx - 0.035, ry - 0.035], 110, 0.03);
  const wide = scene.largeVentricles ? 1.9 : 1;
  for (const turn of [-1, 1]) {
    canvas.ellipse(
      [0.5 + turn * 0.06 * Math.sqrt(wide), 0.47],
      [0.025 * wide, 0.1 * Math.sqrt(wide)],
      55,
      0.2,
    );
  }
  if (scene.lesion) {
    const across = 0.5 + (scene.lesion.side === "right" ? -1 : 1) * (0.2 + 0.02 * random.normal());
    const size = 0.05 + 0.02 * random.next();
    const height = scene.lesion.density === "hyperdense" ? 75 : -60;
    canvas.spot([across, 0.5 + 0.1 * random.normal()], [size, size], height);
  }
  return canvas;
}

/** An axial abdomen slice: liver on the left of the picture, spleen, kidneys, spine; perhaps lesion and free fluid. */
function abdomenSlice(random: SeededRandom, scene: VqaScene & { organ: "ABD" }): Canvas {
  const canvas = new Canvas(VQA_SIDE, 5);
  canvas.ellipse([0.5, 0.5], [0.46, 0.36 + 0.01 * random.normal()], 70, 0.04);
  canvas.ellipse([0.5, 0.5], [0.42, 0.32], scene.ascites ? 88 : 115, 0.05);
  canvas.ellipse([0.3 + 0.01 * random.normal(), 0.42], [0.18, 0.17], 150, 0.06);
  canvas.ellipse([0.79, 0.48], [0.07, 0.11], 145, 0.1);
  for (const turn of [-1, 1]) canvas.ellipse([0.5 + turn * 0.19, 0.66], [0.06, 0.08], 170, 0.1);
  canvas.ellipse([0.5, 0.72], [0.075, 0.07], 230, 0.1);
  canvas.ellipse([0.52, 0.58], [0.03, 0.03], 175, 0.1);
  if (scene.lesion === "liver") canvas.spot([0.28 + 0.03 * random.normal(), 0.4], [0.05, 0.05], -75);
  if (scene.lesion === "kidney") canvas.spot([0.5 + pick(random, [-0.19, 0.19]), 0.66], [0.03, 0.035], -95);
  return canvas;
}

/** Draws the picture of a scene, [96 * 96] grey levels. */
export function vqaPhantom(
  random: SeededRandom,
  scene: VqaScene,
  exposure: number,
  noise: number,
): Uint8Array {
  if (scene.organ === "CHEST") {
    const opacities = scene.opacity ? [{ side: scene.opacity, depth: 0.45, density: 60 }] : [];
    return chestPhantom(random, drawChestAnatomy(random), {
      opacities,
      effusion: scene.effusion ?? undefined,
      largeHeart: scene.largeHeart,
    }, { side: VQA_SIDE, exposure, noise });
  }
  const canvas = scene.organ === "HEAD" ? headSlice(random, scene) : abdomenSlice(random, scene);
  canvas.each((old) => old + exposure);
  canvas.noise(random, noise);
  return canvas.render();
}
