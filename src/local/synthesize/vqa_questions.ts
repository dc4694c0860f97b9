import type { VqaScene } from "./vqa_phantom.ts";

/** A question about a picture: yes or no as 1 or 0, or an open answer in words. */
export type VqaQuestion =
  | { readonly kind: "yesno"; readonly question: string; readonly answer: 0 | 1 }
  | { readonly kind: "open"; readonly question: string; readonly answer: string };

const yesno = (question: string, truth: boolean): VqaQuestion => ({
  kind: "yesno",
  question,
  answer: truth ? 1 : 0,
});
const open = (question: string, answer: string): VqaQuestion => ({ kind: "open", question, answer });

/** Every question that makes sense about a scene, with its answer. Some are put the other way round on purpose. */
export function questionsAbout(scene: VqaScene): VqaQuestion[] {
  switch (scene.organ) {
    case "CHEST": {
      const { opacity, effusion, largeHeart } = scene;
      return [
        yesno("Is there an opacity in the lungs?", opacity !== null),
        yesno("Are the lungs clear?", opacity === null && effusion === null),
        yesno("Is the heart enlarged?", largeHeart),
        yesno("Is the heart of normal size?", !largeHeart),
        yesno("Is there a pleural effusion?", effusion !== null),
        yesno("Is there blunting of a costophrenic angle?", effusion !== null),
        open("What kind of image is this?", "chest x-ray"),
        ...(opacity ? [open("Which lung shows the opacity?", `${opacity} lung`)] : []),
        ...(effusion ? [open("On which side is the effusion?", effusion)] : []),
      ];
    }
    case "HEAD": {
      const { lesion, largeVentricles } = scene;
      return [
        yesno("Is there a lesion in the brain?", lesion !== null),
        yesno("Is the brain normal?", lesion === null && !largeVentricles),
        yesno("Are the ventricles enlarged?", largeVentricles),
        yesno("Are the ventricles of normal size?", !largeVentricles),
        open("What organ is shown?", "brain"),
        ...(lesion
          ? [
            open("In which hemisphere is the lesion?", `${lesion.side} hemisphere`),
            open("Is the lesion hyperdense or hypodense?", lesion.density),
          ]
          : []),
      ];
    }
    case "ABD": {
      const { lesion, ascites } = scene;
      return [
        yesno("Is the liver normal?", lesion !== "liver"),
        yesno("Is there a lesion in the abdomen?", lesion !== null),
        yesno("Is there free fluid in the abdomen?", ascites),
        open("What kind of image is this?", "abdominal CT"),
        ...(lesion ? [open("Which organ is abnormal?", lesion)] : []),
      ];
    }
  }
}
