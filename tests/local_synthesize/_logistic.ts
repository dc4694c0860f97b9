/** Rows of features with a 0/1 label. */
export interface Labelled {
  readonly x: readonly number[][];
  readonly y: readonly number[];
}

/** L2-regularised logistic regression by gradient descent on standardised features; returns a scoring function. */
export function fitLogistic({ x, y }: Labelled, l2 = 0.01, steps = 400): (row: readonly number[]) => number {
  const width = x[0].length;
  const columns = Array.from({ length: width }, (_, j) => {
    const mean = x.reduce((sum, row) => sum + row[j], 0) / x.length;
    const sd = Math.sqrt(x.reduce((sum, row) => sum + (row[j] - mean) ** 2, 0) / x.length) || 1;
    return { mean, sd };
  });
  const standard = (row: readonly number[]) => columns.map(({ mean, sd }, j) => (row[j] - mean) / sd);
  const rows = x.map(standard);
  const weights = new Float64Array(width);
  let bias = 0;
  const logit = (row: readonly number[]) => row.reduce((sum, value, j) => sum + value * weights[j], bias);
  for (let step = 0; step < steps; step++) {
    const gradient = new Float64Array(width);
    let shift = 0;
    rows.forEach((row, i) => {
      const error = (1 / (1 + Math.exp(-logit(row))) - y[i]) / rows.length;
      row.forEach((value, j) => gradient[j] += error * value);
      shift += error;
    });
    const rate = 2 / Math.sqrt(width);
    weights.forEach((weight, j) => weights[j] = weight - rate * (gradient[j] + l2 * weight));
    bias -= rate * shift;
  }
  return (row) => logit(standard(row));
}

/** Area under the ROC curve by comparing every positive with every negative. */
export function areaUnderRoc(scores: readonly number[], y: readonly number[]): number {
  let [wins, pairs] = [0, 0];
  for (let i = 0; i < y.length; i++) {
    if (y[i] !== 1) continue;
    for (let j = 0; j < y.length; j++) {
      if (y[j] !== 0) continue;
      wins += scores[i] > scores[j] ? 1 : scores[i] === scores[j] ? 0.5 : 0;
      pairs++;
    }
  }
  return wins / pairs;
}

/** AUROC on `test` of a logistic regression fitted on `train`. */
export function testAuroc(train: Labelled, test: Labelled): number {
  const score = fitLogistic(train);
  return areaUnderRoc(test.x.map(score), test.y);
}
