import type { SeededRandom } from "../../tensor/seeded_random.ts";
import { type ChestFindings, chestPhantom, drawChestAnatomy } from "./chest_phantom.ts";
import type { SiteProfile } from "./site_profile.ts";
import { pick, streamOf } from "./_stream.ts";

/** Pixels a side of a chest image. */
export const CXR_SIDE = 64;

/** One synthetic chest image, a line of `records.jsonl`. */
export interface CxrRecord {
  /** Record identifier. */
  readonly id: string;
  /** Patient identifier; a patient has one to three images. */
  readonly patient: string;
  /** Part of the federation. */
  readonly site: string;
  /** Row of the image array. */
  readonly image: number;
  /** Whether opacities of pneumonia were drawn. */
  readonly labels: { readonly pneumonia: 0 | 1 };
}

/** Opacities of pneumonia: one to three, oftener low in the lungs; some are faint. */
function pneumonia(random: SeededRandom): ChestFindings["opacities"] {
  const first = pick(random, ["left", "right"] as const);
  return Array.from({ length: 1 + random.integer(3) }, () => ({
    side: random.next() < 0.7 ? first : pick(random, ["left", "right"] as const),
    depth: 0.3 + 0.65 * Math.sqrt(random.next()),
    density: 12 + 48 * random.next() ** 1.5,
  }));
}

/** A faint shadow of a healthy chest (vessels, skin), in a third of the pictures. */
function harmless(random: SeededRandom): ChestFindings["opacities"] {
  const side = pick(random, ["left", "right"] as const);
  return random.next() < 0.33 ? [{ side, depth: random.next(), density: 8 + 14 * random.next() }] : [];
}

/** All images of `patients` synthetic patients of one part, and their pixels [images, 64, 64]. */
export function synthesizeCxr(
  seed: number,
  profile: SiteProfile,
  patients: number,
): { records: CxrRecord[]; pixels: Uint8Array } {
  const records: CxrRecord[] = [];
  const images: Uint8Array[] = [];
  for (let number = 0; number < patients; number++) {
    const random = streamOf(seed, profile.folder, "cxr", number);
    const anatomy = drawChestAnatomy(random);
    const patient = `syn-${profile.prefix}-cxr-${String(number).padStart(5, "0")}`;
    const ill = random.next() < profile.pneumoniaRate;
    for (let image = 1 + random.integer(3) * random.integer(2); image > 0; image--) {
      // An ill patient has mostly, not only, images of the illness: the label is the image's.
      const shown = ill ? random.next() < 0.9 : random.next() < 0.05;
      records.push({
        id: `${patient}-${records.length}`,
        patient,
        site: profile.site,
        image: images.length,
        labels: { pneumonia: shown ? 1 : 0 },
      });
      const opacities = shown ? pneumonia(random) : harmless(random);
      images.push(chestPhantom(random, anatomy, { opacities }, {
        side: CXR_SIDE,
        exposure: profile.exposure,
        noise: profile.imageNoise,
      }));
    }
  }
  return { records, pixels: joined(images) };
}

/** Images one after another in one array. */
export function joined(images: readonly Uint8Array[]): Uint8Array {
  const size = images[0]?.length ?? 0;
  const pixels = new Uint8Array(images.length * size);
  images.forEach((image, row) => pixels.set(image, row * size));
  return pixels;
}
