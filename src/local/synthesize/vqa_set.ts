import { joined } from "./cxr_set.ts";
import type { SiteProfile } from "./site_profile.ts";
import { streamOf } from "./_stream.ts";
import { drawVqaScene, vqaPhantom, type VqaScene } from "./vqa_phantom.ts";
import { questionsAbout } from "./vqa_questions.ts";

/** One synthetic question about a picture, a line of `records.jsonl`. */
export interface VqaRecord {
  /** Record identifier. */
  readonly id: string;
  /** The picture, which is the privacy unit of this set. */
  readonly patient: string;
  /** Part of the federation. */
  readonly site: string;
  /** Region shown. */
  readonly organ: VqaScene["organ"];
  /** Row of the image array. */
  readonly image: number;
  /** The question. */
  readonly question: string;
  /** The answer, under the one task it belongs to. */
  readonly labels: {
    readonly chest_yesno: 0 | 1 | null;
    readonly other_yesno: 0 | 1 | null;
    readonly open_answer: string | null;
  };
}

/** Half of the pictures are chests, a quarter heads, a quarter abdomens. */
const ORGANS = ["CHEST", "HEAD", "CHEST", "ABD"] as const;

/** All questions about `pictures` synthetic pictures of one part, and their pixels [pictures, 96, 96]. */
export function synthesizeVqa(
  seed: number,
  profile: SiteProfile,
  pictures: number,
): { records: VqaRecord[]; pixels: Uint8Array } {
  const records: VqaRecord[] = [];
  const images: Uint8Array[] = [];
  for (let number = 0; number < pictures; number++) {
    const random = streamOf(seed, profile.folder, "vqa", number);
    const scene = drawVqaScene(random, ORGANS[number % ORGANS.length]);
    const patient = `syn-${profile.prefix}-vqa-${String(number).padStart(5, "0")}`;
    images.push(vqaPhantom(random, scene, profile.exposure, profile.imageNoise));
    questionsAbout(scene).forEach((question, index) => {
      const yesno = question.kind === "yesno" ? question.answer : null;
      records.push({
        id: `${patient}-q${index + 1}`,
        patient,
        site: profile.site,
        organ: scene.organ,
        image: number,
        question: question.question,
        labels: {
          chest_yesno: scene.organ === "CHEST" ? yesno : null,
          other_yesno: scene.organ === "CHEST" ? null : yesno,
          open_answer: question.kind === "open" ? question.answer : null,
        },
      });
    });
  }
  return { records, pixels: joined(images) };
}
