import type { SeededRandom } from "../../tensor/seeded_random.ts";
import { Canvas, type Pair } from "./canvas.ts";

/** The build of one person's chest; all their X-rays share it. Lengths are shares of the picture's side. */
export interface ChestAnatomy {
  /** Distance of a lung's middle from the spine. */
  readonly lungOffset: number;
  /** Half width and half height of a lung. */
  readonly lung: Pair;
  /** Half width of the heart. */
  readonly heart: number;
  /** Grey level of soft tissue. */
  readonly tissue: number;
  /** Spacing of the ribs. */
  readonly ribSpacing: number;
}

/** Side of a finding, the patient's: the right lung is on the left of a frontal X-ray. */
export type Side = "left" | "right";

/** What a chest phantom shows. */
export interface ChestFindings {
  /** Opacities in the lungs; `depth` is 0 at the top and 1 at the diaphragm, `density` in grey levels. */
  readonly opacities: readonly { readonly side: Side; readonly depth: number; readonly density: number }[];
  /** Fluid that hides a costophrenic angle. */
  readonly effusion?: Side | undefined;
  /** The heart is wider than half the chest. */
  readonly largeHeart?: boolean;
}

/** Draws a build. */
export function drawChestAnatomy(random: SeededRandom): ChestAnatomy {
  return {
    lungOffset: 0.21 + 0.012 * random.normal(),
    lung: [0.15 + 0.01 * random.normal(), 0.31 + 0.018 * random.normal()],
    heart: 0.135 + 0.012 * random.normal(),
    tissue: 165 + 8 * random.normal(),
    ribSpacing: 0.085 + 0.008 * random.normal(),
  };
}

/**
 * A frontal chest phantom: dark lungs in bright tissue, ribs, spine, heart and diaphragm, then the findings.
 * @param side pixels a side
 * @param exposure grey levels added everywhere
 * @param noise standard deviation of the noise, grey levels
 */
export function chestPhantom(
  random: SeededRandom,
  anatomy: ChestAnatomy,
  findings: ChestFindings,
  { side, exposure, noise }: { readonly side: number; readonly exposure: number; readonly noise: number },
): Uint8Array {
  const canvas = new Canvas(side, 25);
  const top = 0.46 + 0.02 * random.normal();
  const middle = 0.5 + 0.02 * random.normal();
  const lungLevel = 70 + 12 * random.normal();
  const across = (of: Side): number => middle + (of === "right" ? -1 : 1) * anatomy.lungOffset;
  canvas.ellipse([middle, 0.55], [0.47, 0.62], anatomy.tissue, 0.05);
  for (const lung of ["right", "left"] as const) {
    canvas.ellipse([across(lung), top], anatomy.lung, lungLevel);
  }
  canvas.each((old, x, y) => {
    const bend = y + 0.9 * (x - middle) ** 2;
    const rib = Math.max(0, Math.cos(2 * Math.PI * bend / anatomy.ribSpacing)) ** 3;
    return old + (y > 0.12 && y < 0.8 ? 14 * rib : 0);
  });
  canvas.spot([middle, 0.5], [0.03, 0.6], 40);
  const heart = anatomy.heart * (findings.largeHeart ? 1.55 : 1);
  canvas.ellipse([middle + 0.04, 0.62], [heart, 0.15], 185, 0.15);
  canvas.ellipse([middle, 1.02], [0.48, 0.28], 190, 0.06);
  for (const { side: of, depth, density } of findings.opacities) {
    const at: Pair = [across(of) + 0.045 * random.normal(), top + (depth - 0.5) * 1.3 * anatomy.lung[1]];
    canvas.spot(at, [0.06 + 0.02 * random.next(), 0.06 + 0.03 * random.next()], density);
  }
  if (findings.effusion !== undefined) {
    canvas.ellipse([across(findings.effusion), 0.76], [0.17, 0.12], 190, 0.3);
  }
  // Build and dose differ from picture to picture: contrast, brightness, and a slope across the plate.
  const contrast = 1 + 0.1 * random.normal();
  const offset = exposure + 12 * random.normal();
  const slope = 25 * random.normal();
  canvas.each((old, x) => 128 + contrast * (old - 128) + offset + slope * (x - 0.5));
  canvas.noise(random, noise);
  return canvas.render();
}
