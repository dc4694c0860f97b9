import assert from "node:assert/strict";
import fc from "fast-check";
import { porterStem } from "../../src/foundation/_porter_stemmer.ts";
import { bleu1, meteor, metricWords, rouge1, rougeL, scoreTexts } from "../../src/foundation/mod.ts";

/**
 * Answer, reference, BLEU-1, ROUGE-1 F, ROUGE-L F, METEOR. Computed with NLTK 3.10.4 (`sentence_bleu` with weights
 * (1, 0, 0, 0); `single_meteor_score` with `PorterStemmer("MARTIN_EXTENSIONS")` and a WordNet without synonyms) and
 * rouge-score 0.1.2 (`use_stemmer=False`), both on the words `[a-z0-9]+` of the lower-cased texts.
 */
const GOLDEN: readonly [string, string, number, number, number, number][] = [
  [
    "the cat sat on the mat",
    "the cat is on the mat",
    0.8333333333333334,
    0.8333333333333334,
    0.8333333333333334,
    0.8066666666666668,
  ],
  [
    "Pleural effusion in the left lung.",
    "left pleural effusion",
    0.5,
    0.6666666666666666,
    0.4444444444444444,
    0.7744107744107744,
  ],
  ["axial", "axial plane", 0.36787944117144233, 0.6666666666666666, 0.6666666666666666, 0.2631578947368421],
  [
    "There are multiple nodules in the right upper lobe",
    "nodule, right upper lobe",
    0.3333333333333333,
    0.46153846153846156,
    0.46153846153846156,
    0.8333333333333334,
  ],
  ["yes yes yes", "yes", 0.3333333333333333, 0.5, 0.5, 0.4166666666666667],
  ["no abnormality", "cardiomegaly", 0, 0, 0, 0],
  [
    "baseline drift noise is seen in lead V1 and lead V2",
    "leads V1, V2: baseline drifting noises",
    0.2727272727272727,
    0.3529411764705882,
    0.23529411764705885,
    0.7863247863247864,
  ],
  [
    "the dog bit the man the dog",
    "the man bit the dog",
    0.7142857142857143,
    0.8333333333333333,
    0.6666666666666666,
    0.8576923076923078,
  ],
  ["", "something", 0, 0, 0, 0],
];

Deno.test("BLEU-1, ROUGE-1, ROUGE-L and METEOR agree with NLTK and rouge-score", () => {
  for (const [answer, reference, ...expected] of GOLDEN) {
    const actual = [bleu1, rouge1, rougeL, meteor].map((metric) => metric(answer, reference));
    actual.forEach((value, i) => assert.ok(Math.abs(value - expected[i]) < 1e-12, `${answer}: ${actual}`));
  }
});

Deno.test("scoreTexts() is the mean over all pairs, empty answers counted", () => {
  const scores = scoreTexts(GOLDEN.map((row) => row[0]), GOLDEN.map((row) => row[1]));
  [scores.bleu1, scores.rouge1, scores.rougeL, scores.meteor].forEach((value, metric) => {
    const mean = GOLDEN.reduce((sum, row) => sum + (row[metric + 2] as number), 0) / GOLDEN.length;
    assert.ok(Math.abs(value - mean) < 1e-12);
  });
  assert.throws(() => scoreTexts([], []), { code: "FormatError" });
  assert.throws(() => scoreTexts(["a"], []), { code: "FormatError" });
});

Deno.test("every metric lies in [0, 1] and an answer equal to its reference has the most", () => {
  const text = fc.array(fc.constantFrom("left", "right", "lung", "lungs", "opacity", "opacities", "no"), {
    maxLength: 8,
  }).map((words) => words.join(" "));
  fc.assert(fc.property(text, text, (answer, reference) => {
    for (const metric of [bleu1, rouge1, rougeL, meteor]) {
      const value = metric(answer, reference);
      assert.ok(value >= 0 && value <= 1);
      if (reference !== "") assert.ok(metric(reference, reference) >= value);
    }
    assert.equal(rouge1(answer, reference), rouge1(reference, answer));
    assert.ok(rougeL(answer, reference) <= rouge1(answer, reference) + 1e-12);
  }));
});

Deno.test("metricWords() keeps letters and digits of every script", () => {
  assert.deepEqual(metricWords("T2-weighted, 肺 œdème?"), ["t2", "weighted", "肺", "œdème"]);
});

/** Stems by NLTK 3.10.4, `PorterStemmer("MARTIN_EXTENSIONS")`: the examples of Porter's paper and radiology. */
const STEMS =
  "caresses caress ponies poni ties ti caress caress cats cat feed feed agreed agre plastered plaster " +
  "bled bled motoring motor sing sing conflated conflat troubled troubl sized size hopping hop tanned tan " +
  "falling fall hissing hiss fizzed fizz failing fail filing file happy happi sky sky relational relat " +
  "conditional condit rational ration valenci valenc hesitanci hesit digitizer digit conformabli conform " +
  "radicalli radic differentli differ vileli vile analogousli analog vietnamization vietnam predication predic " +
  "operator oper feudalism feudal decisiveness decis hopefulness hope callousness callous formaliti formal " +
  "sensitiviti sensit sensibiliti sensibl triplicate triplic formative form formalize formal electriciti electr " +
  "electrical electr hopeful hope goodness good revival reviv allowance allow inference infer airliner airlin " +
  "gyroscopic gyroscop adjustable adjust defensible defens irritant irrit replacement replac adjustment adjust " +
  "dependent depend adoption adopt homologou homolog communism commun activate activ angulariti angular " +
  "homologous homolog effective effect bowdlerize bowdler probate probat rate rate cease ceas controll control " +
  "roll roll pneumonia pneumonia effusion effus nodules nodul pathology patholog cardiomegaly cardiomegali " +
  "opacities opac is is y y syzygy syzygi enlarged enlarg ultrasonography ultrasonographi";

Deno.test("the stemmer reproduces Porter's examples", () => {
  const words = STEMS.split(" ");
  for (let i = 0; i < words.length; i += 2) assert.equal(porterStem(words[i]), words[i + 1], words[i]);
});
